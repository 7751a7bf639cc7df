import { describe, expect, it } from 'vitest';
import { exampleEvent } from '../api/example';
import { trackReason, verdictOf } from './verdict';

const sentence = (overrides: Parameters<typeof exampleEvent>[0]): string => {
  const verdict = verdictOf(exampleEvent(overrides));
  return `${verdict.outcome}: ${verdict.reason}`;
};

describe('verdict', () => {
  it.each([
    [{}, 'Blocked: inbound score 10 reached the threshold of 5.'],
    [{ inbound_score: 3, outbound_score: 4 }, 'Blocked: the response gave data away, outbound score 4 reached its threshold.'],
    [{ inbound_score: 0, rule_id: '911100' }, 'Blocked: rule 911100 refuses such requests whatever their score (inbound score 0 of 5).'],
    [{ action: 'detected' as const, inbound_score: 3 }, 'Let through: inbound score 3 stayed below the threshold of 5.'],
    [
      { action: 'detected' as const },
      'Let through: inbound score 10 reached the threshold of 5, but the policy only detects here and does not block.',
    ],
    [{ action: 'rejected' as const, findings: [] }, 'Rejected: the request was refused before any rule ran.'],
  ])('%j', (overrides, expected) => {
    expect(sentence(overrides)).toBe(expected);
  });
});

describe('track reason', () => {
  it('names what decided', () => {
    expect(trackReason({ rule: 'critical_rule', detail: 942100 })).toContain('Rule 942100');
    expect(trackReason({ rule: 'scanner_user_agent', detail: 'sqlmap' })).toContain('“sqlmap”');
    expect(trackReason({ rule: 'script', detail: 'payments is watched' })).toContain('payments is watched');
    expect(trackReason({ rule: 'default' })).toContain('analytics only');
    expect(trackReason(undefined)).toContain('not classified');
  });
});
