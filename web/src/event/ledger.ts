/**
 * The score ledger: which rule added how many points, and where the running total reached the
 * threshold. The Core Rule Set keeps one anomaly score per paranoia level and direction; only levels
 * up to the blocking one count towards the decision.
 */
import type { Finding, SecurityEvent } from '../api/types';

export type Direction = 'inbound' | 'outbound';

export interface LedgerRow {
  finding: Finding;
  direction: Direction;
  /** Points that count towards blocking. */
  points: number;
  /** Points of paranoia levels above the blocking one: recorded, but not counted. */
  uncounted: number;
  /** Other scores the rule raised, for example `sql_injection_score`. */
  others: { score: string; points: number }[];
  /** Counted points of this direction so far, this row included. */
  total: number;
  /** The row at which the total reached the threshold. */
  reachesThreshold: boolean;
  /** Bookkeeping of the rule set (949, 959, 980): evaluates scores and adds none. */
  bookkeeping: boolean;
}

export interface Ledger {
  rows: LedgerRow[];
  inbound: number;
  outbound: number;
  /**
   * Score of the event minus what the rows add up to. Not zero when rules that do not log, or an
   * exclusion, changed the score; shown rather than hidden.
   */
  unexplained: number;
}

// CRS 4: inbound_anomaly_score_pl1, outbound_anomaly_score_pl1. CRS 3: anomaly_score_pl1 for requests.
const ANOMALY = /^(?:(inbound|outbound)_)?anomaly_score(?:_pl([1-4]))?$/;

const isBookkeeping = (rule: number): boolean => [901, 905, 949, 959, 980, 999].includes(Math.floor(rule / 1000));

/** Works the ledger out from the findings of an event. */
export function ledgerOf(event: SecurityEvent): Ledger {
  const totals = { inbound: 0, outbound: 0 };
  const rows = event.findings.map((finding): LedgerRow => {
    const entry = entryOf(finding, event.paranoia_level);
    const before = totals[entry.direction];
    const total = before + entry.points;
    totals[entry.direction] = total;
    const threshold = event.inbound_threshold;
    const reachesThreshold =
      entry.direction === 'inbound' && threshold > 0 && before < threshold && total >= threshold;
    return { finding, ...entry, total, reachesThreshold, bookkeeping: isBookkeeping(finding.rule_id) };
  });
  return { rows, ...totals, unexplained: event.inbound_score - totals.inbound };
}

function entryOf(finding: Finding, blockingLevel: number): Pick<LedgerRow, 'direction' | 'points' | 'uncounted' | 'others'> {
  let direction: Direction = finding.phase >= 3 ? 'outbound' : 'inbound';
  let points = 0;
  let uncounted = 0;
  const others: LedgerRow['others'] = [];
  for (const entry of finding.scores) {
    const match = ANOMALY.exec(entry.score.toLowerCase());
    if (match === null) {
      others.push(entry);
      continue;
    }
    if (match[1] === 'outbound' || match[1] === 'inbound') direction = match[1];
    const level = match[2] === undefined ? 1 : Number(match[2]);
    if (level <= blockingLevel) points += entry.points;
    else uncounted += entry.points;
  }
  return { direction, points, uncounted, others };
}
