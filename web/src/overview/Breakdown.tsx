/** Events of the window by one property, largest first; every bar leads to its rows. */
import { Link } from 'react-router';
import type { GroupBy } from '../api/requests';
import { eventsLink, type FilterField } from '../events/filter';
import { attackClass, oneOf, trackLabel, TRACKS } from '../format/labels';
import { count } from '../format/number';
import { Failure } from '../ui/Failure';
import { Rows } from '../ui/Loading';
import { Panel } from '../ui/Panel';
import styles from './Breakdown.module.css';
import { useCounts, type Window } from './window';

const SHOWN = 6;

interface Props {
  title: string;
  groupBy: Extract<GroupBy, FilterField>;
  window: Window;
}

export function Breakdown({ title, groupBy, window }: Props) {
  const query = useCounts(window, groupBy, { limit: SHOWN });
  const { data } = query;
  const largest = Math.max(1, ...(data?.buckets.map((bucket) => bucket.count) ?? []));
  return (
    <Panel title={title}>
      {query.isError && data === undefined && <Failure bare what="The counts" error={query.error} retry={query.refetch} />}
      {query.isPending && <Rows count={3} />}
      {data?.buckets.length === 0 && <p className={styles['none']}>No events in this time.</p>}
      <ul className={styles['list']}>
        {data?.buckets.map((bucket) => (
          <li key={bucket.key} className={styles['row']}>
            <span className={styles['bar']} style={{ width: `${(bucket.count / largest) * 100}%` }} aria-hidden />
            {bucket.key === '' ? (
              <span className={styles['label']}>Unclassified</span>
            ) : (
              <Link className={`${styles['label']} ${isCode(groupBy) ? 'mono' : ''}`} to={eventsLink({ [groupBy]: bucket.key }, window)}>
                {wordFor(groupBy, bucket.key)}
              </Link>
            )}
            <span className={styles['count']}>{count(bucket.count)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const isCode = (groupBy: GroupBy): boolean => groupBy === 'client_ip' || groupBy === 'rule_id';

function wordFor(groupBy: GroupBy, key: string): string {
  if (groupBy === 'attack_type') return attackClass(key);
  const track = groupBy === 'track' ? oneOf(TRACKS, key) : undefined;
  return track === undefined ? key : trackLabel(track);
}
