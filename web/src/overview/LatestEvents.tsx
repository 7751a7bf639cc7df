/** The newest events: those from the list when the page opens, then live ones on top at once. */
import { SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { fetchEvents } from '../api/requests';
import { EventTable } from '../events/EventTable';
import { eventsLink } from '../events/filter';
import { useLive } from '../live/live';
import { mergeEvents } from '../live/state';
import { useRefreshOn } from '../live/useRefreshOn';
import { mayInvestigate, useActiveSession } from '../session/session';
import { Failure } from '../ui/Failure';
import { Rows } from '../ui/Loading';
import { Notice } from '../ui/Notice';
import { Panel } from '../ui/Panel';
import type { Window } from './window';

const SHOWN = 10;
const NOTHING = { blocked: 'Nothing has been blocked yet', all: 'No events yet' };

export function LatestEvents({ window }: { window: Window }) {
  const [only, setOnly] = useState<'blocked' | 'all'>('blocked');
  const live = useLive((state) => state.events);
  // Viewers see what happens, but not the list of what has happened.
  const listed = mayInvestigate(useActiveSession());
  const query = useQuery({
    enabled: listed,
    queryKey: ['events', 'latest', only],
    queryFn: ({ signal }) => {
      const parameters = new URLSearchParams({ limit: String(SHOWN) });
      if (only === 'blocked') parameters.set('action', 'blocked');
      return fetchEvents(parameters, signal);
    },
  });
  // After a gap the list closes the hole that the live stream left.
  useRefreshOn((state) => state.gaps, ['events', 'latest']);

  const fresh = live.filter((event) => only === 'all' || event.action === 'blocked');
  const shown = mergeEvents(fresh, query.data?.events ?? [], SHOWN);
  return (
    <Panel
      title={only === 'blocked' ? 'Latest blocked requests' : 'Latest events'}
      flush
      actions={
        <>
          <SegmentedControl
            size="xs"
            aria-label="Which events"
            value={only}
            onChange={setOnly}
            data={[
              { value: 'blocked', label: 'Blocked' },
              { value: 'all', label: 'All' },
            ]}
          />
          {listed && <Link to={eventsLink(only === 'blocked' ? { action: 'blocked' } : {}, window)}>Open list</Link>}
        </>
      }
    >
      {query.isError && <Failure bare what="Earlier events" error={query.error} retry={query.refetch} />}
      {shown.length > 0 ? (
        <EventTable
          events={shown}
          compact
          withoutAction={only === 'blocked'}
          caption="Latest events, newest first"
          fresh={new Set(fresh.map((event) => event.id))}
        />
      ) : (
        listed && query.isPending && <Rows count={5} />
      )}
      {shown.length === 0 && (query.data !== undefined || !listed) && (
        <Notice bare title={listed ? NOTHING[only] : 'Nothing since you opened this page'}>
          The first one appears here the moment it happens.
        </Notice>
      )}
    </Panel>
  );
}
