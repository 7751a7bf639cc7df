/** Stacked bars of events by action over time. */
import { useCallback } from 'react';
import type { Action } from '../api/types';
import { actionLabel } from '../format/labels';
import { count } from '../format/number';
import { baseOption, countAxis, timeAxis, tooltip } from './axes';
import type { Series } from './buckets';
import { LazyChart } from './LazyChart';
import type { Palette } from './palette';

interface Props {
  series: Series[];
  label: string;
  height: number;
  onTimeClick?: (time: number) => void;
}

export function ActionHistogram({ series, ...rest }: Props) {
  const option = useCallback(
    (palette: Palette) => ({
      ...baseOption(palette),
      grid: { left: 42, right: 8, top: 8, bottom: 22 },
      xAxis: timeAxis(palette),
      yAxis: { ...countAxis(palette, 2), minInterval: 1 },
      tooltip: tooltip(palette, (time) =>
        series.map((one) => ({
          color: palette[one.key as Action],
          label: actionLabel(one.key as Action),
          value: count(one.points.find(([start]) => start === time)?.[1] ?? 0),
        })),
      ),
      series: series.map((one) => ({
        type: 'bar' as const,
        stack: 'events',
        data: one.points,
        barCategoryGap: '18%',
        itemStyle: { color: palette[one.key as Action] },
        cursor: 'pointer',
      })),
    }),
    [series],
  );
  return <LazyChart option={option} {...rest} />;
}
