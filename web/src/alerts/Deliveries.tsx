/** What became of an alert on each channel, failures with their reason. */
import { IconCheck, IconClock, IconX } from '@tabler/icons-react';
import type { Delivery } from '../api/types';
import { plural } from '../format/number';
import { dateTime } from '../format/time';
import styles from './Deliveries.module.css';

export function Deliveries({ deliveries }: { deliveries: readonly Delivery[] }) {
  if (deliveries.length === 0) return <span className={styles['none']}>Not delivered yet</span>;
  return (
    <ul className={styles['list']}>
      {deliveries.map((delivery) => (
        <li key={delivery.channel} title={`${dateTime(delivery.timestamp)} UTC`}>
          {delivery.state === 'delivered' && <IconCheck size={14} className={styles['good']} aria-hidden />}
          {delivery.state === 'failed' && <IconX size={14} className={styles['bad']} aria-hidden />}
          {delivery.state === 'pending' && <IconClock size={14} className={styles['soft']} aria-hidden />}
          <span>
            {delivery.channel}{' '}
            <span className={styles['soft']}>
              {delivery.state}
              {delivery.attempts > 1 && ` after ${plural(delivery.attempts, 'attempt')}`}
            </span>
            {delivery.error !== undefined && (
              <span className={styles['error']} title={delivery.error}>
                {delivery.error}
              </span>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
