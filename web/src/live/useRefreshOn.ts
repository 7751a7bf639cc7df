/** Fetches queries again when the live stream says that something changed, but not at every message. */
import { useQueryClient, type QueryKey } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useLive } from './live';
import type { LiveState } from './state';

/**
 * Invalidates the queries under `key` at most every `everyMs` while what `select` picks keeps changing,
 * and whenever the connection has come back.
 */
export function useRefreshOn(select: (state: LiveState) => unknown, key: QueryKey, everyMs = 1500): void {
  const queries = useQueryClient();
  const selected = useLive(select);
  const gaps = useLive((state) => state.gaps);
  const missed = useLive((state) => state.missed);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const first = useRef(true);
  const latestKey = useRef(key);

  useEffect(() => {
    latestKey.current = key;
  });

  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    timer.current ??= setTimeout(() => {
      timer.current = null;
      void queries.invalidateQueries({ queryKey: latestKey.current });
    }, everyMs);
  }, [selected, gaps, missed, everyMs, queries]);

  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
    },
    [],
  );
}
