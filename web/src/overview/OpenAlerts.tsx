/** Alerts that nobody has looked at yet. */
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { fetchAlerts } from '../api/requests';
import { plural } from '../format/number';
import { clock, local } from '../format/time';
import { useRefreshOn } from '../live/useRefreshOn';
import { Failure } from '../ui/Failure';
import { Rows } from '../ui/Loading';
import { Panel } from '../ui/Panel';
import { Severity } from '../ui/Severity';
import { VisibleText } from '../ui/VisibleText';
import styles from './OpenAlerts.module.css';

const SHOWN = 5;

export function OpenAlerts() {
  const query = useQuery({
    queryKey: ['alerts', 'open', 'latest'],
    queryFn: ({ signal }) => fetchAlerts({ state: 'open', limit: SHOWN }, signal),
  });
  useRefreshOn((state) => state.alerts, ['alerts', 'open', 'latest'], 300);
  return (
    <Panel title="Open alerts" flush actions={<Link to="/alerts">All alerts</Link>}>
      {query.isError && query.data === undefined && <Failure bare what="The alerts" error={query.error} retry={query.refetch} />}
      {query.isPending && <Rows count={4} />}
      {query.data?.length === 0 && <p className={styles['none']}>No open alerts.</p>}
      <ul className={styles['list']}>
        {query.data?.map((alert) => (
          <li key={alert.id}>
            <Link to={`/events/${alert.event_id}`} className={styles['alert'] ?? ''}>
              <Severity value={alert.severity} compact />
              <span className={styles['text']}>
                <span className={styles['title']}>
                  <VisibleText text={alert.title} />
                </span>
                <span className={styles['detail']}>
                  <time dateTime={alert.timestamp} title={local(alert.timestamp)}>
                    {clock(alert.timestamp)}
                  </time>
                  {' · '}
                  {plural(alert.count, 'event')}
                </span>
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
