/** Moves an alert on: acknowledge, close, open again. */
import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { setAlertState } from '../api/requests';
import type { Alert, AlertState } from '../api/types';
import { mayInvestigate, useActiveSession } from '../session/session';
import styles from './TriageButtons.module.css';

const STEPS: Record<AlertState, readonly { to: AlertState; label: string }[]> = {
  open: [
    { to: 'acknowledged', label: 'Acknowledge' },
    { to: 'closed', label: 'Close' },
  ],
  acknowledged: [{ to: 'closed', label: 'Close' }],
  closed: [{ to: 'open', label: 'Reopen' }],
};

export function TriageButtons({ alert }: { alert: Alert }) {
  const session = useActiveSession();
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (to: AlertState) => setAlertState(alert.id, to),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['alerts'] }),
  });
  if (!mayInvestigate(session)) return null;
  return (
    <>
      <div className={styles['buttons']}>
        {STEPS[alert.state].map(({ to, label }) => (
          <Button
            key={to}
            variant="default"
            size="compact-xs"
            aria-label={`${label}: ${alert.title}`}
            disabled={change.isPending}
            onClick={() => change.mutate(to)}
          >
            {label}
          </Button>
        ))}
      </div>
      {change.isError && (
        <p className={styles['error']} role="alert">
          {change.error.message}
        </p>
      )}
    </>
  );
}
