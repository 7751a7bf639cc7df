/** Navigation on the left, state of the live stream and the account above, the screen in between. */
import { Suspense } from 'react';
import { Outlet, useLocation } from 'react-router';
import { ScreenBoundary } from '../app/ScreenBoundary';
import { Rows } from '../ui/Loading';
import { AccountMenu } from './AccountMenu';
import { ColorSchemeMenu } from './ColorSchemeMenu';
import { ConnectionState } from './ConnectionState';
import { Logo } from './Logo';
import { MissedNotice } from './MissedNotice';
import { Navigation } from './Navigation';
import styles from './Shell.module.css';
import { ShortcutHelp } from './ShortcutHelp';
import { useShortcuts } from './useShortcuts';

export function Shell() {
  const shortcuts = useShortcuts();
  const { pathname } = useLocation();
  return (
    <div className={styles['shell']}>
      <a className={styles['skip']} href="#content">
        Skip to content
      </a>
      <aside className={styles['side']}>
        <div className={styles['brand']}>
          <Logo />
          <span>Parapet</span>
        </div>
        <Navigation />
      </aside>
      <div className={styles['main']}>
        <div className={styles['bar']}>
          <ConnectionState />
          <div className={styles['tools']}>
            <ShortcutHelp opened={shortcuts.helpOpened} onOpen={shortcuts.openHelp} onClose={shortcuts.closeHelp} />
            <ColorSchemeMenu />
            <AccountMenu />
          </div>
        </div>
        <main id="content" tabIndex={-1} className={styles['content']}>
          <MissedNotice />
          <ScreenBoundary key={pathname}>
            <Suspense fallback={<Rows count={6} padded />}>
              <Outlet />
            </Suspense>
          </ScreenBoundary>
        </main>
      </div>
    </div>
  );
}
