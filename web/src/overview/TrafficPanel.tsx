/** Requests and findings per second of the last five minutes, drawn from the live stream. */
import { useCallback } from 'react';
import { baseOption, countAxis, timeAxis, tooltip } from '../chart/axes';
import type { ChartOption } from '../chart/echarts';
import { LazyChart } from '../chart/LazyChart';
import { Legend } from '../chart/Legend';
import type { Palette } from '../chart/palette';
import { rate } from '../format/number';
import { useLive } from '../live/live';
import { recentRate, SAMPLES_KEPT, type LiveState } from '../live/state';
import { Panel } from '../ui/Panel';
import styles from './TrafficPanel.module.css';

/** The chart starts with a minute and widens as figures arrive. */
const SHORTEST_MS = 60_000;

type Samples = LiveState['samples'];

export function TrafficPanel() {
  const samples = useLive((state) => state.samples);
  const option = useCallback((palette: Palette) => trafficOption(samples, palette), [samples]);
  const now = recentRate(samples, 10);
  const label =
    now === null
      ? 'No traffic figures received yet'
      : `Traffic now: ${rate(now.requests)} requests, ${rate(now.blocked)} blocked and ${rate(now.detected)} detected per second`;
  return (
    <Panel
      title="Traffic, live"
      note="per second, since you opened the console"
      actions={<Legend series={['requests', 'blocked', 'detected']} />}
    >
      <div className={styles['place']}>
        <LazyChart option={option} label={label} height={188} />
        {samples.length === 0 && <p className={styles['waiting']}>Waiting for the first figures…</p>}
      </div>
    </Panel>
  );
}

function trafficOption(samples: Samples, palette: Palette): ChartOption {
  const last = samples.findLast((sample) => sample !== null);
  const first = samples.find((sample) => sample !== null);
  const span = first === undefined || last === undefined ? 0 : last.time - first.time;
  const width = Math.min(SAMPLES_KEPT * 1000, Math.max(span, SHORTEST_MS));
  const range = last === undefined ? {} : { min: last.time - width, max: last.time };
  const line = (field: 'requests' | 'blocked' | 'detected'): [number, number | null][] =>
    samples.map((sample, i) => {
      const time = sample?.time ?? (samples[i - 1]?.time ?? 0) + 1;
      return [time, sample === null ? null : sample[field]];
    });
  const byTime = new Map(samples.flatMap((sample) => (sample === null ? [] : [[sample.time, sample]])));
  const base = { type: 'line' as const, showSymbol: false, connectNulls: false };
  return {
    ...baseOption(palette),
    axisPointer: { link: [{ xAxisIndex: 'all' }] },
    grid: [
      { left: 42, right: 8, top: 8, height: 92 },
      { left: 42, right: 8, top: 122, height: 44 },
    ],
    xAxis: [
      { ...timeAxis(palette, range), gridIndex: 0, axisLabel: { show: false } },
      { ...timeAxis(palette, range), gridIndex: 1 },
    ],
    yAxis: [
      { ...countAxis(palette, 2), gridIndex: 0 },
      { ...countAxis(palette, 1), gridIndex: 1 },
    ],
    tooltip: tooltip(palette, (time) => {
      const sample = byTime.get(time);
      if (sample === undefined) return null;
      return [
        { color: palette.requests, label: 'Requests / s', value: rate(sample.requests) },
        { color: palette.blocked, label: 'Blocked / s', value: rate(sample.blocked) },
        { color: palette.detected, label: 'Detected / s', value: rate(sample.detected) },
      ];
    }),
    series: [
      { ...base, data: line('requests'), lineStyle: { width: 1.5, color: palette.requests }, areaStyle: { color: palette.requests, opacity: 0.18 }, itemStyle: { color: palette.requests } },
      { ...base, step: 'end', xAxisIndex: 1, yAxisIndex: 1, data: line('detected'), lineStyle: { width: 1.5, color: palette.detected }, itemStyle: { color: palette.detected } },
      { ...base, step: 'end', xAxisIndex: 1, yAxisIndex: 1, data: line('blocked'), lineStyle: { width: 1.75, color: palette.blocked }, areaStyle: { color: palette.blocked, opacity: 0.15 }, itemStyle: { color: palette.blocked } },
    ],
  };
}
