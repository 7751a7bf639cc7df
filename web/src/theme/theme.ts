/**
 * Mantine's theme. Its variables come from files (theme/*.css) instead of being injected at run time,
 * because the content security policy allows no inline styles; the colours live there as well.
 */
import { createTheme, localStorageColorSchemeManager } from '@mantine/core';

export const theme = createTheme({
  primaryColor: 'blue',
  primaryShade: { light: 7, dark: 4 },
  defaultRadius: 'sm',
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  cursorType: 'pointer',
  components: {
    Button: { defaultProps: { size: 'xs' } },
    ActionIcon: { defaultProps: { variant: 'subtle', color: 'gray' } },
    // Locking the scroll would inject a style element.
    Modal: { defaultProps: { lockScroll: false, centered: true, radius: 'md' } },
    Menu: { defaultProps: { shadow: 'md', position: 'bottom-end' } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: false } },
    TextInput: { defaultProps: { size: 'xs' } },
    PasswordInput: { defaultProps: { size: 'sm' } },
    SegmentedControl: { defaultProps: { withItemsBorders: false } },
    NativeSelect: { defaultProps: { size: 'xs' } },
  },
});

export const colorSchemeManager = localStorageColorSchemeManager({ key: 'parapet-color-scheme' });
