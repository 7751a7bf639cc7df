/** Opens the live stream while somebody is logged in and gives every screen the same state. */
import { useEffect, useState, type ReactNode } from 'react';
import { useSession } from '../session/session';
import { connect } from './connection';
import { LiveContext } from './live';
import { createLiveStore } from './store';

export function LiveProvider({ children }: { children: ReactNode }) {
  const [store] = useState(createLiveStore);
  const { end } = useSession();
  useEffect(() => connect({ send: store.send, onSessionEnded: end }), [store, end]);
  return <LiveContext value={store}>{children}</LiveContext>;
}
