/** Numbers as people read them. Always English digits and separators: the console has one language. */

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1234567 → "1,234,567". */
export function count(value: number): string {
  return grouped.format(value);
}

/** A rate that keeps small values visible: 0.25 → "0.25", 3.4 → "3.4", 1234.5 → "1,235". */
export function rate(value: number): string {
  if (value === 0) return '0';
  if (value < 1) return value.toFixed(2);
  if (value < 100) return value.toFixed(1);
  return grouped.format(value);
}

/** A share in percent; never rounds something to 0 % or almost everything to 100 %. */
export function share(part: number, whole: number): string {
  if (whole <= 0) return '–';
  const percent = (part / whole) * 100;
  if (percent === 0) return '0 %';
  if (percent < 0.01) return '< 0.01 %';
  if (percent > 99.99 && part < whole) return '> 99.99 %';
  return `${percent < 10 ? percent.toFixed(2) : percent.toFixed(1)} %`;
}

/** "1 event", "2 events". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Bytes with a binary unit: 482 → "482 B", 2048 → "2.0 KiB". */
export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let scaled = value / 1024;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled.toFixed(1)} ${units[unit] ?? ''}`;
}

/** Points with their sign: 5 → "+5", -3 → "−3". */
export function points(value: number): string {
  return value < 0 ? `−${Math.abs(value)}` : `+${value}`;
}
