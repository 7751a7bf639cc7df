/** The calls of the console, one function each. */
import { call, callJson } from './client';
import type { Alert, AlertState, Bucket, HopCount, Overview, SecurityEvent, Session } from './types';

/** What the summary can count by. */
export type GroupBy = 'track' | 'attack_type' | 'action' | 'severity' | 'client_ip' | 'rule_id' | 'site';

export interface EventPage {
  events: SecurityEvent[];
  /** Where the next page starts; null on the last page. */
  next: string | null;
}

export async function fetchEvents(parameters: URLSearchParams, signal?: AbortSignal): Promise<EventPage> {
  const response = await call(`/events?${parameters}`, { signal });
  const events = (await response.json()) as SecurityEvent[];
  return { events, next: response.headers.get('X-Next-Cursor') };
}

export const fetchEvent = (id: string, signal?: AbortSignal): Promise<SecurityEvent> =>
  callJson(`/events/${encodeURIComponent(id)}`, { signal });

export interface SummaryOptions {
  groupBy: GroupBy;
  intervalSeconds?: number;
  limit?: number;
}

export function fetchSummary(filter: URLSearchParams, options: SummaryOptions, signal?: AbortSignal): Promise<Bucket[]> {
  const parameters = new URLSearchParams(filter);
  parameters.set('group_by', options.groupBy);
  if (options.intervalSeconds !== undefined) parameters.set('interval_seconds', String(options.intervalSeconds));
  if (options.limit !== undefined) parameters.set('limit', String(options.limit));
  return callJson(`/events/summary?${parameters}`, { signal });
}

export function fetchAlerts(
  query: { state?: AlertState | undefined; before?: string | undefined; limit: number },
  signal?: AbortSignal,
): Promise<Alert[]> {
  const parameters = new URLSearchParams({ limit: String(query.limit) });
  if (query.state !== undefined) parameters.set('state', query.state);
  if (query.before !== undefined) parameters.set('before', query.before);
  return callJson(`/alerts?${parameters}`, { signal });
}

export async function setAlertState(id: string, state: AlertState): Promise<void> {
  await call(`/alerts/${encodeURIComponent(id)}`, { method: 'PATCH', body: { state } });
}

export const fetchOverview = (signal?: AbortSignal): Promise<Overview> => callJson('/overview', { signal });

export const fetchLedger = (signal?: AbortSignal): Promise<Record<string, HopCount>> => callJson('/ledger', { signal });

export const fetchSession = (): Promise<Session> => callJson('/session', { unauthorizedIsAnAnswer: true });

export const login = (username: string, password: string): Promise<Session> =>
  callJson('/session', { method: 'POST', body: { username, password }, unauthorizedIsAnAnswer: true });

export async function logout(): Promise<void> {
  await call('/session', { method: 'DELETE' });
}

export async function changePassword(current: string, replacement: string): Promise<void> {
  await call('/session/password', {
    method: 'POST',
    body: { current, new: replacement },
    unauthorizedIsAnAnswer: true,
  });
}
