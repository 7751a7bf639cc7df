import { Button, Menu } from '@mantine/core';
import { IconChevronDown, IconKey, IconLogout, IconUserCircle } from '@tabler/icons-react';
import { useState } from 'react';
import { ChangePasswordDialog } from '../session/ChangePasswordDialog';
import { useActiveSession, useSession } from '../session/session';
import styles from './AccountMenu.module.css';

const ROLES = { viewer: 'Viewer', analyst: 'Analyst', admin: 'Administrator' } as const;

export function AccountMenu() {
  const session = useActiveSession();
  const { logOut, end } = useSession();
  const [changing, setChanging] = useState(false);
  return (
    <>
      <Menu width={210}>
        <Menu.Target>
          <Button
            variant="subtle"
            color="gray"
            leftSection={<IconUserCircle size={18} stroke={1.6} />}
            rightSection={<IconChevronDown size={14} />}
            aria-label={`Account of ${session.username}`}
          >
            <span className={styles['name']}>{session.username}</span>
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{ROLES[session.role]}</Menu.Label>
          <Menu.Item leftSection={<IconKey size={16} stroke={1.6} />} onClick={() => setChanging(true)}>
            Change password
          </Menu.Item>
          {/* Where the server cannot be asked, the console still forgets the session. */}
          <Menu.Item leftSection={<IconLogout size={16} stroke={1.6} />} onClick={() => void logOut().catch(end)}>
            Log out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <ChangePasswordDialog opened={changing} onClose={() => setChanging(false)} />
    </>
  );
}
