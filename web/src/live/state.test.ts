import { describe, expect, it } from 'vitest';
import { exampleEvent } from '../api/example';
import type { Alert, TrafficTotals } from '../api/types';
import { EVENTS_KEPT, INITIAL, mergeEvents, recentRate, reduce, SAMPLES_KEPT, type LiveMessage, type LiveState } from './state';

const T0 = Date.parse('2026-11-22T12:00:00Z');
const totals = (requests: number, blocked = 0): TrafficTotals => ({ requests, blocked, rejected: 0, detected: 0, upstream_errors: 0 });
const traffic = (second: number, requests: number, blocked = 0): LiveMessage => ({
  type: 'traffic',
  at: T0 + second * 1000,
  timestamp: new Date(T0 + second * 1000).toISOString(),
  totals: totals(requests, blocked),
});
const play = (...messages: LiveMessage[]): LiveState => messages.reduce(reduce, INITIAL);
const opened: LiveMessage = { type: 'opened', at: T0 };
const alert = (id: string, state: Alert['state']): Alert => ({
  id,
  timestamp: '2026-11-22T12:00:00Z',
  event_id: '1',
  title: 't',
  severity: 90,
  attack_type: 'sqli',
  client_ip: '192.0.2.1',
  site: 'shop',
  rule_id: null,
  count: 1,
  last_seen: '2026-11-22T12:00:00Z',
  state,
  deliveries: [],
});

describe('rates', () => {
  it('are differences of totals per second', () => {
    const state = play(opened, traffic(0, 100), traffic(2, 140, 4));
    expect(state.samples).toEqual([{ time: T0 + 2000, requests: 20, blocked: 2, detected: 0 }]);
  });

  it('have a gap instead of a negative rate when the server restarted', () => {
    const state = play(opened, traffic(0, 100), traffic(1, 110), traffic(2, 3), traffic(3, 8));
    expect(state.samples.map((sample) => sample?.requests ?? null)).toEqual([10, null, 5]);
  });

  it('have a gap instead of a flat line after a silence', () => {
    const state = play(opened, traffic(0, 0), traffic(1, 10), traffic(31, 400));
    expect(state.samples.at(-1)).toBeNull();
  });

  it('are kept for five minutes', () => {
    const messages = Array.from({ length: SAMPLES_KEPT + 50 }, (_, second) => traffic(second, second));
    expect(play(opened, ...messages).samples).toHaveLength(SAMPLES_KEPT);
  });

  it('are averaged over what is known', () => {
    expect(recentRate([], 10)).toBeNull();
    expect(recentRate([{ time: 1, requests: 2, blocked: 0, detected: 0 }, null, { time: 3, requests: 4, blocked: 2, detected: 0 }], 10)).toEqual({
      time: 3,
      requests: 3,
      blocked: 1,
      detected: 0,
    });
  });
});

describe('connection', () => {
  it('is stale since the last message when nothing arrives', () => {
    const state = play(opened, traffic(1, 1), { type: 'tick', at: T0 + 4000 });
    expect(state.connection).toEqual({ status: 'live' });
    expect(reduce(state, { type: 'tick', at: T0 + 7000 }).connection).toEqual({ status: 'stale', since: T0 + 1000 });
  });

  it('is live again with the next message', () => {
    const state = play(opened, { type: 'tick', at: T0 + 60_000 }, traffic(61, 1));
    expect(state.connection).toEqual({ status: 'live' });
  });

  it('remembers the time without a connection as a gap', () => {
    const state = play(opened, traffic(1, 1), { type: 'lost', at: T0 + 9000 }, { type: 'lost', at: T0 + 12_000 }, { type: 'opened', at: T0 + 20_000 });
    expect(state.connection).toEqual({ status: 'live' });
    expect(state.gaps).toEqual([{ from: T0 + 1000, to: T0 + 20_000 }]);
  });

  it('does not call the first connection a gap', () => {
    expect(play(opened).gaps).toEqual([]);
  });
});

describe('events', () => {
  const event = (id: string, second: number) => exampleEvent({ id, timestamp: new Date(T0 + second * 1000).toISOString() });

  it('are newest first, whatever the order of arrival, and never doubled', () => {
    const send = (id: string, second: number): LiveMessage => ({ type: 'event', at: T0, event: event(id, second) });
    const state = play(opened, send('A', 1), send('C', 3), send('B', 2), send('C', 3));
    expect(state.events.map((e) => e.id)).toEqual(['C', 'B', 'A']);
    expect(state.received).toBe(4);
  });

  it('break ties of time by id, as the server does', () => {
    expect(mergeEvents([event('A', 1)], [event('B', 1)], 10).map((e) => e.id)).toEqual(['B', 'A']);
  });

  it('are bounded', () => {
    const many = Array.from({ length: EVENTS_KEPT + 20 }, (_, i): LiveMessage => ({ type: 'event', at: T0, event: event(String(i), i) }));
    expect(play(opened, ...many).events).toHaveLength(EVENTS_KEPT);
  });

  it('that were missed are counted until somebody has seen the count', () => {
    const state = play(opened, { type: 'missed', at: T0, count: 30 }, { type: 'missed', at: T0, count: 7 });
    expect(state.missed).toBe(37);
    expect(reduce(state, { type: 'acknowledge-missed' }).missed).toBe(0);
  });
});

describe('alerts', () => {
  it('are replaced by their newest state', () => {
    const state = play(
      opened,
      { type: 'alert', at: T0, alert: alert('1', 'open') },
      { type: 'alert', at: T0, alert: alert('2', 'open') },
      { type: 'alert', at: T0, alert: alert('1', 'closed') },
    );
    expect(state.alerts.map((a) => [a.id, a.state])).toEqual([
      ['1', 'closed'],
      ['2', 'open'],
    ]);
  });
});
