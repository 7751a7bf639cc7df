/** The event list: filter bar, counts with the same filter, one page of rows at a time. */
import { Button } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useNavigate, useSearchParams } from 'react-router';
import { fetchEvents } from '../api/requests';
import { clock } from '../format/time';
import { Failure } from '../ui/Failure';
import { Rows } from '../ui/Loading';
import { Notice } from '../ui/Notice';
import { Page } from '../ui/Page';
import { ActiveFilters } from './ActiveFilters';
import styles from './EventsPage.module.css';
import { EventTable } from './EventTable';
import { activeFields, eventsPath, filterFromUrl, filterToApi, PRESETS, type EventFilter } from './filter';
import { FilterBar } from './FilterBar';
import { Histogram } from './Histogram';
import { NewEventsHint } from './NewEventsHint';
import { Pager } from './Pager';
import { usePaging } from './usePaging';

const PAGE_SIZE = 50;

export default function EventsPage() {
  const [parameters] = useSearchParams();
  const navigate = useNavigate();
  const query = parameters.toString();
  const filter = useMemo(() => filterFromUrl(new URLSearchParams(query)), [query]);
  // When the list was asked for: rows, counts and the hint about newer events all refer to it.
  const [asOf, setAsOf] = useState(() => Date.now());
  const paging = usePaging();

  const list = useQuery({
    queryKey: ['events', 'list', filter, paging.cursor, asOf],
    queryFn: ({ signal }) => {
      const request = filterToApi(filter, asOf);
      request.set('limit', String(PAGE_SIZE));
      if (paging.cursor !== null) request.set('cursor', paging.cursor);
      return fetchEvents(request, signal);
    },
    placeholderData: keepPreviousData,
    // The list stands still until it is asked for again; paging back shows the rows that were there.
    staleTime: Infinity,
  });

  const apply = (next: EventFilter): void => {
    setAsOf(Date.now());
    void navigate(eventsPath(next));
  };
  const refresh = (): void => {
    setAsOf(Date.now());
    if (paging.cursor !== null) void navigate(eventsPath(filter));
  };

  return (
    <Page
      title="Events"
      subtitle={<span className="number">as of {clock(asOf)} UTC</span>}
      actions={
        <Button
          variant="default"
          leftSection={<IconRefresh size={15} />}
          loading={list.isFetching && list.data !== undefined}
          onClick={refresh}
        >
          Refresh
        </Button>
      }
    >
      <div className={styles['stack']}>
        <FilterBar filter={filter} onChange={apply} />
        <ActiveFilters filter={filter} onChange={apply} />
        {!list.isError && <Histogram filter={filter} asOf={asOf} onChange={apply} />}
        {paging.cursor === null && list.data !== undefined && !list.isPlaceholderData && (
          <NewEventsHint filter={filter} asOf={asOf} rows={list.data.events} onShow={refresh} />
        )}
        {list.isError ? (
          <Failure what="The events" error={list.error} retry={list.refetch} />
        ) : (
          <section className={styles['list']} aria-busy={list.isFetching} aria-label="Events">
            {list.data === undefined ? (
              <Rows count={12} />
            ) : list.data.events.length === 0 ? (
              <Nothing filter={filter} onChange={apply} />
            ) : (
              <div className={list.isPlaceholderData ? styles['older'] : ''}>
                <EventTable events={list.data.events} filter={filter} caption="Events, newest first" />
              </div>
            )}
          </section>
        )}
        {list.data !== undefined && (
          <Pager
            page={paging.page}
            rows={list.data.events.length}
            hasPrevious={paging.hasPrevious}
            hasNext={list.data.next !== null}
            onPrevious={paging.previous}
            onNext={() => {
              if (list.data.next !== null) paging.next(list.data.next);
            }}
          />
        )}
      </div>
    </Page>
  );
}

function Nothing({ filter, onChange }: { filter: EventFilter; onChange: (filter: EventFilter) => void }) {
  const filtered = activeFields(filter).length > 0;
  const canWiden = filter.range.preset !== 'all';
  return (
    <div className={styles['nothing']}>
      <Notice
        bare
        title="No events match"
        actions={
          <>
            {filtered && (
              <Button variant="default" onClick={() => onChange({ range: filter.range })}>
                Clear filters
              </Button>
            )}
            {canWiden && (
              <Button variant="default" onClick={() => onChange({ ...filter, range: { preset: 'all' } })}>
                Search all time
              </Button>
            )}
          </>
        }
      >
        {filtered ? 'Nothing was found with these filters' : 'No request had findings'}
        {filter.range.preset === null ? ' in this time range.' : `: ${PRESETS[filter.range.preset].label.toLowerCase()}.`}
      </Notice>
    </div>
  );
}
