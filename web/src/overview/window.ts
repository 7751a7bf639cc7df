/** The time range of the overview's counts, and the queries that share it. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { fetchSummary, type GroupBy } from '../api/requests';
import { bounds, filterToApi, type EventFilter, type Preset } from '../events/filter';
import { useRefreshOn } from '../live/useRefreshOn';

export const WINDOWS = ['15m', '1h', '6h', '24h', '7d'] as const satisfies readonly Preset[];

export type Window = (typeof WINDOWS)[number];

/** Counts over the window, refreshed while events arrive and every half minute as time moves on. */
export function useCounts(window: Window, groupBy: GroupBy, options: { limit?: number; intervalSeconds?: number } = {}) {
  useRefreshOn((state) => state.received, ['summary', window, groupBy], 2500);
  return useQuery({
    queryKey: ['summary', window, groupBy, options],
    queryFn: async ({ signal }) => {
      const now = Date.now();
      const filter: EventFilter = { range: { preset: window } };
      const buckets = await fetchSummary(filterToApi(filter, now), { groupBy, ...options }, signal);
      return { buckets, start: bounds(filter.range, now).start ?? now, end: now };
    },
    refetchInterval: 30_000,
    placeholderData: keepPreviousData,
  });
}
