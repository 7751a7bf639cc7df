/** Reads the ledger: what each hop says, and whether every event is accounted for. */
import type { HopCount } from '../api/types';
import { count, plural } from '../format/number';

export type Standing = 'complete' | 'working' | 'missing' | 'unbalanced';

export interface HopAccount {
  name: string;
  title: string;
  hop: HopCount;
  /** All that went no further, with a reason. */
  dropped: number;
  /** What of that is lost. */
  missing: number;
  standing: Standing;
  statement: string;
}

export interface Account {
  hops: HopAccount[];
  standing: Standing;
  headline: string;
  detail: string;
}

const KINDS: Record<string, string> = {
  spool: 'Spool',
  track: 'Track',
  store: 'Store',
  channel: 'Alert channel',
};

const KNOWN: Record<string, string> = {
  gateway: 'Gateway',
  spool: 'Spool, gateway to router',
  'track:realtime': 'Real-time track',
  'track:analytics': 'Analytics track',
  router: 'Router',
  'router:realtime': 'Router to real-time track',
  'sequence:router': 'Numbers at the router',
  'sequence:track:realtime': 'Numbers on the real-time track',
  'sequence:track:analytics': 'Numbers on the analytics track',
};

/** The hops that follow the events' numbers carry no events of their own; of what they miss only a gap is a loss. */
const followsNumbers = (name: string): boolean => name.startsWith('sequence:');

/** Words for the name of a hop; unknown ones stay readable. */
export function hopTitle(name: string): string {
  const known = KNOWN[name];
  if (known !== undefined) return known;
  const [kind, ...rest] = name.split(':');
  const word = KINDS[kind ?? ''];
  return word === undefined || rest.length === 0 ? name : `${word} ${rest.join(':')}`;
}

/** The whole account. */
export function accountOf(ledger: Record<string, HopCount>): Account {
  const hops = Object.entries(ledger)
    .map(([name, hop]) => hopAccount(name, hop))
    .sort((a, b) => order(a.name) - order(b.name) || a.name.localeCompare(b.name));
  // Channels deliver alerts: a failed delivery loses a message, not an event.
  const isChannel = (hop: HopAccount): boolean => hop.name.startsWith('channel:');
  const carriesEvents = (hop: HopAccount): boolean => !isChannel(hop) && !followsNumbers(hop.name);
  const sum = (which: HopAccount[], of: (hop: HopAccount) => number): number => which.reduce((total, hop) => total + of(hop), 0);
  // What a hop dropped may show as a gap in the numbers too; what vanished shows there only.
  const gaps = sum(
    hops.filter((hop) => followsNumbers(hop.name)),
    (hop) => hop.missing,
  );
  const missing = Math.max(
    sum(hops.filter(carriesEvents), (hop) => hop.missing),
    gaps,
  );
  const undelivered = sum(hops.filter(isChannel), (hop) => hop.missing);
  const moving = sum(hops.filter(carriesEvents), (hop) => hop.hop.in_flight);
  const alerts = undelivered === 0 ? '' : ` ${plural(undelivered, 'alert delivery', 'alert deliveries')} failed for good.`;
  if (hops.some((hop) => hop.standing === 'unbalanced')) {
    return {
      hops,
      standing: 'unbalanced',
      headline: 'The counts do not add up',
      detail: 'At least one hop has handed on more events than it was given. This is a fault in the accounting; please report it.',
    };
  }
  if (missing > 0) {
    return {
      hops,
      standing: 'missing',
      headline: `Incomplete: ${plural(missing, 'event')} missing`,
      detail: `They were given up for the reasons below.${alerts}`,
    };
  }
  return {
    hops,
    standing: moving > 0 ? 'working' : 'complete',
    headline: 'Complete: no event is missing',
    detail:
      (moving > 0
        ? `${plural(moving, 'event')} ${moving === 1 ? 'is' : 'are'} on the way.`
        : 'Every event that was produced has been delivered.') + alerts,
  };
}

function hopAccount(name: string, hop: HopCount): HopAccount {
  const dropped = Object.values(hop.dropped).reduce((sum, n) => sum + n, 0);
  const missing = followsNumbers(name) ? (hop.dropped.gap ?? 0) : dropped;
  const title = hopTitle(name);
  const accounted = hop.delivered + dropped + hop.in_flight;
  if (accounted !== hop.produced) {
    const statement = `Does not add up: ${count(accounted)} accounted for, ${count(hop.produced)} produced`;
    return { name, title, hop, dropped, missing, standing: 'unbalanced', statement };
  }
  if (missing > 0) {
    const statement = `${count(missing)} ${name.startsWith('channel:') ? 'not delivered' : 'missing'}`;
    return { name, title, hop, dropped, missing, standing: 'missing', statement };
  }
  if (hop.in_flight > 0) {
    return { name, title, hop, dropped, missing, standing: 'working', statement: `Complete so far, ${count(hop.in_flight)} on the way` };
  }
  return { name, title, hop, dropped, missing, standing: 'complete', statement: hop.produced === 0 ? 'Nothing yet' : 'Complete' };
}

function order(name: string): number {
  const place = ['gateway', 'spool', 'router', 'track', 'processor', 'store', 'sequence', 'channel'].indexOf(name.split(':')[0] ?? '');
  return place < 0 ? 99 : place;
}
