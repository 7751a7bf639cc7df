/** The request as the gateway received it. What was redacted is visible as such. */
import type { SecurityEvent } from '../api/types';
import { bytes } from '../format/number';
import { Panel } from '../ui/Panel';
import { VisibleText } from '../ui/VisibleText';
import styles from './RequestPanel.module.css';

export function RequestPanel({ event }: { event: SecurityEvent }) {
  const { request } = event;
  return (
    <Panel title="Request" note={request.body_bytes === 0 ? 'no body' : `${bytes(request.body_bytes)} of body received`} flush>
      <p className={styles['line']}>
        <b>
          <VisibleText text={request.method} />
        </b>{' '}
        <VisibleText text={request.uri} />{' '}
        <span className={styles['protocol']}>
          <VisibleText text={request.protocol} />
        </span>
      </p>
      <dl className={styles['headers']}>
        {request.headers.map(([name, value], index) => (
          <div key={index}>
            <dt>
              <VisibleText text={name} />
            </dt>
            <dd>
              <VisibleText text={value} />
            </dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}
