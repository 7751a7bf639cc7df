/** A boxed message: empty lists, errors, warnings. Errors and warnings are announced. */
import { IconAlertTriangle, IconCircleX, IconInfoCircle } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import styles from './Notice.module.css';

type Tone = 'neutral' | 'warning' | 'error';

const ICONS = { neutral: IconInfoCircle, warning: IconAlertTriangle, error: IconCircleX };

interface Props {
  tone?: Tone;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  /** One line instead of a box of its own. */
  compact?: boolean;
  /** Without a frame, where a panel around it has one. */
  bare?: boolean;
}

export function Notice({ tone = 'neutral', title, children, actions, compact = false, bare = false }: Props) {
  const Icon = ICONS[tone];
  return (
    <div
      className={`${styles['notice']} ${styles[tone]} ${compact ? styles['compact'] : ''} ${bare ? styles['bare'] : ''}`}
      role={tone === 'error' ? 'alert' : 'status'}
    >
      <Icon size={18} stroke={1.75} aria-hidden />
      <div className={styles['body']}>
        <p className={styles['title']}>{title}</p>
        {children !== undefined && <div className={styles['text']}>{children}</div>}
      </div>
      {actions !== undefined && <div className={styles['actions']}>{actions}</div>}
    </div>
  );
}
