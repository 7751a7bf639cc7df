/** The filter bar. Choices apply at once, typed text with Enter or when the field is left. */
import { NativeSelect, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useEffect, useRef, useState, type SyntheticEvent } from 'react';
import { useLocation } from 'react-router';
import {
  ACTIONS,
  actionLabel,
  ATTACK_CLASSES,
  attackClass,
  SEVERITY_BANDS,
  severityLabel,
  trackLabel,
  TRACKS,
} from '../format/labels';
import { SEARCH_ATTRIBUTE } from '../shell/useShortcuts';
import { withField, type EventFilter, type FilterField } from './filter';
import styles from './FilterBar.module.css';
import { RangeSelect } from './RangeSelect';

interface Props {
  filter: EventFilter;
  onChange: (filter: EventFilter) => void;
}

export function FilterBar({ filter, onChange }: Props) {
  const set = (field: FilterField, value: string): void => onChange(withField(filter, field, value));
  return (
    <search className={styles['bar']}>
      <RangeSelect range={filter.range} onChange={(range) => onChange({ ...filter, range })} />
      <TypedField field="text" label="Search in URI, user agent, rule message and matched text" placeholder="Search in requests and rules" filter={filter} set={set} search />
      <Choice field="severity" all="Any severity" options={SEVERITY_BANDS} label={severityLabel} filter={filter} set={set} />
      <Choice field="action" all="Any action" options={ACTIONS} label={actionLabel} filter={filter} set={set} />
      <Choice field="attack_type" all="Any class" options={ATTACK_CLASSES} label={attackClass} filter={filter} set={set} />
      <Choice field="track" all="Any track" options={TRACKS} label={trackLabel} filter={filter} set={set} />
      <TypedField field="client_ip" label="Client address" placeholder="Client address" filter={filter} set={set} />
      <TypedField field="rule_id" label="Rule id" placeholder="Rule id" filter={filter} set={set} />
      <TypedField field="site" label="Site" placeholder="Site" filter={filter} set={set} />
    </search>
  );
}

interface FieldProps {
  field: FilterField;
  filter: EventFilter;
  set: (field: FilterField, value: string) => void;
}

interface ChoiceProps<T extends string> extends FieldProps {
  all: string;
  options: readonly T[];
  label: (value: T) => string;
}

function Choice<T extends string>({ field, all, options, label, filter, set }: ChoiceProps<T>) {
  const value = filter[field] ?? '';
  return (
    <NativeSelect
      className={styles['choice'] ?? ''}
      aria-label={all.replace(/^Any (.)/, (_, first: string) => first.toUpperCase())}
      data-active={value !== '' || undefined}
      value={value}
      onChange={(event) => set(field, event.currentTarget.value)}
      data={[{ value: '', label: all }, ...options.map((option) => ({ value: option, label: label(option) }))]}
    />
  );
}

interface TypedProps extends FieldProps {
  label: string;
  placeholder: string;
  search?: boolean;
}

function TypedField({ field, label, placeholder, filter, set, search = false }: TypedProps) {
  const applied = filter[field] ?? '';
  const [text, setText] = useState(applied);
  const [shownFor, setShownFor] = useState(applied);
  const input = useRef<HTMLInputElement>(null);
  const location = useLocation();

  // A link or the back button changed the filter: the field follows.
  if (shownFor !== applied) {
    setShownFor(applied);
    setText(applied);
  }

  const wanted = search && (location.state as { focusSearch?: boolean } | null)?.focusSearch === true;
  useEffect(() => {
    if (wanted) input.current?.focus();
  }, [wanted]);

  const apply = (event?: SyntheticEvent): void => {
    event?.preventDefault();
    if (text.trim() !== applied) set(field, text.trim());
  };
  return (
    <form className={search ? styles['search'] : styles['typed']} onSubmit={apply}>
      <TextInput
        ref={input}
        aria-label={label}
        placeholder={placeholder}
        leftSection={search ? <IconSearch size={15} aria-hidden /> : undefined}
        spellCheck={false}
        autoComplete="off"
        value={text}
        data-active={applied !== '' || undefined}
        onChange={(event) => setText(event.currentTarget.value)}
        onBlur={() => apply()}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
        {...(search ? { [SEARCH_ATTRIBUTE]: '' } : {})}
      />
    </form>
  );
}
