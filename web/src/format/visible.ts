/**
 * Text that attackers wrote, made safe to look at: characters that would be invisible, move the
 * cursor or reverse the reading direction are shown as their code instead.
 */

/** A run of text. */
export interface Segment {
  text: string;
  /** `escape` stands for one character that cannot be shown; `redacted` for what the gateway removed. */
  kind: 'text' | 'escape' | 'redacted';
}

// C0 and C1 controls, soft hyphen, Arabic letter mark, zero-width and directional marks, line and
// paragraph separators, word joiner and invisible operators, byte order mark, interlinear marks, lone
// surrogates, tag characters.
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udfff]|[\u{e0000}-\u{e007f}]/gu;

// The gateway writes bytes that are not UTF-8 as \xHH, and `[redacted]` in place of what must not leave it.
const WRITTEN = /\\x[0-9a-fA-F]{2}|\[redacted\]/g;

/** Splits text into runs that can be shown as they are and escapes for those that cannot. */
export function visible(text: string): Segment[] {
  const marks: (Segment & { start: number; end: number })[] = [];
  for (const match of text.matchAll(HIDDEN)) {
    marks.push({ start: match.index, end: match.index + match[0].length, text: escapeOf(match[0]), kind: 'escape' });
  }
  for (const match of text.matchAll(WRITTEN)) {
    const kind = match[0].startsWith('[') ? 'redacted' : 'escape';
    marks.push({ start: match.index, end: match.index + match[0].length, text: match[0], kind });
  }
  marks.sort((a, b) => a.start - b.start);

  const segments: Segment[] = [];
  let position = 0;
  for (const mark of marks) {
    if (mark.start > position) segments.push({ text: text.slice(position, mark.start), kind: 'text' });
    segments.push({ text: mark.text, kind: mark.kind });
    position = mark.end;
  }
  if (position < text.length) segments.push({ text: text.slice(position), kind: 'text' });
  return segments;
}

/** The same as plain text, for titles and accessible names. */
export function visibleText(text: string): string {
  return visible(text)
    .map((segment) => segment.text)
    .join('');
}

function escapeOf(character: string): string {
  switch (character) {
    case '\n':
      return '\\n';
    case '\r':
      return '\\r';
    case '\t':
      return '\\t';
    default: {
      const code = character.codePointAt(0) ?? 0;
      return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16).toUpperCase()}}`;
    }
  }
}
