/** What happened, in one sentence. */
import { IconBan, IconEye, IconPlugConnectedX } from '@tabler/icons-react';
import type { SecurityEvent } from '../api/types';
import { attackClass } from '../format/labels';
import { clockMillis, date, local } from '../format/time';
import { Severity } from '../ui/Severity';
import { VisibleText } from '../ui/VisibleText';
import styles from './VerdictBanner.module.css';
import { verdictOf } from './verdict';

const ICONS = { blocked: IconBan, detected: IconEye, rejected: IconPlugConnectedX };

export function VerdictBanner({ event }: { event: SecurityEvent }) {
  const verdict = verdictOf(event);
  const Icon = ICONS[event.action];
  return (
    <section className={styles['banner']} aria-label="What happened">
      <Icon size={26} stroke={1.7} aria-hidden />
      <div className={styles['words']}>
        <p className={styles['verdict']} data-verdict>
          <strong>{verdict.outcome}:</strong> {verdict.reason}
        </p>
        <p className={styles['context']}>
          <span>{attackClass(event.attack_type)}</span>
          <span className="mono">
            <VisibleText text={event.request.method} /> on {event.site}
          </span>
          <span>answered {event.status}</span>
          <time dateTime={event.timestamp} title={local(event.timestamp)} className="number">
            {date(event.timestamp)} {clockMillis(event.timestamp)} UTC
          </time>
        </p>
      </div>
      <Severity value={event.severity} />
    </section>
  );
}
