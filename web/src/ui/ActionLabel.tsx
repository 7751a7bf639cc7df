/** What was done with a request, as icon and word. */
import { IconBan, IconEye, IconPlugConnectedX } from '@tabler/icons-react';
import type { Action } from '../api/types';
import { actionLabel } from '../format/labels';
import styles from './ActionLabel.module.css';

const ICONS = { blocked: IconBan, detected: IconEye, rejected: IconPlugConnectedX };

export function ActionLabel({ action }: { action: Action }) {
  const Icon = ICONS[action];
  return (
    <span className={`${styles['action']} ${styles[action]}`}>
      <Icon size={14} stroke={2} aria-hidden />
      {actionLabel(action)}
    </span>
  );
}
