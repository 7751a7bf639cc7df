/** Whether what the console shows is live. Always visible. */
import { useLive } from '../live/live';
import type { Connection } from '../live/state';
import { clock } from '../format/time';
import styles from './ConnectionState.module.css';

export function ConnectionState() {
  const connection = useLive((state) => state.connection);
  const { tone, label, explanation } = describe(connection);
  return (
    <div className={styles['state']} data-connection={connection.status} role="status" title={explanation}>
      <span className={`${styles['dot']} ${styles[tone]}`} aria-hidden />
      {label}
    </div>
  );
}

function describe(connection: Connection): { tone: string; label: string; explanation: string } {
  switch (connection.status) {
    case 'connecting':
      return { tone: 'waiting', label: 'Connecting…', explanation: 'Opening the live stream.' };
    case 'live':
      return { tone: 'live', label: 'Live', explanation: 'New events and alerts appear here at once.' };
    case 'reconnecting':
      return {
        tone: 'broken',
        label: `Reconnecting · nothing new since ${clock(connection.since)} UTC`,
        explanation: 'The connection to the server was lost. What you see may be out of date.',
      };
    case 'stale':
      return {
        tone: 'broken',
        label: `Stale since ${clock(connection.since)} UTC`,
        explanation: 'The connection stands, but the server sends nothing. What you see may be out of date.',
      };
  }
}
