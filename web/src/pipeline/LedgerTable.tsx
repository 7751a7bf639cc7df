import { count } from '../format/number';
import table from '../ui/table.module.css';
import type { HopAccount } from './account';
import styles from './LedgerTable.module.css';
import { StandingIcon } from './StandingIcon';

export function LedgerTable({ hops }: { hops: readonly HopAccount[] }) {
  return (
    <div className={`${table['scroll']} ${styles['box']}`}>
      <table className={table['table']}>
        <caption className="visually-hidden">Counts of every hop of the pipeline</caption>
        <thead>
          <tr>
            <th scope="col">Hop</th>
            <th scope="col" className={table['right']}>
              Produced
            </th>
            <th scope="col" className={table['right']}>
              Delivered
            </th>
            <th scope="col" className={table['right']}>
              Dropped
            </th>
            <th scope="col" className={table['right']}>
              In flight
            </th>
            <th scope="col">Standing</th>
            <th scope="col">Reasons for drops</th>
          </tr>
        </thead>
        <tbody>
          {hops.map(({ name, title, hop, dropped, missing, standing, statement }) => (
            <tr key={name} data-hop={name}>
              <th scope="row" className={styles['hop']} title={name}>
                {title}
              </th>
              <td className={table['right']}>{count(hop.produced)}</td>
              <td className={table['right']}>{count(hop.delivered)}</td>
              <td className={`${table['right']} ${missing === 0 ? table['faint'] : styles['dropped']}`}>{count(dropped)}</td>
              <td className={`${table['right']} ${hop.in_flight === 0 ? table['faint'] : ''}`}>{count(hop.in_flight)}</td>
              <td>
                <span className={styles['standing']}>
                  <StandingIcon standing={standing} />
                  {statement}
                </span>
              </td>
              <td className={table['soft']}>
                {dropped === 0
                  ? '–'
                  : Object.entries(hop.dropped)
                      .filter(([, amount]) => amount > 0)
                      .map(([reason, amount]) => `${reason}: ${count(amount)}`)
                      .join(', ')}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
