import { useState } from 'react';
import { Link } from 'react-router';
import type { Alert } from '../api/types';
import { alertStateLabel } from '../format/labels';
import { count } from '../format/number';
import { ROW_ATTRIBUTE } from '../shell/useShortcuts';
import { FilterLink } from '../ui/FilterLink';
import { ListTime } from '../ui/ListTime';
import { Severity } from '../ui/Severity';
import table from '../ui/table.module.css';
import { VisibleText } from '../ui/VisibleText';
import styles from './AlertTable.module.css';
import { Deliveries } from './Deliveries';
import { TriageButtons } from './TriageButtons';

export function AlertTable({ alerts, showState }: { alerts: readonly Alert[]; showState: boolean }) {
  const [now] = useState(() => Date.now());
  return (
    <div className={table['scroll']}>
      <table className={`${table['table']} ${styles['table']}`}>
        <caption className="visually-hidden">Alerts, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Raised (UTC)</th>
            <th scope="col">Severity</th>
            <th scope="col">Alert</th>
            <th scope="col">Client</th>
            <th scope="col" className={table['right']}>
              Events
            </th>
            <th scope="col">Delivery</th>
            {showState && <th scope="col">State</th>}
            <th scope="col">
              <span className="visually-hidden">Triage</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {alerts.map((alert) => (
            <tr key={alert.id} data-alert-id={alert.id}>
              <td>
                <ListTime time={alert.timestamp} now={now} />
                {alert.count > 1 && (
                  <span className={styles['last']}>
                    last <ListTime time={alert.last_seen} now={now} />
                  </span>
                )}
              </td>
              <td>
                <Severity value={alert.severity} />
              </td>
              <td className={styles['title']}>
                <Link to={`/events/${alert.event_id}`} state={{ from: '/alerts' }} {...{ [ROW_ATTRIBUTE]: '' }}>
                  <VisibleText text={alert.title} />
                </Link>
              </td>
              <td className="mono">
                <FilterLink field="client_ip" value={alert.client_ip} />
              </td>
              <td className={table['right']}>{count(alert.count)}</td>
              <td className={styles['deliveries']}>
                <Deliveries deliveries={alert.deliveries} />
              </td>
              {showState && <td className={table['soft']}>{alertStateLabel(alert.state)}</td>}
              <td className={styles['triage']}>
                <TriageButtons alert={alert} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
