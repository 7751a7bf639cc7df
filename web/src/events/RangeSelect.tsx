/** Time range: presets that end now, or two moments in UTC. */
import { Button, NativeSelect, Popover, TextInput } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { oneOf } from '../format/labels';
import { dateTime } from '../format/time';
import { bounds, PRESETS, type Preset, type TimeRange } from './filter';
import styles from './RangeSelect.module.css';

const CUSTOM = 'custom';
const NAMES = Object.keys(PRESETS) as Preset[];

interface Props {
  range: TimeRange;
  onChange: (range: TimeRange) => void;
}

export function RangeSelect({ range, onChange }: Props) {
  const [opened, setOpened] = useState(false);
  const choose = (value: string): void => {
    const preset = oneOf(NAMES, value);
    if (preset !== undefined) onChange({ preset });
    setOpened(preset === undefined);
  };
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-start" shadow="md" trapFocus withRoles={false}>
      <Popover.Target>
        <div className={styles['select']}>
          <NativeSelect
            aria-label="Time range"
            value={range.preset ?? CUSTOM}
            onChange={(event) => choose(event.currentTarget.value)}
            data={[
              ...NAMES.map((name) => ({ value: name, label: PRESETS[name].label })),
              { value: CUSTOM, label: range.preset === null ? spanLabel(range) : 'Custom range…' },
            ]}
          />
          {range.preset === null && (
            <Button variant="default" onClick={() => setOpened(true)}>
              Edit
            </Button>
          )}
        </div>
      </Popover.Target>
      <Popover.Dropdown>
        <CustomRange
          range={range}
          onApply={(next) => {
            setOpened(false);
            onChange(next);
          }}
        />
      </Popover.Dropdown>
    </Popover>
  );
}

function spanLabel(range: { start: string | null; end: string | null }): string {
  const from = range.start === null ? 'the beginning' : dateTime(range.start);
  const to = range.end === null ? 'now' : dateTime(range.end);
  return `${from} – ${to}`;
}

function CustomRange({ range, onApply }: { range: TimeRange; onApply: (range: TimeRange) => void }) {
  const [initial] = useState(() => bounds(range, Date.now()));
  const [start, setStart] = useState(initial.start === null ? '' : fieldValue(initial.start));
  const [end, setEnd] = useState(initial.end === null ? '' : fieldValue(initial.end));
  const backwards = start !== '' && end !== '' && start >= end;

  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (!backwards) onApply({ preset: null, start: fromField(start), end: fromField(end) });
  };
  return (
    <form className={styles['form']} onSubmit={submit}>
      <TextInput type="datetime-local" step={1} label="From (UTC)" value={start} onChange={(event) => setStart(event.currentTarget.value)} />
      <TextInput
        type="datetime-local"
        step={1}
        label="To (UTC), empty for now"
        value={end}
        error={backwards ? 'This is not after the start' : undefined}
        onChange={(event) => setEnd(event.currentTarget.value)}
      />
      <Button type="submit" disabled={backwards || (start === '' && end === '')}>
        Apply
      </Button>
    </form>
  );
}

const fieldValue = (time: number): string => new Date(time).toISOString().slice(0, 19);

function fromField(value: string): string | null {
  if (value === '') return null;
  const time = Date.parse(`${value}Z`);
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}
