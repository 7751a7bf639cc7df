/** Text that attackers wrote; what cannot be shown as itself is shown as its code, set apart. */
import { visible } from '../format/visible';
import styles from './VisibleText.module.css';

export function VisibleText({ text }: { text: string }) {
  return (
    <bdi>
      {visible(text).map((segment, index) =>
        segment.escaped ? (
          <span key={index} className={styles['escape']} title="A character that cannot be shown">
            {segment.text}
          </span>
        ) : (
          segment.text
        ),
      )}
    </bdi>
  );
}
