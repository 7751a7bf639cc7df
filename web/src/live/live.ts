/** Reading the live state from components. */
import { createContext, useContext, useSyncExternalStore } from 'react';
import type { LiveMessage, LiveState } from './state';
import { createLiveStore, type LiveStore } from './store';

export const LiveContext = createContext<LiveStore>(createLiveStore());

/** The part of the live state that `select` picks; renders again only when that part changes. */
export function useLive<T>(select: (state: LiveState) => T): T {
  const store = useContext(LiveContext);
  return useSyncExternalStore(store.subscribe, () => select(store.get()));
}

/** Sends a message of the console's own, for example that the missed count has been seen. */
export function useLiveSend(): (message: LiveMessage) => void {
  return useContext(LiveContext).send;
}
