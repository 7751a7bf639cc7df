/** A query that failed: what the server said, and a way to try again where that can help. */
import { Button } from '@mantine/core';
import { ApiError } from '../api/client';
import { Notice } from './Notice';

interface Props {
  what: string;
  error: unknown;
  retry: () => unknown;
  /** Inside a panel. */
  bare?: boolean;
}

export function Failure({ what, error, retry, bare = false }: Props) {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ApiError && error.status === 403) {
    return (
      <Notice title="Your role does not include this" bare={bare}>
        {message}
      </Notice>
    );
  }
  const refused = error instanceof ApiError && error.status === 400;
  return (
    <Notice
      tone="error"
      title={`${what} could not be loaded`}
      bare={bare}
      actions={
        refused ? undefined : (
          <Button variant="default" onClick={() => void retry()}>
            Try again
          </Button>
        )
      }
    >
      {message}
    </Notice>
  );
}
