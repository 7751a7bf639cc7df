import { describe, expect, it } from 'vitest';
import { bytes, count, plural, points, rate, share } from './number';
import { ago, clockMillis, dateTime, listDate, uptime } from './time';
import { visible, visibleText } from './visible';

describe('numbers', () => {
  it('keep small rates visible', () => {
    expect([0, 0.25, 3.44, 1234.5].map(rate)).toEqual(['0', '0.25', '3.4', '1,235']);
  });

  it('never round a share to nothing or to everything', () => {
    expect(share(0, 10)).toBe('0 %');
    expect(share(1, 1_000_000)).toBe('< 0.01 %');
    expect(share(999_999, 1_000_000)).toBe('> 99.99 %');
    expect(share(1, 0)).toBe('–');
    expect(share(1, 30)).toBe('3.33 %');
  });

  it('have separators, plurals, units and signs', () => {
    expect(count(1234567)).toBe('1,234,567');
    expect(plural(1, 'event')).toBe('1 event');
    expect(plural(2, 'event')).toBe('2 events');
    expect([bytes(482), bytes(2048), bytes(5 * 1024 ** 3)]).toEqual(['482 B', '2.0 KiB', '5.0 GiB']);
    expect([points(5), points(-3)]).toEqual(['+5', '−3']);
  });
});

describe('times', () => {
  const time = '2026-11-22T15:20:43.120Z';

  it('are shown in UTC', () => {
    expect(dateTime(time)).toBe('2026-11-22 15:20:43');
    expect(clockMillis(time)).toBe('15:20:43.120');
  });

  it('have a short form for lists, with the year only where it differs', () => {
    expect(listDate(time, Date.parse(time))).toBe('Nov 22');
    expect(listDate('2025-03-04T05:06:07Z', Date.parse(time))).toBe('Mar 4 2025');
  });

  it('are told relative to now', () => {
    const now = Date.parse(time);
    expect([0, 42, 300, 7200, 200_000].map((s) => ago(now - s * 1000, now))).toEqual([
      'just now',
      '42 s ago',
      '5 min ago',
      '2 h ago',
      '2 d ago',
    ]);
    expect(uptime(7821)).toBe('2 h 10 min');
  });
});

describe('text that attackers wrote', () => {
  it('shows controls, direction marks and zero-width characters as codes', () => {
    expect(visibleText('a\u0000b\u202ec\u200bd\ne')).toBe('a\\x00b\\u{202E}c\\u{200B}d\\ne');
  });

  it('marks escapes apart from text', () => {
    expect(visible('ab\u0007')).toEqual([
      { text: 'ab', kind: 'text' },
      { text: '\\x07', kind: 'escape' },
    ]);
    expect(visible('x\\xffy').map((segment) => segment.kind)).toEqual(['text', 'escape', 'text']);
  });

  it('marks what was redacted, also in the middle of text', () => {
    expect(visible('card=[redacted]&x').map((segment) => segment.kind)).toEqual(['text', 'redacted', 'text']);
  });

  it('leaves ordinary text of any language alone', () => {
    expect(visible('Grüße, 你好 🙂')).toEqual([{ text: 'Grüße, 你好 🙂', kind: 'text' }]);
  });
});
