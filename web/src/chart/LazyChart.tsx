/** Loads the chart library only where a chart is shown, and keeps its place meanwhile. */
import { Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { ChartProps } from './Chart';

const Chart = lazy(() => import('./Chart'));

export function LazyChart(props: ChartProps) {
  return (
    <Suspense fallback={<Skeleton height={props.height} aria-label="Loading the chart" />}>
      <Chart {...props} />
    </Suspense>
  );
}
