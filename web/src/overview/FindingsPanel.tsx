/** Events over the window by what was done with them. A click opens the list at that time. */
import { useCallback, useMemo } from 'react';
import { useNavigate } from 'react-router';
import { ActionHistogram } from '../chart/ActionHistogram';
import { Legend } from '../chart/Legend';
import { seriesOf } from '../chart/buckets';
import { bucketSeconds, eventsPath, PRESETS } from '../events/filter';
import { ACTIONS } from '../format/labels';
import { plural } from '../format/number';
import { Failure } from '../ui/Failure';
import { Rows } from '../ui/Loading';
import { Panel } from '../ui/Panel';
import { useCounts, type Window } from './window';

export function FindingsPanel({ window }: { window: Window }) {
  const width = bucketSeconds(0, PRESETS[window].seconds * 1000);
  const query = useCounts(window, 'action', { intervalSeconds: width });
  const navigate = useNavigate();
  const { data } = query;
  const series = useMemo(() => (data === undefined ? [] : seriesOf(data.buckets, ACTIONS, data, width)), [data, width]);
  const total = series.reduce((sum, one) => sum + one.total, 0);

  const open = useCallback(
    (time: number) => {
      const start = Math.floor(time / (width * 1000)) * width * 1000;
      const range = { preset: null, start: new Date(start).toISOString(), end: new Date(start + width * 1000).toISOString() };
      void navigate(eventsPath({ range }));
    },
    [navigate, width],
  );

  return (
    <Panel
      title="Events over time"
      note={data === undefined ? undefined : `${plural(total, 'event')}, ${PRESETS[window].label.toLowerCase()}`}
      actions={<Legend series={ACTIONS} />}
    >
      {query.isError && data === undefined ? (
        <Failure bare what="The history" error={query.error} retry={query.refetch} />
      ) : data === undefined ? (
        <Rows count={4} />
      ) : (
        <ActionHistogram
          series={series}
          height={150}
          label={`${plural(total, 'event')} over time: ${series.map((one) => `${one.total} ${one.key}`).join(', ')}`}
          onTimeClick={open}
        />
      )}
    </Panel>
  );
}
