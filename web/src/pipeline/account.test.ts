import { describe, expect, it } from 'vitest';
import { accountOf, hopTitle } from './account';

const hop = (produced: number, delivered: number, inFlight: number, dropped: Record<string, number> = {}) => ({
  produced,
  delivered,
  dropped,
  in_flight: inFlight,
});

describe('pipeline account', () => {
  it('is complete when everything was delivered', () => {
    const account = accountOf({ spool: hop(10, 10, 0) });
    expect(account.standing).toBe('complete');
    expect(account.detail).toBe('Every event that was produced has been delivered.');
  });

  it('says how much is on the way', () => {
    expect(accountOf({ spool: hop(10, 9, 1) }).detail).toBe('1 event is on the way.');
  });

  it('counts what is missing over all hops and reasons', () => {
    const account = accountOf({ spool: hop(10, 7, 0, { 'spool full': 3 }), 'store:lakehouse': hop(7, 6, 0, { 'disk full': 1 }) });
    expect(account.headline).toBe('Incomplete: 4 events missing');
    expect(account.hops.map((h) => h.statement)).toEqual(['3 missing', '1 missing']);
  });

  it('does not take a failed alert delivery for a missing event', () => {
    const account = accountOf({ spool: hop(10, 10, 0), 'channel:soc': hop(2, 1, 0, { 'gave up': 1 }) });
    expect(account.standing).toBe('complete');
    expect(account.detail).toContain('1 alert delivery failed for good.');
    expect(account.hops[1]?.statement).toBe('1 not delivered');
  });

  it('takes numbers that are not for a track, or are read elsewhere, for no loss', () => {
    const account = accountOf({ 'sequence:track:realtime': hop(9, 2, 0, { 'left out before': 4, 'read elsewhere': 3 }) });
    expect([account.standing, account.hops[0]?.statement]).toEqual(['complete', 'Complete']);
  });

  it('counts a loss once that shows at a hop and in the numbers', () => {
    const numbers = hop(9, 6, 0, { gap: 3 });
    expect(accountOf({ 'sequence:router': numbers }).headline).toBe('Incomplete: 3 events missing');
    const trimmed = accountOf({ 'track:analytics': hop(9, 6, 0, { trimmed: 3 }), 'sequence:track:analytics': numbers });
    expect(trimmed.headline).toBe('Incomplete: 3 events missing');
  });

  it('admits that counts do not add up', () => {
    expect(accountOf({ spool: hop(10, 12, 0) }).standing).toBe('unbalanced');
  });

  it('follows the way of an event', () => {
    const account = accountOf({ 'store:lakehouse': hop(0, 0, 0), 'channel:log': hop(0, 0, 0), spool: hop(0, 0, 0), 'track:realtime': hop(0, 0, 0) });
    expect(account.hops.map((h) => h.name)).toEqual(['spool', 'track:realtime', 'store:lakehouse', 'channel:log']);
  });

  it('names hops in words', () => {
    expect(['spool', 'track:realtime', 'store:lakehouse', 'channel:soc', 'new'].map(hopTitle)).toEqual([
      'Spool, gateway to router',
      'Real-time track',
      'Store lakehouse',
      'Alert channel soc',
      'new',
    ]);
  });
});
