import { describe, expect, it } from 'vitest';
import { exampleEvent } from '../api/example';
import { activeFields, bounds, bucketSeconds, eventsLink, eventsPath, filterFromUrl, filterToApi, filterToUrl, matches, withField } from './filter';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const parse = (query: string) => filterFromUrl(new URLSearchParams(query));

describe('filter in the URL', () => {
  it('survives the way to the URL and back', () => {
    const query =
      'start_time=2026-11-22T10%3A00%3A00.000Z&end_time=2026-11-22T11%3A00%3A00.000Z&severity=high&track=realtime' +
      '&action=blocked&attack_type=sqli&client_ip=2001%3Adb8%3A%3A1&rule_id=942100&site=shop&text=union+%26+select';
    expect(filterToUrl(parse(query)).toString()).toBe(query);
  });

  it('leaves the default range out', () => {
    expect(eventsPath(parse(''))).toBe('/events');
    expect(eventsPath(parse('range=24h'))).toBe('/events');
    expect(eventsPath(parse('range=1h'))).toBe('/events?range=1h');
  });

  it('ignores values that no server would accept', () => {
    const filter = parse('severity=terrible&track=x&action=&attack_type=nope&range=yesterday&start_time=never&text=%20');
    expect(filter).toEqual({ range: { preset: '24h' } });
  });

  it('sets and removes one field without touching the others', () => {
    const filter = withField(parse('range=7d&site=shop'), 'client_ip', '192.0.2.1');
    expect(filterToUrl(filter).toString()).toBe('range=7d&client_ip=192.0.2.1&site=shop');
    expect(filterToUrl(withField(filter, 'site', null)).toString()).toBe('range=7d&client_ip=192.0.2.1');
    expect(activeFields(filter)).toEqual(['client_ip', 'site']);
  });

  it('builds links to the rows behind a number', () => {
    expect(eventsLink({ attack_type: 'xss' }, '1h')).toBe('/events?range=1h&attack_type=xss');
  });
});

describe('filter for the API', () => {
  it('resolves a preset to a start only, so that a slow clock hides nothing', () => {
    expect(filterToApi(parse('range=1h&site=a'), NOW).toString()).toBe('start_time=2026-11-22T11%3A00%3A00.000Z&site=a');
  });

  it('has no start for all time', () => {
    expect(filterToApi(parse('range=all'), NOW).toString()).toBe('');
    expect(bounds({ preset: 'all' }, NOW)).toEqual({ start: null, end: null });
  });
});

describe('filter on live events', () => {
  const event = exampleEvent({ timestamp: '2026-11-22T11:30:00Z' });

  it.each([
    ['range=1h', true],
    ['range=15m', false],
    ['start_time=2026-11-22T11:30:00Z', true],
    ['end_time=2026-11-22T11:30:00Z', false],
    ['severity=critical', true],
    ['severity=low', false],
    ['track=analytics', false],
    ['action=blocked', true],
    ['rule_id=942390', true],
    ['rule_id=94239', false],
    ['client_ip=198.51.100.2', false],
    ['text=LIBINJECTION', true],
    ['text=no-such-text', false],
  ])('%s → %s', (query, expected) => {
    expect(matches(event, parse(query), NOW)).toBe(expected);
  });
});

describe('histogram buckets', () => {
  it.each([
    [15 * 60, 10],
    [3600, 60],
    [86_400, 1800],
    [7 * 86_400, 10_800],
    [30 * 86_400, 43_200],
  ])('%i seconds are cut into buckets of %i', (range, expected) => {
    expect(bucketSeconds(NOW - range * 1000, NOW)).toBe(expected);
  });
});
