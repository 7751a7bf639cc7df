/** Severity as number and band. The only place where red, orange and amber mean severity. */
import { severityBand, severityLabel } from '../format/labels';
import styles from './Severity.module.css';

export function Severity({ value, compact = false }: { value: number; compact?: boolean }) {
  const band = severityBand(value);
  return (
    <span className={styles['severity']} title={`Severity ${value} of 100: ${severityLabel(band)}`}>
      <span className={`${styles['number']} ${styles[band]}`}>{value}</span>
      {compact ? <span className="visually-hidden">{severityLabel(band)}</span> : <span className={styles['band']}>{severityLabel(band)}</span>}
    </span>
  );
}
