/** What happened, in one sentence, and why the event is on its track. */
import type { SecurityEvent, TrackReason } from '../api/types';
import { ledgerOf } from './ledger';

export interface Verdict {
  /** "Blocked", "Let through" or "Rejected". */
  outcome: string;
  /** The rest of the sentence. */
  reason: string;
}

/** The verdict on a request for people. */
export function verdictOf(event: SecurityEvent): Verdict {
  switch (event.action) {
    case 'blocked':
      return { outcome: 'Blocked', reason: blockedBecause(event) };
    case 'detected':
      return { outcome: 'Let through', reason: detectedBecause(event) };
    case 'rejected':
      return { outcome: 'Rejected', reason: rejectedBecause(event) };
  }
}

function blockedBecause(event: SecurityEvent): string {
  const { inbound_score: score, inbound_threshold: threshold } = event;
  if (threshold > 0 && score >= threshold) return `inbound score ${score} reached the threshold of ${threshold}.`;
  if (ledgerOf(event).outbound > 0 || event.outbound_score > 0) {
    return `the response gave data away, outbound score ${event.outbound_score} reached its threshold.`;
  }
  const rule = event.rule_id === null ? 'a rule' : `rule ${event.rule_id}`;
  return `${rule} refuses such requests whatever their score (inbound score ${score} of ${threshold}).`;
}

function detectedBecause(event: SecurityEvent): string {
  const { inbound_score: score, inbound_threshold: threshold } = event;
  if (threshold > 0 && score >= threshold) {
    return `inbound score ${score} reached the threshold of ${threshold}, but the policy only detects here and does not block.`;
  }
  return `inbound score ${score} stayed below the threshold of ${threshold}.`;
}

function rejectedBecause(event: SecurityEvent): string {
  const cause = event.findings[0]?.message.replace(/\.$/, '');
  return cause === undefined || cause === ''
    ? 'the request was refused before any rule ran.'
    : `${cause}. No rule had to run.`;
}

/** Why the router chose the track, in words. */
export function trackReason(reason: TrackReason | null | undefined): string {
  if (reason === null || reason === undefined) return 'The router has not classified this event yet.';
  switch (reason.rule) {
    case 'anomaly_score':
      return `Anomaly score ${reason.detail} reached the router's threshold for the real-time track.`;
    case 'critical_severity':
      return `Severity ${reason.detail} is critical (80 or more).`;
    case 'scanner_rule':
      return `Scanner rule ${reason.detail} matched: scans are recorded but page nobody.`;
    case 'scanner_user_agent':
      return `The user agent names the scanner “${reason.detail}”: scans are recorded but page nobody.`;
    case 'critical_rule':
      return `Rule ${reason.detail} belongs to a critical family (by default SQL injection, cross-site scripting, command execution, local file inclusion).`;
    case 'script':
      return reason.detail === '' ? 'The classification script decided.' : `The classification script decided: ${reason.detail}.`;
    case 'events_lost':
      return `Parapet reports on itself: ${reason.detail} events were lost on their way. Reports take both tracks.`;
    case 'default':
      return 'No real-time criterion applied, so the event goes to analytics only.';
  }
}
