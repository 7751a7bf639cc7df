import { describe, expect, it } from 'vitest';
import { seriesOf } from './buckets';

describe('series from buckets', () => {
  const start = Date.parse('2026-11-22T12:00:30Z');
  const range = { start, end: start + 120_000 };

  it('have a zero where nothing happened', () => {
    const [blocked, detected] = seriesOf(
      [
        { time: '2026-11-22T12:00:00Z', key: 'blocked', count: 2 },
        { time: '2026-11-22T12:02:00Z', key: 'blocked', count: 3 },
      ],
      ['blocked', 'detected'],
      range,
      60,
    );
    expect(blocked?.points.map(([, count]) => count)).toEqual([2, 0, 3]);
    expect(blocked?.total).toBe(5);
    expect(detected?.points.map(([, count]) => count)).toEqual([0, 0, 0]);
  });

  it('are bounded whatever the range', () => {
    const [series] = seriesOf([], ['a'], { start: 0, end: start }, 60);
    expect(series?.points).toHaveLength(2000);
  });
});
