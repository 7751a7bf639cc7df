/** Times. The console shows UTC everywhere, as the logs and the API do. */

const two = (value: number): string => String(value).padStart(2, '0');

/** "2026-11-22". */
export function date(time: string | number | Date): string {
  const t = new Date(time);
  return `${t.getUTCFullYear()}-${two(t.getUTCMonth() + 1)}-${two(t.getUTCDate())}`;
}

/** "15:20:43". */
export function clock(time: string | number | Date): string {
  const t = new Date(time);
  return `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}:${two(t.getUTCSeconds())}`;
}

/** "15:20:43.120". */
export function clockMillis(time: string | number | Date): string {
  return `${clock(time)}.${String(new Date(time).getUTCMilliseconds()).padStart(3, '0')}`;
}

/** "2026-11-22 15:20:43". */
export function dateTime(time: string | number | Date): string {
  return `${date(time)} ${clock(time)}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** "Nov 22", for lists; the year only where it is not the one of `now`. */
export function listDate(time: string | number | Date, now: number): string {
  const t = new Date(time);
  const year = t.getUTCFullYear();
  const shownYear = year === new Date(now).getUTCFullYear() ? '' : ` ${year}`;
  return `${MONTHS[t.getUTCMonth()] ?? ''} ${t.getUTCDate()}${shownYear}`;
}

/** The same moment in the reader's own zone, for tooltips. */
export function local(time: string | number | Date): string {
  return `${new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'long' })} (your time)`;
}

/** "just now", "42 s ago", "5 min ago", "3 h ago", "2 d ago". */
export function ago(time: string | number | Date, now: number): string {
  const seconds = Math.floor((now - new Date(time).getTime()) / 1000);
  if (seconds < 5) return 'just now';
  return `${duration(seconds)} ago`;
}

/** A length of time in its largest whole unit: 42 → "42 s", 300 → "5 min". */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** Two units, for uptimes: 7821 → "2 h 10 min". */
export function uptime(seconds: number): string {
  if (seconds < 3600) return duration(seconds);
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}
