/** Who, where, which track and why, and what the decision was based on. */
import type { ReactNode } from 'react';
import type { SecurityEvent } from '../api/types';
import { attackClass, trackLabel } from '../format/labels';
import { FilterLink } from '../ui/FilterLink';
import { Panel } from '../ui/Panel';
import { VisibleText } from '../ui/VisibleText';
import styles from './Facts.module.css';
import { trackReason } from './verdict';

export function Facts({ event }: { event: SecurityEvent }) {
  return (
    <div className={styles['stack']}>
      <Panel title="Client">
        <dl className={styles['facts']}>
          <Fact name="Address">
            <span className="mono">
              <FilterLink field="client_ip" value={event.client_ip} />
            </span>
          </Fact>
          <Fact name="Port">
            <span className="mono">{event.client_port}</span>
          </Fact>
          <Fact name="User agent">{event.request.user_agent === '' ? 'none sent' : <VisibleText text={event.request.user_agent} />}</Fact>
        </dl>
        <p className={styles['more']}>
          <FilterLink field="client_ip" value={event.client_ip}>
            All events of this client
          </FilterLink>
        </p>
      </Panel>
      <Panel title="Classification">
        <dl className={styles['facts']}>
          <Fact name="Class">
            {event.attack_type === null ? (
              'Unclassified'
            ) : (
              <FilterLink field="attack_type" value={event.attack_type} name="this class">
                {attackClass(event.attack_type)}
              </FilterLink>
            )}
          </Fact>
          <Fact name="Leading rule">
            {event.rule_id === null ? (
              'none'
            ) : (
              <span className="mono">
                <FilterLink field="rule_id" value={event.rule_id} name={`rule ${event.rule_id}`} />
              </span>
            )}
          </Fact>
          <Fact name="Track">
            {event.track === undefined ? (
              'not classified'
            ) : (
              <FilterLink field="track" value={event.track} name="this track">
                {trackLabel(event.track)}
              </FilterLink>
            )}
          </Fact>
        </dl>
        <p className={styles['reason']}>{trackReason(event.track_reason)}</p>
      </Panel>
      <Panel title="Decision">
        <dl className={styles['facts']}>
          <Fact name="Site">
            <FilterLink field="site" value={event.site} name={`site ${event.site}`} />
          </Fact>
          <Fact name="Host">
            <VisibleText text={event.request.host} />
          </Fact>
          <Fact name="Status">{event.status}</Fact>
          <Fact name="Paranoia level">{event.paranoia_level}</Fact>
          <Fact name="Policy">
            <span className="mono" title="First 16 hex digits of the SHA-256 over all rule files">
              {event.policy}
            </span>
          </Fact>
          <Fact name="Origin">
            <span className="mono" title={`Instance ${event.origin.instance}`}>
              worker {event.origin.worker}, no. {event.origin.sequence}
            </span>
          </Fact>
        </dl>
      </Panel>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
