/** A query that failed: what the server said, and a way to try again. */
import { Button } from '@mantine/core';
import { Notice } from './Notice';

interface Props {
  what: string;
  error: unknown;
  retry: () => unknown;
}

export function Failure({ what, error, retry }: Props) {
  const message = error instanceof Error ? error.message : String(error);
  return (
    <Notice
      tone="error"
      title={`${what} could not be loaded`}
      actions={
        <Button variant="default" onClick={() => void retry()}>
          Try again
        </Button>
      }
    >
      {message}
    </Notice>
  );
}
