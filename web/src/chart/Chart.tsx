/** One chart: fits its box, follows the colour scheme, and says in words what it shows. */
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { init, type ChartOption } from './echarts';
import { readPalette, type Palette } from './palette';

type Instance = ReturnType<typeof init>;

export interface ChartProps {
  /** Builds the option from the colours; must be stable while its data is. */
  option: (palette: Palette) => ChartOption;
  /** What the chart shows, for people who do not see it. */
  label: string;
  height: number;
  /** Called with the time under the pointer. */
  onTimeClick?: (time: number) => void;
}

export default function Chart({ option, label, height, onTimeClick }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<Instance | null>(null);
  const click = useRef(onTimeClick);
  const scheme = useComputedColorScheme('light');

  useEffect(() => {
    click.current = onTimeClick;
  });

  useEffect(() => {
    if (box.current === null) return;
    const instance = init(box.current);
    chart.current = instance;
    const observer = new ResizeObserver(() => instance.resize());
    observer.observe(box.current);
    instance.getZr().on('click', (event) => {
      const point: unknown = instance.convertFromPixel({ gridIndex: 0 }, [event.offsetX, event.offsetY]);
      if (Array.isArray(point)) click.current?.(Number(point[0]));
    });
    return () => {
      observer.disconnect();
      instance.dispose();
      chart.current = null;
    };
  }, []);

  // `scheme` is read through the style sheet: the colours change with it.
  useEffect(() => {
    chart.current?.setOption(option(readPalette()), { notMerge: true });
  }, [option, scheme]);

  return <div ref={box} role="img" aria-label={label} style={{ height }} />;
}
