import { describe, expect, it } from 'vitest';
import { exampleEvent } from '../api/example';
import type { Finding } from '../api/types';
import { ledgerOf } from './ledger';

const base = exampleEvent().findings[0] as Finding;
const finding = (rule: number, scores: [string, number][], phase = 2): Finding => ({
  ...base,
  rule_id: rule,
  phase,
  scores: scores.map(([score, points]) => ({ score, points })),
});

describe('score ledger', () => {
  it('adds up the anomaly score and leaves scores of attack classes out of the total', () => {
    const ledger = ledgerOf(exampleEvent());
    expect(ledger.rows.map((row) => [row.points, row.total])).toEqual([
      [5, 5],
      [5, 10],
    ]);
    expect(ledger.rows[0]?.others).toEqual([{ score: 'sql_injection_score', points: 5 }]);
    expect(ledger.unexplained).toBe(0);
  });

  it('marks the one row at which the threshold was reached', () => {
    const ledger = ledgerOf(exampleEvent({ inbound_threshold: 7 }));
    expect(ledger.rows.map((row) => row.reachesThreshold)).toEqual([false, true]);
  });

  it('does not count paranoia levels above the blocking one', () => {
    const event = exampleEvent({
      inbound_score: 5,
      findings: [finding(942100, [['inbound_anomaly_score_pl1', 5]]), finding(942521, [['inbound_anomaly_score_pl2', 3]])],
    });
    const ledger = ledgerOf(event);
    expect(ledger.rows[1]).toMatchObject({ points: 0, uncounted: 3, total: 5 });
    expect(ledger.unexplained).toBe(0);
    expect(ledgerOf({ ...event, paranoia_level: 2 }).inbound).toBe(8);
  });

  it('knows the names of CRS 3', () => {
    const ledger = ledgerOf(exampleEvent({ inbound_score: 5, findings: [finding(942100, [['anomaly_score_pl1', 5]])] }));
    expect(ledger.inbound).toBe(5);
  });

  it('keeps requests and responses apart', () => {
    const ledger = ledgerOf(
      exampleEvent({
        inbound_score: 5,
        findings: [finding(942100, [['inbound_anomaly_score_pl1', 5]]), finding(951100, [['outbound_anomaly_score_pl1', 4]], 4)],
      }),
    );
    expect([ledger.inbound, ledger.outbound]).toEqual([5, 4]);
    expect(ledger.rows[1]).toMatchObject({ direction: 'outbound', total: 4, reachesThreshold: false });
  });

  it('says how many points no row explains', () => {
    expect(ledgerOf(exampleEvent({ inbound_score: 15 })).unexplained).toBe(5);
  });

  it('marks bookkeeping rules', () => {
    expect(ledgerOf(exampleEvent({ findings: [finding(949110, [])] })).rows[0]?.bookkeeping).toBe(true);
  });
});
