import { IconActivity, IconBell, IconListSearch, IconRoute } from '@tabler/icons-react';
import { NavLink } from 'react-router';
import styles from './Navigation.module.css';
import { OpenAlertCount } from './OpenAlertCount';

const SCREENS = [
  { to: '/overview', label: 'Overview', icon: IconActivity },
  { to: '/events', label: 'Events', icon: IconListSearch },
  { to: '/alerts', label: 'Alerts', icon: IconBell },
  { to: '/pipeline', label: 'Pipeline', icon: IconRoute },
] as const;

export function Navigation() {
  return (
    <nav aria-label="Console">
      <ul className={styles['list']}>
        {SCREENS.map(({ to, label, icon: Icon }) => (
          <li key={to}>
            <NavLink to={to} className={styles['link'] ?? ''} aria-label={label} title={label}>
              <Icon size={18} stroke={1.6} aria-hidden />
              <span className={styles['label']}>{label}</span>
              {to === '/alerts' && <OpenAlertCount />}
            </NavLink>
          </li>
        ))}
      </ul>
    </nav>
  );
}
