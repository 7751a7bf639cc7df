/** The mark: a shield whose upper edge is a parapet. */
export function Logo({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden focusable="false">
      <rect width="32" height="32" rx="7" fill="var(--mantine-color-blue-7)" />
      <path d="M7 9h4v4h3V9h4v4h3V9h4v6.5a9 9 0 0 1-9 9 9 9 0 0 1-9-9z" fill="#fff" />
    </svg>
  );
}
