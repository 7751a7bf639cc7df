/** A moment in a list: date faint, time of day plain; the reader's own zone in the tooltip. */
import { clock, dateTime, listDate, local } from '../format/time';
import styles from './ListTime.module.css';

interface Props {
  time: string;
  /** What counts as this year. */
  now: number;
}

export function ListTime({ time, now }: Props) {
  return (
    <time dateTime={time} title={`${dateTime(time)} UTC, ${local(time)}`} className={styles['time']}>
      <span className={styles['date']}>{listDate(time, now)}</span> {clock(time)}
    </time>
  );
}
