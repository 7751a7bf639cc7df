/** One event: what happened, why, and everything that is known about it. */
import { Button, CopyButton } from '@mantine/core';
import { IconArrowLeft, IconCheck, IconCopy } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useLocation, useParams } from 'react-router';
import { ApiError } from '../api/client';
import { fetchEvent } from '../api/requests';
import type { SecurityEvent } from '../api/types';
import { Failure } from '../ui/Failure';
import { Rows } from '../ui/Loading';
import { Notice } from '../ui/Notice';
import { Page } from '../ui/Page';
import styles from './EventPage.module.css';
import { Facts } from './Facts';
import { LedgerPanel } from './LedgerPanel';
import { RequestPanel } from './RequestPanel';
import { VerdictBanner } from './VerdictBanner';

export default function EventPage() {
  const { id = '' } = useParams();
  const location = useLocation();
  const from = (location.state as { from?: string } | null)?.from ?? '/events';
  const query = useQuery({
    queryKey: ['event', id],
    queryFn: ({ signal }) => fetchEvent(id, signal),
    // Events never change once they are stored.
    staleTime: Infinity,
  });
  const missing = query.error instanceof ApiError && query.error.status === 404;
  return (
    <Page
      title="Event"
      subtitle={<span className="mono">{id}</span>}
      actions={
        <>
          {query.data !== undefined && <CopyJson event={query.data} />}
          <Button component={Link} to={from} variant="default" leftSection={<IconArrowLeft size={15} />}>
            {BACK[from.split('?')[0] ?? ''] ?? 'Back'}
          </Button>
        </>
      }
    >
      {query.isPending && <Rows count={10} />}
      {missing && (
        <Notice title="There is no event with this id">
          It may have been deleted because it is older than the retention time, or the id in the address is incomplete. A request id
          from a block page has 26 characters. If the request was made seconds ago, try again in a moment.
        </Notice>
      )}
      {query.isError && !missing && <Failure what="The event" error={query.error} retry={query.refetch} />}
      {query.data !== undefined && (
        <div className={styles['stack']}>
          <VerdictBanner event={query.data} />
          <div className={styles['columns']}>
            <div className={styles['stack']}>
              <LedgerPanel event={query.data} />
              <RequestPanel event={query.data} />
            </div>
            <Facts event={query.data} />
          </div>
        </div>
      )}
    </Page>
  );
}

const BACK: Record<string, string> = { '/events': 'Back to events', '/alerts': 'Back to alerts', '/overview': 'Back to overview' };

function CopyJson({ event }: { event: SecurityEvent }) {
  return (
    <CopyButton value={JSON.stringify(event, null, 2)}>
      {({ copied, copy }) => (
        <Button variant="default" leftSection={copied ? <IconCheck size={15} /> : <IconCopy size={15} />} onClick={copy}>
          {copied ? 'Copied' : 'Copy JSON'}
        </Button>
      )}
    </CopyButton>
  );
}
