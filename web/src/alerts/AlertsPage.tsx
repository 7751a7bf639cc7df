/** Alerts with their triage state and what became of their delivery. */
import { SegmentedControl } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useLocation, useNavigate, useSearchParams } from 'react-router';
import { fetchAlerts } from '../api/requests';
import type { AlertState } from '../api/types';
import { Pager } from '../events/Pager';
import { ALERT_STATES, alertStateLabel, oneOf } from '../format/labels';
import { useRefreshOn } from '../live/useRefreshOn';
import { Failure } from '../ui/Failure';
import { Rows } from '../ui/Loading';
import { Notice } from '../ui/Notice';
import { Page } from '../ui/Page';
import styles from './AlertsPage.module.css';
import { AlertTable } from './AlertTable';

const PAGE_SIZE = 50;
const ALL = 'all';

export default function AlertsPage() {
  const [parameters] = useSearchParams();
  const navigate = useNavigate();
  const location = useLocation();
  const requested = parameters.get('state');
  const state: AlertState | undefined = requested === ALL ? undefined : (oneOf(ALERT_STATES, requested) ?? 'open');
  const before = parameters.get('before') ?? undefined;
  const query = useQuery({
    queryKey: ['alerts', 'list', state, before],
    queryFn: ({ signal }) => fetchAlerts({ state, before, limit: PAGE_SIZE }, signal),
    placeholderData: keepPreviousData,
  });
  useRefreshOn((live) => live.alerts, ['alerts', 'list'], 500);

  const trail = (location.state as { trail?: (string | null)[] } | null)?.trail ?? [];
  const go = (to: { state: string; before?: string | null }, newTrail: (string | null)[] = []): void => {
    const next = new URLSearchParams();
    if (to.state !== 'open') next.set('state', to.state);
    if (to.before) next.set('before', to.before);
    void navigate({ pathname: '/alerts', search: next.toString() }, { state: { trail: newTrail } });
  };
  const shownState = state ?? ALL;

  return (
    <Page
      title="Alerts"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="State"
          value={shownState}
          onChange={(value) => go({ state: value })}
          data={[...ALERT_STATES.map((value) => ({ value, label: alertStateLabel(value) })), { value: ALL, label: 'All' }]}
        />
      }
    >
      {query.isError ? (
        <Failure what="The alerts" error={query.error} retry={query.refetch} />
      ) : (
        <section className={styles['list']} aria-busy={query.isFetching} aria-label="Alerts">
          {query.data === undefined ? (
            <Rows count={8} />
          ) : query.data.length === 0 ? (
            <Notice bare title={state === undefined ? 'No alerts' : `No ${alertStateLabel(state).toLowerCase()} alerts`}>
              An alert is raised when an event on the real-time track is critical (severity 80 or more).
            </Notice>
          ) : (
            <AlertTable alerts={query.data} showState={state === undefined} />
          )}
        </section>
      )}
      {query.data !== undefined && (
        <div className={styles['pager']}>
          <Pager
            noun="alert"
            page={before === undefined ? 1 : trail.length > 0 ? trail.length + 1 : null}
            rows={query.data.length}
            hasPrevious={before !== undefined}
            hasNext={query.data.length === PAGE_SIZE}
            onPrevious={() => go({ state: shownState, before: trail.at(-1) ?? null }, trail.slice(0, -1))}
            onNext={() => go({ state: shownState, before: query.data.at(-1)?.id ?? null }, [...trail, before ?? null])}
          />
        </div>
      )}
    </Page>
  );
}
