/** The gateway writes `[redacted]` in place of what must not leave it. */
export function isRedacted(value: string): boolean {
  return /\[redacted[^\]]*\]/i.test(value);
}
