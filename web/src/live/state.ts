/**
 * What the live stream has told the console so far. A pure reducer: every claim that the console
 * makes about being live, late or incomplete is decided here and tested without a browser.
 */
import type { Alert, SecurityEvent, TrafficTotals } from '../api/types';

/** Everything that can happen to the stream; `at` is the browser's clock in milliseconds. */
export type LiveMessage =
  | { type: 'opened'; at: number }
  | { type: 'lost'; at: number }
  | { type: 'tick'; at: number }
  | { type: 'traffic'; at: number; totals: TrafficTotals; timestamp: string }
  | { type: 'event'; at: number; event: SecurityEvent }
  | { type: 'alert'; at: number; alert: Alert }
  | { type: 'missed'; at: number; count: number }
  | { type: 'acknowledge-missed' };

/** Requests per second between two traffic messages. */
export interface TrafficSample {
  time: number;
  requests: number;
  blocked: number;
  detected: number;
}

export type Connection =
  | { status: 'connecting' }
  | { status: 'live' }
  /** The connection is gone and is being made again. */
  | { status: 'reconnecting'; since: number }
  /** The connection stands but nothing arrives. */
  | { status: 'stale'; since: number };

export interface LiveState {
  connection: Connection;
  lastTraffic: { totals: TrafficTotals; time: number } | null;
  /** When anything last arrived. */
  lastHeard: number | null;
  /** Oldest first; null where nothing is known (connection lost, server restarted). */
  samples: (TrafficSample | null)[];
  /** Newest first. */
  events: SecurityEvent[];
  /** Events received since the page was opened; says that something is new. */
  received: number;
  /** Latest state of alerts that were raised or changed, newest change first. */
  alerts: Alert[];
  /** Events that the server says it could not show us live. */
  missed: number;
  /** Times without a connection, during which an unknown number of events was not shown live. */
  gaps: { from: number; to: number }[];
}

export const INITIAL: LiveState = {
  connection: { status: 'connecting' },
  lastTraffic: null,
  lastHeard: null,
  samples: [],
  events: [],
  received: 0,
  alerts: [],
  missed: 0,
  gaps: [],
};

/** Five minutes at one message a second. */
export const SAMPLES_KEPT = 300;
export const EVENTS_KEPT = 200;
const ALERTS_KEPT = 100;
const GAPS_KEPT = 20;
/** Traffic arrives once a second; silence longer than this is stale. */
export const STALE_AFTER_MS = 5000;

export function reduce(state: LiveState, message: LiveMessage): LiveState {
  switch (message.type) {
    case 'opened':
      return opened(state, message.at);
    case 'lost':
      return lost(state, message.at);
    case 'tick':
      return tick(state, message.at);
    case 'traffic':
      return traffic(heard(state, message.at), message);
    case 'event':
      return {
        ...heard(state, message.at),
        events: mergeEvents([message.event], state.events, EVENTS_KEPT),
        received: state.received + 1,
      };
    case 'alert':
      return {
        ...heard(state, message.at),
        alerts: [message.alert, ...state.alerts.filter((alert) => alert.id !== message.alert.id)].slice(0, ALERTS_KEPT),
      };
    case 'missed':
      return { ...heard(state, message.at), missed: state.missed + message.count };
    case 'acknowledge-missed':
      return { ...state, missed: 0, gaps: [] };
  }
}

function opened(state: LiveState, at: number): LiveState {
  const gap = state.connection.status === 'reconnecting' ? [{ from: state.connection.since, to: at }] : [];
  return {
    ...state,
    connection: { status: 'live' },
    lastHeard: at,
    gaps: [...state.gaps, ...gap].slice(-GAPS_KEPT),
  };
}

function lost(state: LiveState, at: number): LiveState {
  // The moment from which data is missing is the last message, not the moment the loss was noticed.
  const { connection } = state;
  if (connection.status === 'reconnecting') return state;
  if (connection.status === 'connecting') return { ...state, connection: { status: 'reconnecting', since: at } };
  return { ...state, connection: { status: 'reconnecting', since: state.lastHeard ?? at }, samples: gapIn(state.samples) };
}

function tick(state: LiveState, at: number): LiveState {
  if (state.connection.status !== 'live' || state.lastHeard === null) return state;
  if (at - state.lastHeard <= STALE_AFTER_MS) return state;
  return { ...state, connection: { status: 'stale', since: state.lastHeard }, samples: gapIn(state.samples) };
}

function heard(state: LiveState, at: number): LiveState {
  const connection: Connection = state.connection.status === 'live' ? state.connection : { status: 'live' };
  return { ...state, connection, lastHeard: at };
}

function traffic(state: LiveState, message: LiveMessage & { type: 'traffic' }): LiveState {
  const time = Date.parse(message.timestamp);
  const before = state.lastTraffic;
  const next = { ...state, lastTraffic: { totals: message.totals, time } };
  if (before === null) return next;
  const sample = rateBetween(before, next.lastTraffic);
  // After a silence the average over it would look like a quiet minute: a gap is the truth.
  const silent = time - before.time > STALE_AFTER_MS;
  const samples = sample === null || silent ? gapIn(state.samples) : [...state.samples, sample];
  return { ...next, samples: samples.slice(-SAMPLES_KEPT) };
}

interface Reading {
  totals: TrafficTotals;
  time: number;
}

function rateBetween(before: Reading, after: Reading): TrafficSample | null {
  const seconds = (after.time - before.time) / 1000;
  const restarted = after.totals.requests < before.totals.requests;
  if (seconds <= 0 || restarted) return null;
  const per = (field: keyof TrafficTotals): number => (after.totals[field] - before.totals[field]) / seconds;
  return {
    time: after.time,
    requests: per('requests'),
    blocked: per('blocked') + per('rejected'),
    detected: per('detected'),
  };
}

function gapIn(samples: LiveState['samples']): LiveState['samples'] {
  return samples.length === 0 || samples.at(-1) === null ? samples : [...samples, null];
}

/** Joins two lists without doubles, newest first. */
export function mergeEvents(a: readonly SecurityEvent[], b: readonly SecurityEvent[], limit: number): SecurityEvent[] {
  const byId = new Map<string, SecurityEvent>();
  for (const event of [...b, ...a]) byId.set(event.id, event);
  return [...byId.values()].sort(newestFirst).slice(0, limit);
}

function newestFirst(a: SecurityEvent, b: SecurityEvent): number {
  const difference = Date.parse(b.timestamp) - Date.parse(a.timestamp);
  if (difference !== 0) return difference;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}

/** Average of the last `seconds` samples; null if there are none. */
export function recentRate(samples: LiveState['samples'], seconds: number): TrafficSample | null {
  const recent = samples.slice(-seconds).filter((sample) => sample !== null);
  const last = recent.at(-1);
  if (last === undefined) return null;
  const mean = (field: keyof TrafficSample): number => recent.reduce((sum, sample) => sum + sample[field], 0) / recent.length;
  return { time: last.time, requests: mean('requests'), blocked: mean('blocked'), detected: mean('detected') };
}
