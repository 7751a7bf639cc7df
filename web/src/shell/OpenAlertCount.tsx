/** How many alerts are open, beside the navigation entry. */
import { useQuery } from '@tanstack/react-query';
import { fetchAlerts } from '../api/requests';
import { useRefreshOn } from '../live/useRefreshOn';
import styles from './Navigation.module.css';

const COUNTED = 100;

export function OpenAlertCount() {
  const { data } = useQuery({
    queryKey: ['alerts', 'open', 'count'],
    queryFn: ({ signal }) => fetchAlerts({ state: 'open', limit: COUNTED }, signal),
    refetchInterval: 60_000,
  });
  useRefreshOn((state) => state.alerts, ['alerts']);
  if (data === undefined || data.length === 0) return null;
  const shown = data.length >= COUNTED ? `${COUNTED}+` : String(data.length);
  return (
    <span className={styles['count']}>
      <span className="visually-hidden">, </span>
      {shown}
      <span className="visually-hidden"> open</span>
    </span>
  );
}
