/** Summary buckets as series: every time step has a value, also those in which nothing happened. */
import type { Bucket } from '../api/types';

export interface Series {
  key: string;
  /** Start of the bucket in milliseconds, events. */
  points: [number, number][];
  total: number;
}

/** At most so many steps are drawn; a wider range needs wider buckets. */
const STEPS_MAX = 2000;

export function seriesOf(
  buckets: readonly Bucket[],
  keys: readonly string[],
  range: { start: number; end: number },
  intervalSeconds: number,
): Series[] {
  const step = intervalSeconds * 1000;
  const first = Math.floor(range.start / step) * step;
  const steps = Math.min(STEPS_MAX, Math.max(1, Math.floor((range.end - first) / step) + 1));
  return keys.map((key) => {
    const counts = new Map<number, number>();
    let total = 0;
    for (const bucket of buckets) {
      if (bucket.key !== key || bucket.time === null) continue;
      const time = Date.parse(bucket.time);
      counts.set(time, (counts.get(time) ?? 0) + bucket.count);
      total += bucket.count;
    }
    const points = Array.from({ length: steps }, (_, i): [number, number] => {
      const time = first + i * step;
      return [time, counts.get(time) ?? 0];
    });
    return { key, points, total };
  });
}
