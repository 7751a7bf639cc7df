import { Button, Modal, PasswordInput } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { changePassword } from '../api/requests';
import { Notice } from '../ui/Notice';
import styles from './ChangePasswordDialog.module.css';

const MIN_LENGTH = 12;

export function ChangePasswordDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="Change password" closeButtonProps={{ 'aria-label': 'Close' }}>
      <ChangePasswordForm onClose={onClose} />
    </Modal>
  );
}

function ChangePasswordForm({ onClose }: { onClose: () => void }) {
  const [current, setCurrent] = useState('');
  const [replacement, setReplacement] = useState('');
  const [repeated, setRepeated] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);

  const tooShort = replacement !== '' && replacement.length < MIN_LENGTH;
  const different = repeated !== '' && repeated !== replacement;
  const ready = current !== '' && replacement.length >= MIN_LENGTH && repeated === replacement;

  const submit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await changePassword(current, replacement);
      setDone(true);
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : 'The password could not be changed.');
    }
    setBusy(false);
  };

  if (done) {
    return (
      <div className={styles['form']}>
        <Notice title="Your password has been changed">Other sessions of yours have been ended.</Notice>
        <Button onClick={onClose}>Done</Button>
      </div>
    );
  }
  return (
    <form className={styles['form']} onSubmit={(event) => void submit(event)}>
      <PasswordInput
        label="Current password"
        autoComplete="current-password"
        data-autofocus
        value={current}
        onChange={(event) => setCurrent(event.currentTarget.value)}
      />
      <PasswordInput
        label="New password"
        description={`At least ${MIN_LENGTH} characters. A few unrelated words are a good password.`}
        autoComplete="new-password"
        error={tooShort ? `${MIN_LENGTH - replacement.length} more to go` : undefined}
        value={replacement}
        onChange={(event) => setReplacement(event.currentTarget.value)}
      />
      <PasswordInput
        label="New password again"
        autoComplete="new-password"
        error={different ? 'The two are not the same' : undefined}
        value={repeated}
        onChange={(event) => setRepeated(event.currentTarget.value)}
      />
      {error !== null && <Notice tone="error" title={error} compact />}
      <div className={styles['buttons']}>
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button type="submit" disabled={!ready} loading={busy}>
          Change password
        </Button>
      </div>
    </form>
  );
}
