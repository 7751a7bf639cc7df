/** The score ledger: rule by rule, how the score came about and where it crossed the threshold. */
import { Fragment } from 'react';
import type { SecurityEvent } from '../api/types';
import { plural, points } from '../format/number';
import { Notice } from '../ui/Notice';
import { Panel } from '../ui/Panel';
import table from '../ui/table.module.css';
import { LedgerRowView } from './LedgerRowView';
import styles from './LedgerPanel.module.css';
import { ledgerOf } from './ledger';

export function LedgerPanel({ event }: { event: SecurityEvent }) {
  const ledger = ledgerOf(event);
  return (
    <Panel title="Score ledger" note={`${plural(ledger.rows.length, 'rule')} matched, paranoia level ${event.paranoia_level}`} flush>
      {ledger.rows.length === 0 ? (
        <Notice bare title="No rule matched">The request was refused before any rule ran.</Notice>
      ) : (
        <div className={table['scroll']}>
          <table className={`${table['table']} ${styles['ledger']}`} data-ledger>
            <caption className="visually-hidden">Points that each rule added, in the order in which the rules matched</caption>
            <thead>
              <tr>
                <th scope="col">Rule</th>
                <th scope="col">What it found</th>
                <th scope="col" className={table['right']}>
                  Points
                </th>
                <th scope="col" className={table['right']}>
                  Total
                </th>
              </tr>
            </thead>
            <tbody>
              {ledger.rows.map((row, index) => (
                <Fragment key={index}>
                  <LedgerRowView row={row} blockingLevel={event.paranoia_level} />
                  {row.reachesThreshold && (
                    <tr className={styles['threshold']}>
                      <td colSpan={4}>
                        <span>
                          Threshold {event.inbound_threshold} reached{event.action === 'blocked' ? ': the request is blocked' : ''}
                        </span>
                      </td>
                    </tr>
                  )}
                </Fragment>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <th scope="row" colSpan={2}>
                  Inbound score, threshold {event.inbound_threshold}
                </th>
                <td colSpan={2} className={table['right']}>
                  {event.inbound_score}
                </td>
              </tr>
              {(event.outbound_score > 0 || ledger.outbound > 0) && (
                <tr>
                  <th scope="row" colSpan={2}>
                    Outbound score
                  </th>
                  <td colSpan={2} className={table['right']}>
                    {event.outbound_score}
                  </td>
                </tr>
              )}
            </tfoot>
          </table>
        </div>
      )}
      {ledger.unexplained !== 0 && ledger.rows.length > 0 && (
        <p className={styles['note']}>
          {points(ledger.unexplained)} of the inbound score comes from rules that do not log, or from exclusions: they leave no row here.
        </p>
      )}
    </Panel>
  );
}
