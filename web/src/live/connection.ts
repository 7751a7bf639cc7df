/**
 * Keeps one server-sent event stream open and turns it into messages. `EventSource` reconnects by
 * itself after a network failure but gives up for good after an HTTP error; then this asks whether
 * the session still stands and tries again, ever more slowly.
 */
import { fetchSession } from '../api/requests';
import { ApiError } from '../api/client';
import type { Alert, Missed, SecurityEvent, TrafficTick } from '../api/types';
import type { LiveMessage } from './state';

const RETRY_FIRST_MS = 1000;
const RETRY_MAX_MS = 30_000;

export interface ConnectionEvents {
  send: (message: LiveMessage) => void;
  onSessionEnded: () => void;
}

/** Opens the stream; the returned function closes it. */
export function connect({ send, onSessionEnded }: ConnectionEvents): () => void {
  let source: EventSource | null = null;
  let retry: ReturnType<typeof setTimeout> | null = null;
  let pause = RETRY_FIRST_MS;
  let closed = false;

  const open = (): void => {
    retry = null;
    source = new EventSource('/api/v1/live');
    source.onopen = () => {
      pause = RETRY_FIRST_MS;
      send({ type: 'opened', at: Date.now() });
    };
    source.onerror = () => {
      send({ type: 'lost', at: Date.now() });
      if (source?.readyState === EventSource.CLOSED) void again();
    };
    listen(source, send);
  };

  const again = async (): Promise<void> => {
    source?.close();
    try {
      await fetchSession();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        onSessionEnded();
        return;
      }
    }
    if (closed || retry !== null) return;
    retry = setTimeout(open, pause);
    pause = Math.min(pause * 2, RETRY_MAX_MS);
  };

  open();
  const ticker = setInterval(() => send({ type: 'tick', at: Date.now() }), 1000);
  return () => {
    closed = true;
    source?.close();
    clearInterval(ticker);
    if (retry !== null) clearTimeout(retry);
  };
}

function listen(source: EventSource, send: (message: LiveMessage) => void): void {
  const on = (name: string, toMessage: (data: unknown, at: number) => LiveMessage): void => {
    source.addEventListener(name, (message: MessageEvent<string>) => {
      const at = Date.now();
      try {
        send(toMessage(JSON.parse(message.data), at));
      } catch {
        // Not readable is not shown: it counts as missed instead of vanishing.
        send({ type: 'missed', at, count: 1 });
      }
    });
  };
  on('traffic', (data, at) => {
    const tick = data as TrafficTick;
    return { type: 'traffic', at, totals: tick, timestamp: tick.timestamp };
  });
  on('security-event', (data, at) => ({ type: 'event', at, event: data as SecurityEvent }));
  on('alert', (data, at) => ({ type: 'alert', at, alert: data as Alert }));
  on('missed', (data, at) => ({ type: 'missed', at, count: (data as Missed).count }));
}
