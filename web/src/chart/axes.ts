/** Axes and tooltip that all charts share. */
import type { ChartOption } from './echarts';
import type { Palette } from './palette';
import { count } from '../format/number';
import { clock, date } from '../format/time';
import styles from './Chart.module.css';

const FONT = { fontFamily: "'Inter Variable', system-ui, sans-serif", fontSize: 11 };

/** What every chart starts from. Times are UTC, and nothing moves by itself. */
export function baseOption(palette: Palette): ChartOption {
  return { useUTC: true, animation: false, textStyle: { ...FONT, color: palette.faint } };
}

export function timeAxis(palette: Palette, range: { min?: number; max?: number } = {}) {
  return {
    type: 'time' as const,
    ...range,
    axisLine: { lineStyle: { color: palette.line } },
    axisTick: { show: false },
    axisLabel: { ...FONT, color: palette.faint, hideOverlap: true },
    splitLine: { show: false },
    axisPointer: { lineStyle: { color: palette.faint, type: 'solid' as const } },
  };
}

export function countAxis(palette: Palette, ticks = 3) {
  return {
    type: 'value' as const,
    min: 0,
    splitNumber: ticks,
    axisLabel: { ...FONT, color: palette.faint, formatter: (value: number) => (value < 10 ? String(value) : count(value)) },
    splitLine: { lineStyle: { color: palette.line } },
  };
}

export interface TooltipRow {
  color: string;
  label: string;
  value: string;
}

/** A tooltip built from elements: the security policy forbids the style attributes ECharts would write. */
export function tooltip(palette: Palette, content: (time: number) => TooltipRow[] | null): NonNullable<ChartOption['tooltip']> {
  return {
    trigger: 'axis',
    backgroundColor: palette.surface,
    borderColor: palette.line,
    padding: [8, 10],
    textStyle: { ...FONT, fontSize: 12, color: palette.text },
    transitionDuration: 0,
    confine: true,
    formatter: (parameters) => {
      const first = Array.isArray(parameters) ? parameters[0] : parameters;
      const value: unknown = first?.value;
      const time = Array.isArray(value) ? Number(value[0]) : Number.NaN;
      const rows = Number.isNaN(time) ? null : content(time);
      return rows === null ? '' : tooltipElement(time, rows);
    },
  };
}

function tooltipElement(time: number, rows: TooltipRow[]): HTMLElement {
  const box = document.createElement('div');
  const title = document.createElement('div');
  title.className = styles['tooltipTitle'] ?? '';
  title.textContent = `${date(time)} ${clock(time)} UTC`;
  box.append(title);
  for (const row of rows) {
    const line = document.createElement('div');
    line.className = styles['tooltipRow'] ?? '';
    const swatch = document.createElement('span');
    swatch.className = styles['swatch'] ?? '';
    swatch.style.backgroundColor = row.color;
    const label = document.createElement('span');
    label.textContent = row.label;
    const value = document.createElement('b');
    value.textContent = row.value;
    line.append(swatch, label, value);
    box.append(line);
  }
  return box;
}
