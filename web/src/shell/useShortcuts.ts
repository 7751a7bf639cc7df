/** Keyboard shortcuts of the console. None of them fires while somebody types. */
import { useCallback, useEffect, useState } from 'react';
import { useNavigate } from 'react-router';

export const SHORTCUTS: readonly { keys: readonly string[]; label: string }[] = [
  { keys: ['/'], label: 'Search in events' },
  { keys: ['j'], label: 'Next row' },
  { keys: ['k'], label: 'Previous row' },
  { keys: ['Enter'], label: 'Open the row' },
  { keys: ['g', 'o'], label: 'Go to overview' },
  { keys: ['g', 'e'], label: 'Go to events' },
  { keys: ['g', 'a'], label: 'Go to alerts' },
  { keys: ['g', 'p'], label: 'Go to pipeline' },
  { keys: ['?'], label: 'Show this help' },
];

const PLACES: Record<string, string> = { o: '/overview', e: '/events', a: '/alerts', p: '/pipeline' };
const SEQUENCE_MS = 1200;

/** Marks the field that `/` goes to. */
export const SEARCH_ATTRIBUTE = 'data-shortcut-search';
/** Marks the link or button of a row that `j` and `k` move between. */
export const ROW_ATTRIBUTE = 'data-shortcut-row';

export function useShortcuts() {
  const [helpOpened, setHelpOpened] = useState(false);
  const navigate = useNavigate();
  const openHelp = useCallback(() => setHelpOpened(true), []);
  const closeHelp = useCallback(() => setHelpOpened(false), []);

  useEffect(() => {
    let wentAt = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
      const sequence = event.timeStamp - wentAt < SEQUENCE_MS;
      wentAt = 0;
      const place = sequence ? PLACES[event.key] : undefined;
      if (place !== undefined) void navigate(place);
      else if (event.key === 'g') wentAt = event.timeStamp;
      else if (event.key === 'j') moveRow(1);
      else if (event.key === 'k') moveRow(-1);
      else if (event.key === '?') setHelpOpened(true);
      else if (event.key === '/') {
        if (!focusSearch()) void navigate('/events', { state: { focusSearch: true } });
      } else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [navigate]);

  return { helpOpened, openHelp, closeHelp };
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  // In an open dialog or menu the keys belong to it.
  return target.isContentEditable || target.closest('input, textarea, select, [role="dialog"], [role="menu"]') !== null;
}

function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>(`[${SEARCH_ATTRIBUTE}]`);
  field?.focus();
  field?.select();
  return field !== null;
}

function moveRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>(`[${ROW_ATTRIBUTE}]`)];
  const current = rows.findIndex((row) => row === document.activeElement);
  const next = current < 0 ? (step === 1 ? 0 : rows.length - 1) : Math.min(Math.max(current + step, 0), rows.length - 1);
  rows[next]?.focus();
  rows[next]?.scrollIntoView({ block: 'nearest' });
}
