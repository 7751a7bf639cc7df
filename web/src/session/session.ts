/** Who is logged in. */
import { createContext, useContext } from 'react';
import type { Session } from '../api/types';

export type SessionState =
  | { status: 'loading' }
  /** `expired`: there was a session and it has ended. */
  | { status: 'anonymous'; expired: boolean }
  | { status: 'active'; session: Session }
  | { status: 'unreachable'; message: string };

export interface SessionControl {
  state: SessionState;
  begin: (session: Session) => void;
  end: () => void;
  logOut: () => Promise<void>;
  retry: () => void;
}

export const SessionContext = createContext<SessionControl | null>(null);

export function useSession(): SessionControl {
  const control = useContext(SessionContext);
  if (control === null) throw new Error('useSession is used outside SessionProvider');
  return control;
}

/** The session of the person who sees this screen; only for screens behind the login. */
export function useActiveSession(): Session {
  const { state } = useSession();
  if (state.status !== 'active') throw new Error('this screen is only shown to people who are logged in');
  return state.session;
}

/** Whether the person may look into single events and alerts and triage them; viewers see dashboards. */
export const mayInvestigate = (session: Session): boolean => session.role !== 'viewer';
