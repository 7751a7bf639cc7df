import { ActionIcon, Menu, useMantineColorScheme } from '@mantine/core';
import { IconDeviceDesktop, IconMoon, IconSun } from '@tabler/icons-react';
import { oneOf } from '../format/labels';

const SCHEMES = ['light', 'dark', 'auto'] as const;
const WORDS = { light: 'Light', dark: 'Dark', auto: 'Same as system' };
const ICONS = { light: IconSun, dark: IconMoon, auto: IconDeviceDesktop };

export function ColorSchemeMenu() {
  // Suppressing transitions would inject a style element, which the security policy forbids.
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const Current = ICONS[colorScheme];
  return (
    <Menu width={190}>
      <Menu.Target>
        <ActionIcon size="lg" aria-label="Colour scheme" title="Colour scheme">
          <Current size={18} stroke={1.6} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.RadioGroup value={colorScheme} onChange={(value) => setColorScheme(oneOf(SCHEMES, value) ?? 'auto')}>
          {SCHEMES.map((scheme) => (
            <Menu.RadioItem key={scheme} value={scheme} closeMenuOnClick>
              {WORDS[scheme]}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
      </Menu.Dropdown>
    </Menu>
  );
}
