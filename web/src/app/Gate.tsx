/** Shows the login or the console. The URL stays as it is, so that logging in leads back to it. */
import { Button, Loader } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { LoginPage } from '../session/LoginPage';
import { useSession } from '../session/session';
import { Notice } from '../ui/Notice';
import styles from './Gate.module.css';

const Console = lazy(() => import('./Console'));

export function Gate() {
  const { state, retry } = useSession();
  switch (state.status) {
    case 'loading':
      return <Waiting />;
    case 'unreachable':
      return (
        <main className={styles['center']}>
          <Notice tone="error" title="The console cannot reach Parapet" actions={<Button onClick={retry}>Try again</Button>}>
            {state.message}
          </Notice>
        </main>
      );
    case 'anonymous':
      return <LoginPage expired={state.expired} />;
    case 'active':
      return (
        <Suspense fallback={<Waiting />}>
          <Console />
        </Suspense>
      );
  }
}

function Waiting() {
  return (
    <main className={styles['center']}>
      <Loader size="sm" aria-label="Loading the console" />
    </main>
  );
}
