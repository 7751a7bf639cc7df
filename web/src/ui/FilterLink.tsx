/** A value that narrows the event list to itself when clicked. */
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { eventsPath, withField, type EventFilter, type FilterField } from '../events/filter';
import { visibleText } from '../format/visible';
import styles from './FilterLink.module.css';

interface Props {
  field: FilterField;
  value: string;
  /** The filter to narrow further; all events of the last day where absent. */
  within?: EventFilter;
  /** What the value is called, for its tooltip. */
  name?: string;
  children?: ReactNode;
}

const EVERYTHING: EventFilter = { range: { preset: '24h' } };

export function FilterLink({ field, value, within = EVERYTHING, name, children }: Props) {
  return (
    <Link
      to={eventsPath(withField(within, field, value))}
      className={styles['link'] ?? ''}
      title={`Show only events with ${name ?? visibleText(value)}`}
    >
      {children ?? value}
    </Link>
  );
}
