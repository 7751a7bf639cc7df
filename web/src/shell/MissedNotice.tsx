/** Says what the live stream could not show, instead of looking complete. */
import { Button } from '@mantine/core';
import { Link } from 'react-router';
import { eventsPath } from '../events/filter';
import { plural } from '../format/number';
import { clock } from '../format/time';
import { useLive, useLiveSend } from '../live/live';
import { Notice } from '../ui/Notice';
import styles from './MissedNotice.module.css';

export function MissedNotice() {
  const missed = useLive((state) => state.missed);
  const gaps = useLive((state) => state.gaps);
  const send = useLiveSend();
  const gap = gaps.at(-1);
  if (missed === 0 && gap === undefined) return null;

  const list = eventsPath({ range: { preset: gap === undefined ? '1h' : '24h' } });
  const title = missed > 0 ? `${plural(missed, 'message')} not shown live` : 'The live stream was interrupted';
  return (
    <div className={styles['place']}>
      <Notice
        tone="warning"
        title={title}
        compact
        actions={
          <Button variant="default" onClick={() => send({ type: 'acknowledge-missed' })}>
            Dismiss
          </Button>
        }
      >
        {missed > 0 && 'They came faster than this page could take them. '}
        {gap !== undefined && `Nothing was received from ${clock(gap.from)} to ${clock(gap.to)} UTC. `}
        Nothing is lost: <Link to={list}>open the event list</Link>.
      </Notice>
    </div>
  );
}
