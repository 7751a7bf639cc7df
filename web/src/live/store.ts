/**
 * Holds the live state outside React and tells subscribers at most five times a second: a flood of
 * events must not become a flood of renders.
 */
import { INITIAL, reduce, type LiveMessage, type LiveState } from './state';

const FLUSH_MS = 200;

export interface LiveStore {
  get: () => LiveState;
  subscribe: (listener: () => void) => () => void;
  send: (message: LiveMessage) => void;
}

export function createLiveStore(): LiveStore {
  let state = INITIAL;
  let pending: LiveMessage[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  const listeners = new Set<() => void>();

  const flush = (): void => {
    timer = null;
    const messages = pending;
    pending = [];
    const before = state;
    state = messages.reduce(reduce, state);
    if (state !== before) for (const listener of listeners) listener();
  };

  return {
    get: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    send: (message) => {
      pending.push(message);
      timer ??= setTimeout(flush, FLUSH_MS);
    },
  };
}
