/** Rows of events. The whole row opens the event; the values in it narrow the list. */
import { useState } from 'react';
import { Link, useLocation } from 'react-router';
import type { SecurityEvent } from '../api/types';
import { attackClass, trackLabel } from '../format/labels';
import { clock, local } from '../format/time';
import { visibleText } from '../format/visible';
import { ROW_ATTRIBUTE } from '../shell/useShortcuts';
import { ActionLabel } from '../ui/ActionLabel';
import { FilterLink } from '../ui/FilterLink';
import { ListTime } from '../ui/ListTime';
import { Severity } from '../ui/Severity';
import table from '../ui/table.module.css';
import { VisibleText } from '../ui/VisibleText';
import styles from './EventTable.module.css';
import type { EventFilter } from './filter';

interface Props {
  events: readonly SecurityEvent[];
  /** The filter that the values narrow. */
  filter?: EventFilter;
  /** Fewer columns and times without date, for lists of the last minutes. */
  compact?: boolean;
  caption: string;
  /** Ids of rows that have just arrived. */
  fresh?: ReadonlySet<string>;
  /** For lists in which every row has the same action. */
  withoutAction?: boolean;
}

export function EventTable({ events, filter, compact = false, caption, fresh, withoutAction = false }: Props) {
  const [now] = useState(() => Date.now());
  return (
    <div className={`${table['scroll']} ${styles['container']}`}>
      <table className={`${table['table']} ${styles['table']} ${compact ? styles['compact'] : ''}`}>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col" className={styles['time']}>
              Time (UTC)
            </th>
            <th scope="col" className={styles['severity']}>
              Severity
            </th>
            {!withoutAction && (
              <th scope="col" className={styles['action']}>
                Action
              </th>
            )}
            <th scope="col" className={styles['class']}>
              Class
            </th>
            <th scope="col" className={styles['client']}>
              Client
            </th>
            <th scope="col" className={styles['site']}>
              Site
            </th>
            <th scope="col">Request</th>
            <th scope="col" className={styles['rule']}>
              Rule
            </th>
            <th scope="col" className={`${styles['score']} ${table['right']}`}>
              Score
            </th>
            {!compact && (
              <th scope="col" className={styles['track']}>
                Track
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <EventRow
              key={event.id}
              event={event}
              filter={filter}
              compact={compact}
              fresh={fresh?.has(event.id) ?? false}
              withoutAction={withoutAction}
              now={now}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  event: SecurityEvent;
  filter: EventFilter | undefined;
  compact: boolean;
  fresh: boolean;
  withoutAction: boolean;
  now: number;
}

function EventRow({ event, filter, compact, fresh, withoutAction, now }: RowProps) {
  const { pathname, search } = useLocation();
  const within = filter === undefined ? {} : { within: filter };
  const request = `${event.request.method} ${event.request.uri}`;
  return (
    <tr className={`${styles['row']} ${fresh ? styles['fresh'] : ''}`} data-event-id={event.id}>
      <td className={styles['time']}>
        <Link
          to={`/events/${event.id}`}
          state={{ from: pathname + search }}
          className={styles['open'] ?? ''}
          {...{ [ROW_ATTRIBUTE]: '' }}
        >
          <span className="visually-hidden">Open event of </span>
          {compact ? (
            <time dateTime={event.timestamp} title={local(event.timestamp)}>
              {clock(event.timestamp)}
            </time>
          ) : (
            <ListTime time={event.timestamp} now={now} />
          )}
        </Link>
      </td>
      <td className={styles['severity']}>
        <Severity value={event.severity} compact={compact} />
      </td>
      {!withoutAction && (
        <td className={styles['action']}>
          <FilterLink field="action" value={event.action} name="this action" {...within}>
            <ActionLabel action={event.action} />
          </FilterLink>
        </td>
      )}
      <td className={styles['class']}>
        {event.attack_type === null ? (
          <span className={table['faint']}>–</span>
        ) : (
          <FilterLink field="attack_type" value={event.attack_type} name="this class" {...within}>
            {attackClass(event.attack_type)}
          </FilterLink>
        )}
      </td>
      <td className={`${styles['client']} mono`}>
        <FilterLink field="client_ip" value={event.client_ip} {...within} />
      </td>
      <td className={styles['site']}>
        <FilterLink field="site" value={event.site} name={`site ${event.site}`} {...within} />
      </td>
      <td className={`${table['clip']} mono`} title={visibleText(request)}>
        {event.request.method === '' && event.request.uri === '' ? (
          <span className={styles['unreadable']}>not readable as HTTP</span>
        ) : (
          <>
            <span className={styles['method']}>
              <VisibleText text={event.request.method} />
            </span>{' '}
            <VisibleText text={event.request.uri} />
          </>
        )}
      </td>
      <td className={`${styles['rule']} mono`} title={event.findings.find((f) => String(f.rule_id) === event.rule_id)?.message}>
        {event.rule_id === null ? (
          <span className={table['faint']}>–</span>
        ) : (
          <FilterLink field="rule_id" value={event.rule_id} name={`rule ${event.rule_id}`} {...within} />
        )}
      </td>
      <td className={`${styles['score']} ${table['right']}`} title={`Inbound score ${event.inbound_score}, threshold ${event.inbound_threshold}`}>
        {event.inbound_score}
        <span className={table['faint']}> / {event.inbound_threshold}</span>
      </td>
      {!compact && (
        <td className={`${styles['track']} ${table['soft']}`}>
          {event.track === undefined ? (
            '–'
          ) : (
            <FilterLink field="track" value={event.track} name="this track" {...within}>
              {trackLabel(event.track)}
            </FilterLink>
          )}
        </td>
      )}
    </tr>
  );
}
