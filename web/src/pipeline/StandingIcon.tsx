import { IconAlertTriangle, IconCircleCheck, IconCircleDashedCheck } from '@tabler/icons-react';
import type { Standing } from './account';
import styles from './StandingIcon.module.css';

const ICONS = { complete: IconCircleCheck, working: IconCircleDashedCheck, missing: IconAlertTriangle, unbalanced: IconAlertTriangle };

export function StandingIcon({ standing, size = 16 }: { standing: Standing; size?: number }) {
  const Icon = ICONS[standing];
  return <Icon size={size} stroke={1.7} className={styles[standing]} aria-hidden />;
}
