/**
 * Where in the list we are. The cursor is part of the URL, so that a page can be shared; the way back
 * is kept with the history entry, because cursors only lead forward.
 */
import { useLocation, useNavigate, useSearchParams } from 'react-router';

interface Trail {
  /** Cursors of the pages before this one; null is the first page. */
  trail: (string | null)[];
}

export function usePaging() {
  const [parameters] = useSearchParams();
  const location = useLocation();
  const navigate = useNavigate();
  const cursor = parameters.get('cursor');
  const trail = trailOf(location.state);

  const go = (to: string | null, state: Trail): void => {
    const next = new URLSearchParams(parameters);
    if (to === null) next.delete('cursor');
    else next.set('cursor', to);
    void navigate(`/events?${next}`, { state });
  };

  return {
    cursor,
    /** Number of the page; null where a shared link led into the middle of the list. */
    page: cursor === null ? 1 : trail.length > 0 ? trail.length + 1 : null,
    hasPrevious: cursor !== null,
    next: (to: string) => go(to, { trail: [...trail, cursor] }),
    previous: () => go(trail.at(-1) ?? null, { trail: trail.slice(0, -1) }),
  };
}

function trailOf(state: unknown): (string | null)[] {
  const trail = (state as Partial<Trail> | null)?.trail;
  return Array.isArray(trail) ? trail : [];
}
