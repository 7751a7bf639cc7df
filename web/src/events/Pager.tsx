import { Button } from '@mantine/core';
import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react';
import { plural } from '../format/number';
import styles from './Pager.module.css';

interface Props {
  page: number | null;
  rows: number;
  /** What a row is. */
  noun?: string;
  hasPrevious: boolean;
  hasNext: boolean;
  onPrevious: () => void;
  onNext: () => void;
}

export function Pager({ page, rows, noun = 'event', hasPrevious, hasNext, onPrevious, onNext }: Props) {
  if (!hasPrevious && !hasNext) return null;
  return (
    <nav className={styles['pager']} aria-label="Pages">
      <span className={styles['where']}>
        {page === null ? 'A later page' : `Page ${page}`}, {plural(rows, noun)}
      </span>
      <Button variant="default" leftSection={<IconChevronLeft size={15} />} disabled={!hasPrevious} onClick={onPrevious}>
        {page === null ? 'First page' : 'Newer'}
      </Button>
      <Button variant="default" rightSection={<IconChevronRight size={15} />} disabled={!hasNext} onClick={onNext}>
        Older
      </Button>
    </nav>
  );
}
