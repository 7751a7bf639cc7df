/** The colours of the style sheet, for drawing on canvas: one theme for light and dark. */

export interface Palette {
  text: string;
  faint: string;
  line: string;
  surface: string;
  hover: string;
  requests: string;
  blocked: string;
  detected: string;
  rejected: string;
}

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return {
    text: read('--text'),
    faint: read('--text-faint'),
    line: read('--line'),
    surface: read('--surface'),
    hover: read('--hover'),
    requests: read('--chart-requests'),
    blocked: read('--chart-blocked'),
    detected: read('--chart-detected'),
    rejected: read('--chart-rejected'),
  };
}
