/** Text that attackers wrote; what cannot be shown as itself is shown as its code, set apart. */
import { visible } from '../format/visible';
import styles from './VisibleText.module.css';

const WHY = {
  escape: 'A character that cannot be shown',
  redacted: 'Removed by the gateway before the event was written: nobody can see it',
};

export function VisibleText({ text }: { text: string }) {
  return (
    <bdi>
      {visible(text).map((segment, index) =>
        segment.kind === 'text' ? (
          segment.text
        ) : (
          <span key={index} className={styles[segment.kind]} title={WHY[segment.kind]}>
            {segment.text}
          </span>
        ),
      )}
    </bdi>
  );
}
