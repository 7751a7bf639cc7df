/** How many events match, over time and by action; a click on a bar narrows the range to it. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { fetchSummary } from '../api/requests';
import { ActionHistogram } from '../chart/ActionHistogram';
import { seriesOf } from '../chart/buckets';
import { ACTIONS, actionLabel } from '../format/labels';
import { count, plural } from '../format/number';
import { Failure } from '../ui/Failure';
import { bounds, bucketSeconds, filterToApi, type EventFilter } from './filter';
import styles from './Histogram.module.css';

const DAY = 86_400_000;

interface Props {
  filter: EventFilter;
  asOf: number;
  onChange: (filter: EventFilter) => void;
}

export function Histogram({ filter, asOf, onChange }: Props) {
  const limits = bounds(filter.range, asOf);
  const end = limits.end ?? asOf;
  // All time is drawn from the first day that has events; by-day buckets keep the answer small.
  const width = limits.start === null ? DAY / 1000 : bucketSeconds(limits.start, end);
  const query = useQuery({
    queryKey: ['events', 'histogram', filter, asOf],
    queryFn: ({ signal }) => fetchSummary(filterToApi(filter, asOf), { groupBy: 'action', intervalSeconds: width }, signal),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
  const { data } = query;
  const series = useMemo(() => {
    if (data === undefined) return null;
    const first = data.reduce((least, bucket) => Math.min(least, bucket.time === null ? end : Date.parse(bucket.time)), end - DAY);
    return seriesOf(data, ACTIONS, { start: limits.start ?? first, end }, width);
  }, [data, limits.start, end, width]);

  if (query.isError) return <Failure what="The counts" error={query.error} retry={query.refetch} />;
  const total = series?.reduce((sum, one) => sum + one.total, 0) ?? 0;
  return (
    <section className={styles['panel']} aria-label="Counts">
      <div className={styles['counts']} role="status">
        {series === null ? (
          <span className={styles['total']}>Counting…</span>
        ) : (
          <>
            <span className={styles['total']}>{plural(total, 'event')}</span>
            {series.map((one) => (
              <span key={one.key} className={styles['part']}>
                <i className={styles[one.key]} aria-hidden />
                {count(one.total)} {actionLabel(one.key as (typeof ACTIONS)[number]).toLowerCase()}
              </span>
            ))}
          </>
        )}
      </div>
      <ActionHistogram
        series={series ?? []}
        height={84}
        label={`${plural(total, 'event')} over time`}
        onTimeClick={(time) => {
          const start = Math.floor(time / (width * 1000)) * width * 1000;
          const range = { preset: null, start: new Date(start).toISOString(), end: new Date(start + width * 1000).toISOString() };
          onChange({ ...filter, range });
        }}
      />
    </section>
  );
}
