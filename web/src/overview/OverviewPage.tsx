/** What is happening now: traffic, what was found in it, and what needs attention. */
import { SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';
import { fetchOverview } from '../api/requests';
import { oneOf } from '../format/labels';
import { uptime } from '../format/time';
import { mayInvestigate, useActiveSession } from '../session/session';
import { Page } from '../ui/Page';
import { Breakdown } from './Breakdown';
import { Figures } from './Figures';
import { FindingsPanel } from './FindingsPanel';
import { LatestEvents } from './LatestEvents';
import { OpenAlerts } from './OpenAlerts';
import styles from './OverviewPage.module.css';
import { TrafficPanel } from './TrafficPanel';
import { WINDOWS } from './window';

export default function OverviewPage() {
  const session = useActiveSession();
  const [parameters, setParameters] = useSearchParams();
  const window = oneOf(WINDOWS, parameters.get('range')) ?? '1h';
  const overview = useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => fetchOverview(signal),
    refetchInterval: 60_000,
  });
  const choose = (value: string): void => setParameters(value === '1h' ? {} : { range: value }, { replace: true });

  return (
    <Page
      title="Overview"
      subtitle={
        overview.data !== undefined && (
          <>
            Parapet {overview.data.version}, up {uptime(overview.data.uptime_seconds)}, policy{' '}
            <span className="mono">{overview.data.policy}</span>
          </>
        )
      }
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Time range of the counts"
          value={window}
          onChange={choose}
          data={WINDOWS.map((value) => ({ value, label: value }))}
        />
      }
    >
      <div className={styles['grid']}>
        <Figures window={window} fallback={overview.data?.traffic} />
        <div className={styles['wide']}>
          <TrafficPanel />
          <LatestEvents window={window} />
          <FindingsPanel window={window} />
          <div className={styles['pair']}>
            <Breakdown title="Top clients" groupBy="client_ip" window={window} />
            <Breakdown title="Top rules" groupBy="rule_id" window={window} />
          </div>
        </div>
        <div className={styles['narrow']}>
          {mayInvestigate(session) && <OpenAlerts />}
          <Breakdown title="By attack class" groupBy="attack_type" window={window} />
          <Breakdown title="By track" groupBy="track" window={window} />
          <Breakdown title="By site" groupBy="site" window={window} />
        </div>
      </div>
    </Page>
  );
}

