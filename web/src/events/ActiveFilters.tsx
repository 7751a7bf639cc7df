/** The fields that restrict the list, each with a way out. */
import { Button } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { actionLabel, attackClass, severityLabel, trackLabel } from '../format/labels';
import styles from './ActiveFilters.module.css';
import { activeFields, withField, type EventFilter, type FilterField } from './filter';

const NAMES: Record<FilterField, string> = {
  severity: 'Severity',
  track: 'Track',
  action: 'Action',
  attack_type: 'Class',
  client_ip: 'Client',
  rule_id: 'Rule',
  site: 'Site',
  text: 'Text',
};

export function ActiveFilters({ filter, onChange }: { filter: EventFilter; onChange: (filter: EventFilter) => void }) {
  const fields = activeFields(filter);
  if (fields.length === 0) return null;
  return (
    <ul className={styles['list']} aria-label="Active filters">
      {fields.map((field) => (
        <li key={field}>
          <button
            type="button"
            className={styles['chip']}
            onClick={() => onChange(withField(filter, field, null))}
          >
            <span className={styles['name']}>{NAMES[field]}</span>
            <span className={styles['value']}>{valueLabel(filter, field)}</span>
            <span className="visually-hidden">: remove this filter</span>
            <IconX size={13} aria-hidden />
          </button>
        </li>
      ))}
      <li>
        <Button variant="subtle" size="compact-xs" onClick={() => onChange({ range: filter.range })}>
          Clear all
        </Button>
      </li>
    </ul>
  );
}

function valueLabel(filter: EventFilter, field: FilterField): string {
  switch (field) {
    case 'severity':
      return filter.severity === undefined ? '' : severityLabel(filter.severity);
    case 'track':
      return filter.track === undefined ? '' : trackLabel(filter.track);
    case 'action':
      return filter.action === undefined ? '' : actionLabel(filter.action);
    case 'attack_type':
      return attackClass(filter.attack_type);
    default:
      return filter[field] ?? '';
  }
}
