/** The words of the console for the values of the API. */
import type { Action, AlertState, AttackClass, SeverityBand, Track } from '../api/types';

export const SEVERITY_BANDS: readonly SeverityBand[] = ['critical', 'high', 'medium', 'low'];
export const ACTIONS: readonly Action[] = ['blocked', 'detected', 'rejected'];
export const TRACKS: readonly Track[] = ['realtime', 'analytics'];
export const ALERT_STATES: readonly AlertState[] = ['open', 'acknowledged', 'closed'];

const ATTACK_CLASS: Record<AttackClass, string> = {
  sqli: 'SQL injection',
  xss: 'Cross-site scripting',
  rce: 'Command execution',
  lfi: 'Local file inclusion',
  rfi: 'Remote file inclusion',
  'injection-php': 'PHP injection',
  'injection-java': 'Java attack',
  'injection-generic': 'Other injection',
  fixation: 'Session fixation',
  scanner: 'Scanner',
  protocol: 'Protocol attack',
  'protocol-violation': 'Protocol violation',
  disclosure: 'Data disclosure',
  'web-shell': 'Web shell',
  generic: 'Other',
};

export const ATTACK_CLASSES = Object.keys(ATTACK_CLASS) as AttackClass[];

/** A class of attack in words; unknown ones (from a newer server) as they are. */
export function attackClass(value: string | null | undefined): string {
  if (value === null || value === undefined || value === '') return 'Unclassified';
  return (ATTACK_CLASS as Record<string, string>)[value] ?? value;
}

const SEVERITY: Record<SeverityBand, string> = { critical: 'Critical', high: 'High', medium: 'Medium', low: 'Low' };
const ACTION: Record<Action, string> = { blocked: 'Blocked', detected: 'Detected', rejected: 'Rejected' };
const TRACK: Record<Track, string> = { realtime: 'Real-time', analytics: 'Analytics' };
const ALERT_STATE: Record<AlertState, string> = { open: 'Open', acknowledged: 'Acknowledged', closed: 'Closed' };

export const severityLabel = (value: SeverityBand): string => SEVERITY[value];
export const actionLabel = (value: Action): string => ACTION[value];
export const trackLabel = (value: Track): string => TRACK[value];
export const alertStateLabel = (value: AlertState): string => ALERT_STATE[value];

/** The band of a severity from 0 to 100, with the bounds that the server uses. */
export function severityBand(severity: number): SeverityBand {
  if (severity >= 80) return 'critical';
  if (severity >= 60) return 'high';
  if (severity >= 40) return 'medium';
  return 'low';
}

/** Whether a string is one of the values, for reading URLs that anyone can type. */
export function oneOf<T extends string>(values: readonly T[], value: string | null): T | undefined {
  return values.find((candidate) => candidate === value);
}
