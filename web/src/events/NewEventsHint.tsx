/** Says that newer events match the filter; the list itself stays still until asked. */
import { Button } from '@mantine/core';
import { useMemo } from 'react';
import type { SecurityEvent } from '../api/types';
import { plural } from '../format/number';
import { useLive } from '../live/live';
import { EVENTS_KEPT } from '../live/state';
import { matches, type EventFilter } from './filter';
import styles from './NewEventsHint.module.css';

interface Props {
  filter: EventFilter;
  asOf: number;
  /** The first page of the list as it is shown. */
  rows: readonly SecurityEvent[];
  onShow: () => void;
}

export function NewEventsHint({ filter, asOf, rows, onShow }: Props) {
  const events = useLive((state) => state.events);
  const waiting = useMemo(() => {
    const shown = new Set(rows.map((event) => event.id));
    const newest = rows[0] === undefined ? 0 : Date.parse(rows[0].timestamp);
    const isNew = (event: SecurityEvent): boolean => !shown.has(event.id) && Date.parse(event.timestamp) >= newest;
    return events.filter((event) => isNew(event) && matches(event, filter, asOf)).length;
  }, [events, rows, filter, asOf]);
  if (waiting === 0) return null;
  const amount = waiting >= EVENTS_KEPT ? `More than ${EVENTS_KEPT - 1} new events match` : `${plural(waiting, 'new event')} ${waiting === 1 ? 'matches' : 'match'}`;
  return (
    <div className={styles['hint']} role="status">
      <span>{amount}</span>
      <Button variant="light" size="compact-xs" onClick={onShow}>
        Show
      </Button>
    </div>
  );
}
