/** Placeholders while data is on its way: never to be mistaken for zero. */
import { Skeleton } from '@mantine/core';
import styles from './Loading.module.css';

export function Rows({ count, padded = false }: { count: number; padded?: boolean }) {
  return (
    <div className={`${styles['rows']} ${padded ? styles['padded'] : ''}`} role="status" aria-label="Loading">
      {Array.from({ length: count }, (_, index) => (
        <Skeleton key={index} height={14} radius="sm" />
      ))}
    </div>
  );
}
