import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useEffect, useRef, useState, type SyntheticEvent } from 'react';
import { ApiError } from '../api/client';
import { login } from '../api/requests';
import { plural } from '../format/number';
import { Logo } from '../shell/Logo';
import styles from './LoginPage.module.css';
import { useSession } from './session';

export function LoginPage({ expired }: { expired: boolean }) {
  const { begin } = useSession();
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const usernameField = useRef<HTMLInputElement>(null);
  const passwordField = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = 'Log in · Parapet';
    usernameField.current?.focus();
  }, []);

  const submit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      begin(await login(username, password));
    } catch (failure) {
      setBusy(false);
      setError(explain(failure));
      setPassword('');
      passwordField.current?.focus();
    }
  };

  return (
    <main className={styles['screen']}>
      <form className={styles['form']} onSubmit={(event) => void submit(event)} aria-labelledby="login-title">
        <div className={styles['brand']}>
          <Logo size={34} />
          <h1 id="login-title">
            <span>Parapet</span> <small>Log in to the console</small>
          </h1>
        </div>
        {expired && (
          <p className={styles['expired']} role="status">
            Your session has ended. Log in again to continue where you were.
          </p>
        )}
        <TextInput
          ref={usernameField}
          size="sm"
          label="User name"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          withAsterisk={false}
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <PasswordInput
          ref={passwordField}
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the password', tabIndex: 0 }}
        />
        {error !== null && (
          <p className={styles['error']} role="alert">
            {error}
          </p>
        )}
        <Button type="submit" size="sm" fullWidth loading={busy}>
          Log in
        </Button>
      </form>
    </main>
  );
}

function explain(failure: unknown): string {
  if (!(failure instanceof ApiError)) return 'Logging in failed. Try again.';
  if (failure.status === 401) return 'The user name or the password is wrong.';
  if (failure.status === 429) {
    const wait = failure.retryAfter === null ? 'a while' : plural(failure.retryAfter, 'second');
    return `Too many failed attempts. Try again in ${wait}.`;
  }
  return failure.message;
}
