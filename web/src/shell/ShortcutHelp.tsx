import { ActionIcon, Kbd, Modal } from '@mantine/core';
import { IconKeyboard } from '@tabler/icons-react';
import styles from './ShortcutHelp.module.css';
import { SHORTCUTS } from './useShortcuts';

interface Props {
  opened: boolean;
  onOpen: () => void;
  onClose: () => void;
}

export function ShortcutHelp({ opened, onOpen, onClose }: Props) {
  return (
    <>
      <ActionIcon size="lg" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={onOpen}>
        <IconKeyboard size={18} stroke={1.6} />
      </ActionIcon>
      <Modal opened={opened} onClose={onClose} title="Keyboard shortcuts" size="sm" closeButtonProps={{ 'aria-label': 'Close' }}>
        <dl className={styles['list']}>
          {SHORTCUTS.map(({ keys, label }) => (
            <div key={label} className={styles['row']}>
              <dt>
                {keys.map((key) => (
                  <Kbd key={key}>{key}</Kbd>
                ))}
              </dt>
              <dd>{label}</dd>
            </div>
          ))}
        </dl>
      </Modal>
    </>
  );
}
