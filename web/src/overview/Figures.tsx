/** The figures of the overview. Each says over which time it counts, and leads to its rows. */
import { Skeleton } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import type { Action, TrafficTotals } from '../api/types';
import { eventsLink, PRESETS } from '../events/filter';
import { count, rate, share } from '../format/number';
import { useLive } from '../live/live';
import { recentRate } from '../live/state';
import styles from './Figures.module.css';
import { useCounts, type Window } from './window';

const RATE_SECONDS = 10;

interface Props {
  window: Window;
  /** Totals from before the live stream sent any. */
  fallback: TrafficTotals | undefined;
}

export function Figures({ window, fallback }: Props) {
  const samples = useLive((state) => state.samples);
  const live = useLive((state) => state.lastTraffic);
  const isLive = useLive((state) => state.connection.status === 'live');
  const now = isLive ? recentRate(samples, RATE_SECONDS) : null;
  const totals = live?.totals ?? fallback;
  const actions = useCounts(window, 'action');

  const found = (action: Action): ReactNode => {
    if (actions.isError && actions.data === undefined) return <Unknown reason={actions.error.message} />;
    if (actions.data === undefined) return <Waiting />;
    const bucket = actions.data.buckets.find((candidate) => candidate.key === action);
    return <Link to={eventsLink({ action }, window)}>{count(bucket?.count ?? 0)}</Link>;
  };
  const period = PRESETS[window].label.toLowerCase();

  return (
    <dl className={styles['strip']}>
      <Figure
        label="Requests per second"
        value={now === null ? isLive ? <Waiting /> : <Unknown reason="The live stream is not connected" /> : rate(now.requests)}
        note={totals === undefined ? ' ' : `${count(totals.requests)} since start`}
      />
      <Figure label="Blocked" value={found('blocked')} note={period} />
      <Figure label="Detected, let through" value={found('detected')} note={period} />
      <Figure label="Rejected" value={found('rejected')} note={`not valid HTTP, ${period}`} />
      <Figure
        label="Blocked share"
        value={totals === undefined ? <Waiting /> : share(totals.blocked + totals.rejected, totals.requests)}
        note="of all requests since start"
      />
      <Figure
        label="Upstream errors"
        value={totals === undefined ? <Waiting /> : count(totals.upstream_errors)}
        note="502 and 504 since start"
      />
    </dl>
  );
}

function Figure({ label, value, note }: { label: string; value: ReactNode; note: string }) {
  return (
    <div className={styles['figure']}>
      <dt>{label}</dt>
      <dd className={styles['value']}>{value}</dd>
      <dd className={styles['note']}>{note}</dd>
    </div>
  );
}

function Waiting() {
  return <Skeleton width={64} height={22} aria-label="Loading" />;
}

function Unknown({ reason }: { reason: string }) {
  return (
    <span className={styles['unknown']} title={reason}>
      unknown
    </span>
  );
}
