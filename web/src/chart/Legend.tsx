import styles from './Chart.module.css';

const WORDS = { requests: 'Requests', blocked: 'Blocked', detected: 'Detected', rejected: 'Rejected' } as const;

export function Legend({ series }: { series: readonly (keyof typeof WORDS)[] }) {
  return (
    <div className={styles['legend']}>
      {series.map((name) => (
        <span key={name}>
          <i className={styles[name]} aria-hidden />
          {WORDS[name]}
        </span>
      ))}
    </div>
  );
}
