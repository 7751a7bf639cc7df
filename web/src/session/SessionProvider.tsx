/** Finds out who is logged in, and notices when the session ends. The URL never changes for that. */
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState, type ReactNode } from 'react';
import { ApiError, setCsrfToken, setSessionEndedHandler } from '../api/client';
import { fetchSession, logout } from '../api/requests';
import type { Session } from '../api/types';
import { SessionContext, type SessionState } from './session';

/** Timers of browsers hold no more. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export function SessionProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<SessionState>({ status: 'loading' });
  const [attempt, setAttempt] = useState(0);
  const queries = useQueryClient();

  const begin = useCallback((session: Session) => {
    setCsrfToken(session.csrf);
    setState({ status: 'active', session });
  }, []);

  const end = useCallback(() => {
    setCsrfToken('');
    // What one person was allowed to see must not greet the next one.
    queries.clear();
    setState((before) => (before.status === 'anonymous' ? before : { status: 'anonymous', expired: before.status === 'active' }));
  }, [queries]);

  const logOut = useCallback(async () => {
    await logout();
    setCsrfToken('');
    queries.clear();
    setState({ status: 'anonymous', expired: false });
  }, [queries]);

  const retry = useCallback(() => {
    setState({ status: 'loading' });
    setAttempt((n) => n + 1);
  }, []);

  useEffect(() => {
    setSessionEndedHandler(end);
  }, [end]);

  useEffect(() => {
    let current = true;
    fetchSession().then(
      (session) => {
        if (current) begin(session);
      },
      (error: unknown) => {
        if (!current) return;
        if (error instanceof ApiError && error.status === 401) setState({ status: 'anonymous', expired: false });
        else setState({ status: 'unreachable', message: error instanceof Error ? error.message : String(error) });
      },
    );
    return () => {
      current = false;
    };
  }, [attempt, begin]);

  // When the session runs out, ask the server: it may have been prolonged.
  const expires = state.status === 'active' ? state.session.expires : null;
  useEffect(() => {
    if (expires === null) return;
    const wait = Math.min(Math.max(Date.parse(expires) - Date.now(), 0) + 1000, TIMER_MAX_MS);
    const timer = setTimeout(() => {
      fetchSession().then(begin, (error: unknown) => {
        if (error instanceof ApiError && error.status === 401) end();
      });
    }, wait);
    return () => clearTimeout(timer);
  }, [expires, begin, end]);

  const control = useMemo(() => ({ state, begin, end, logOut, retry }), [state, begin, end, logOut, retry]);
  return <SessionContext value={control}>{children}</SessionContext>;
}
