/** Says that newer events match the filter; the list itself stays still until asked. */
import { Button } from '@mantine/core';
import { useMemo, useState } from 'react';
import { plural } from '../format/number';
import { useLive } from '../live/live';
import { EVENTS_KEPT } from '../live/state';
import { matches, type EventFilter } from './filter';
import styles from './NewEventsHint.module.css';

interface Props {
  filter: EventFilter;
  asOf: number;
  onShow: () => void;
}

export function NewEventsHint({ filter, asOf, onShow }: Props) {
  const events = useLive((state) => state.events);
  // Those that were there when the list was asked for are in it already.
  const [known] = useState(() => new Set(events.map((event) => event.id)));
  const waiting = useMemo(
    () => events.filter((event) => !known.has(event.id) && matches(event, filter, asOf)).length,
    [events, known, filter, asOf],
  );
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
