import { IconActivity, IconBell, IconListSearch, IconRoute } from '@tabler/icons-react';
import { NavLink } from 'react-router';
import { mayInvestigate, useActiveSession } from '../session/session';
import styles from './Navigation.module.css';
import { OpenAlertCount } from './OpenAlertCount';

const SCREENS = [
  { to: '/overview', label: 'Overview', icon: IconActivity, forViewers: true },
  { to: '/events', label: 'Events', icon: IconListSearch, forViewers: false },
  { to: '/alerts', label: 'Alerts', icon: IconBell, forViewers: false },
  { to: '/pipeline', label: 'Pipeline', icon: IconRoute, forViewers: false },
] as const;

export function Navigation() {
  const session = useActiveSession();
  const screens = SCREENS.filter((screen) => screen.forViewers || mayInvestigate(session));
  return (
    <nav aria-label="Console">
      <ul className={styles['list']}>
        {screens.map(({ to, label, icon: Icon }) => (
          <li key={to}>
            <NavLink to={to} className={styles['link'] ?? ''} title={label}>
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
