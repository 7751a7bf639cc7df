/**
 * The event filter: one value, kept in the URL, turned into API parameters and applied to live
 * events, so that a link, a list, its counts and its "new events" hint always mean the same thing.
 */
import type { Action, AttackClass, SecurityEvent, SeverityBand, Track } from '../api/types';
import { ACTIONS, ATTACK_CLASSES, oneOf, severityBand, SEVERITY_BANDS, TRACKS } from '../format/labels';

/** Ranges that end now. */
export const PRESETS = {
  '15m': { label: 'Last 15 minutes', seconds: 15 * 60 },
  '1h': { label: 'Last hour', seconds: 3600 },
  '6h': { label: 'Last 6 hours', seconds: 6 * 3600 },
  '24h': { label: 'Last 24 hours', seconds: 86_400 },
  '7d': { label: 'Last 7 days', seconds: 7 * 86_400 },
  '30d': { label: 'Last 30 days', seconds: 30 * 86_400 },
  all: { label: 'All time', seconds: null },
} as const;

export type Preset = keyof typeof PRESETS;

export const DEFAULT_PRESET: Preset = '24h';

/** Either a preset, or from (inclusive) and to (exclusive), each optional, as RFC 3339. */
export type TimeRange = { preset: Preset } | { preset: null; start: string | null; end: string | null };

export interface EventFilter {
  range: TimeRange;
  severity?: SeverityBand;
  track?: Track;
  action?: Action;
  attack_type?: AttackClass;
  client_ip?: string;
  rule_id?: string;
  site?: string;
  text?: string;
}

/** The fields that hold one value each. */
export type FilterField = Exclude<keyof EventFilter, 'range'>;

export const FILTER_FIELDS: readonly FilterField[] = [
  'severity',
  'track',
  'action',
  'attack_type',
  'client_ip',
  'rule_id',
  'site',
  'text',
];

/** Reads the filter from a query string; what it does not understand it leaves out. */
export function filterFromUrl(parameters: URLSearchParams): EventFilter {
  const filter: EventFilter = { range: rangeFromUrl(parameters) };
  const severity = oneOf(SEVERITY_BANDS, parameters.get('severity'));
  const track = oneOf(TRACKS, parameters.get('track'));
  const action = oneOf(ACTIONS, parameters.get('action'));
  const attackType = oneOf(ATTACK_CLASSES, parameters.get('attack_type'));
  if (severity) filter.severity = severity;
  if (track) filter.track = track;
  if (action) filter.action = action;
  if (attackType) filter.attack_type = attackType;
  for (const field of ['client_ip', 'rule_id', 'site', 'text'] as const) {
    const value = parameters.get(field)?.trim();
    if (value) filter[field] = value;
  }
  return filter;
}

function rangeFromUrl(parameters: URLSearchParams): TimeRange {
  const start = instant(parameters.get('start_time'));
  const end = instant(parameters.get('end_time'));
  if (start !== null || end !== null) return { preset: null, start, end };
  const preset = oneOf(Object.keys(PRESETS) as Preset[], parameters.get('range'));
  return { preset: preset ?? DEFAULT_PRESET };
}

function instant(value: string | null): string | null {
  if (value === null || value === '') return null;
  const time = Date.parse(value);
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}

/** Writes the filter as a query string; defaults are left out, so that URLs stay short. */
export function filterToUrl(filter: EventFilter): URLSearchParams {
  const parameters = new URLSearchParams();
  if (filter.range.preset === null) {
    if (filter.range.start !== null) parameters.set('start_time', filter.range.start);
    if (filter.range.end !== null) parameters.set('end_time', filter.range.end);
  } else if (filter.range.preset !== DEFAULT_PRESET) {
    parameters.set('range', filter.range.preset);
  }
  appendFields(filter, parameters);
  return parameters;
}

/** The filter as API parameters. `now` is when the list was asked for, so that all its parts agree. */
export function filterToApi(filter: EventFilter, now: number): URLSearchParams {
  const parameters = new URLSearchParams();
  const { start, end } = bounds(filter.range, now);
  if (start !== null) parameters.set('start_time', new Date(start).toISOString());
  if (end !== null) parameters.set('end_time', new Date(end).toISOString());
  appendFields(filter, parameters);
  return parameters;
}

/** The range in milliseconds since 1970; null where it is open. */
export function bounds(range: TimeRange, now: number): { start: number | null; end: number | null } {
  if (range.preset === null) {
    return {
      start: range.start === null ? null : Date.parse(range.start),
      end: range.end === null ? null : Date.parse(range.end),
    };
  }
  const { seconds } = PRESETS[range.preset];
  return { start: seconds === null ? null : now - seconds * 1000, end: null };
}

function appendFields(filter: EventFilter, parameters: URLSearchParams): void {
  for (const field of FILTER_FIELDS) {
    const value = filter[field];
    if (value !== undefined && value !== '') parameters.set(field, value);
  }
}

/** The filter with one field set, or without it if the value is empty. */
export function withField(filter: EventFilter, field: FilterField, value: string | null): EventFilter {
  const parameters = filterToUrl(filter);
  if (value === null || value === '') parameters.delete(field);
  else parameters.set(field, value);
  return filterFromUrl(parameters);
}

/** Where the list with this filter lives. */
export function eventsPath(filter: EventFilter): string {
  const query = filterToUrl(filter).toString();
  return query === '' ? '/events' : `/events?${query}`;
}

/** Shorthand for links to the rows behind a number. */
export function eventsLink(fields: Partial<Record<FilterField, string>>, preset: Preset = DEFAULT_PRESET): string {
  const parameters = new URLSearchParams(fields);
  parameters.set('range', preset);
  return eventsPath(filterFromUrl(parameters));
}

/** How many fields restrict the list (the time range not counted). */
export function activeFields(filter: EventFilter): FilterField[] {
  return FILTER_FIELDS.filter((field) => filter[field] !== undefined);
}

/** Whether a live event belongs to the list; the same meaning as on the server. */
export function matches(event: SecurityEvent, filter: EventFilter, now: number): boolean {
  const time = Date.parse(event.timestamp);
  const { start, end } = bounds(filter.range, now);
  if (start !== null && time < start) return false;
  if (end !== null && time >= end) return false;
  if (filter.severity !== undefined && severityBand(event.severity) !== filter.severity) return false;
  if (filter.track !== undefined && event.track !== filter.track) return false;
  if (filter.action !== undefined && event.action !== filter.action) return false;
  if (filter.attack_type !== undefined && event.attack_type !== filter.attack_type) return false;
  if (filter.client_ip !== undefined && event.client_ip !== filter.client_ip) return false;
  if (filter.site !== undefined && event.site !== filter.site) return false;
  if (filter.rule_id !== undefined && !hasRule(event, filter.rule_id)) return false;
  return filter.text === undefined || containsText(event, filter.text.toLowerCase());
}

function hasRule(event: SecurityEvent, rule: string): boolean {
  return event.findings.some((finding) => String(finding.rule_id) === rule);
}

function containsText(event: SecurityEvent, needle: string): boolean {
  const has = (text: string): boolean => text.toLowerCase().includes(needle);
  return (
    has(event.request.uri) ||
    has(event.request.user_agent) ||
    event.findings.some((finding) => has(finding.message) || has(finding.matched))
  );
}

/** Width of the histogram's buckets for a range: a round number of seconds that gives 30–120 bars. */
export function bucketSeconds(start: number, end: number): number {
  const seconds = Math.max(60, (end - start) / 1000);
  const steps = [10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800];
  return steps.find((step) => seconds / step <= 96) ?? 2_592_000;
}
