/** One row of the score ledger. */
import { points } from '../format/number';
import { FilterLink } from '../ui/FilterLink';
import table from '../ui/table.module.css';
import { VisibleText } from '../ui/VisibleText';
import type { LedgerRow } from './ledger';
import styles from './LedgerRowView.module.css';
import { matchedParts } from './matched';

export function LedgerRowView({ row, blockingLevel }: { row: LedgerRow; blockingLevel: number }) {
  const { finding } = row;
  const parts = matchedParts(finding.matched, finding.data);
  const hasText = parts.before + parts.match + parts.after !== '';
  return (
    <tr data-rule={finding.rule_id} className={row.bookkeeping ? styles['bookkeeping'] : ''}>
      <td className={styles['rule']}>
        {finding.rule_id === 0 ? (
          <span className={table['soft']}>HTTP parser</span>
        ) : (
          <span className="mono">
            <FilterLink field="rule_id" value={String(finding.rule_id)} name={`rule ${finding.rule_id}`} />
          </span>
        )}
        <span className={styles['where']} title={`${finding.file}:${finding.line}`}>
          phase {finding.phase}
        </span>
      </td>
      <td className={styles['found']}>
        <p className={styles['message']}>
          <VisibleText text={finding.message} />
        </p>
        {hasText && (
          <p className={styles['matched']}>
            <span className={styles['variable']}>
              <VisibleText text={finding.variable} />
            </span>
            <span className={styles['value']}>
              <VisibleText text={parts.before} />
              <mark>
                <VisibleText text={parts.match} />
              </mark>
              <VisibleText text={parts.after} />
            </span>
          </p>
        )}
        {finding.operator !== '' && (
          <p className={styles['operator']} title={finding.operator}>
            <VisibleText text={finding.operator} />
          </p>
        )}
        {finding.file !== '' && (
          <p className={styles['file']}>
            {finding.file}:{finding.line}
          </p>
        )}
      </td>
      <td className={`${table['right']} ${styles['points']}`} data-points>
        {row.points === 0 ? <span className={table['faint']}>–</span> : <b>{points(row.points)}</b>}
        {row.uncounted !== 0 && (
          <span className={styles['aside']} title={`Above the blocking paranoia level ${blockingLevel}`}>
            {points(row.uncounted)} not counted
          </span>
        )}
        {row.others.map((other) => (
          <span key={other.score} className={styles['aside']}>
            {points(other.points)} {other.score.replace(/_score$/, '').replaceAll('_', ' ')}
          </span>
        ))}
        {row.direction === 'outbound' && <span className={styles['aside']}>outbound</span>}
      </td>
      <td className={table['right']}>{row.bookkeeping ? <span className={table['faint']}>–</span> : row.total}</td>
    </tr>
  );
}
