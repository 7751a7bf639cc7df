/** The ledger of the pipeline: what became of every event, hop by hop. */
import { useQuery } from '@tanstack/react-query';
import { fetchLedger } from '../api/requests';
import { clock } from '../format/time';
import { Failure } from '../ui/Failure';
import { Rows } from '../ui/Loading';
import { Notice } from '../ui/Notice';
import { Page } from '../ui/Page';
import { accountOf } from './account';
import { LedgerTable } from './LedgerTable';
import styles from './PipelinePage.module.css';
import { StandingIcon } from './StandingIcon';

const REFRESH_MS = 2000;

export default function PipelinePage() {
  const query = useQuery({
    queryKey: ['ledger'],
    queryFn: ({ signal }) => fetchLedger(signal),
    refetchInterval: REFRESH_MS,
  });
  const account = query.data === undefined ? null : accountOf(query.data);
  return (
    <Page
      title="Pipeline"
      subtitle={query.dataUpdatedAt > 0 && <span className="number">as of {clock(query.dataUpdatedAt)} UTC, since the server started</span>}
    >
      {query.isError && <Failure what="The ledger" error={query.error} retry={query.refetch} />}
      {query.isPending && <Rows count={6} />}
      {account !== null && account.hops.length === 0 && (
        <Notice title="No hop has reported yet">Counts appear as soon as the first request has findings.</Notice>
      )}
      {account !== null && account.hops.length > 0 && (
        <>
          <section className={styles['headline']} data-standing={account.standing} aria-label="Completeness">
            <StandingIcon standing={account.standing} size={26} />
            <div>
              <p className={styles['title']}>{account.headline}</p>
              <p className={styles['detail']}>{account.detail}</p>
            </div>
          </section>
          <LedgerTable hops={account.hops} />
          <p className={styles['explanation']}>
            At every hop, produced = delivered + dropped + in flight. An event counts as delivered when the hop has confirmed it,
            and as dropped only with a reason.
          </p>
        </>
      )}
    </Page>
  );
}
