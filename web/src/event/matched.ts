/**
 * Where the matched text sits inside the value that was inspected. The Core Rule Set writes
 * "Matched Data: X found within VARIABLE: VALUE"; with that, X can be highlighted inside VALUE.
 */

export interface MatchedParts {
  before: string;
  match: string;
  after: string;
}

const LOGDATA = /^Matched Data: ([\s\S]*?) found within (?:[^\s:]+(?::[^\s:]+)?)(?:: ([\s\S]*))?$/;

/** Cuts the inspected value around the matched text; all of it is the match if it cannot be found. */
export function matchedParts(matched: string, data: string): MatchedParts {
  const parsed = LOGDATA.exec(data);
  const needle = parsed?.[1];
  const value = matched === '' ? (parsed?.[2] ?? '') : matched;
  if (needle === undefined || needle === '') return { before: '', match: value, after: '' };
  const at = value.toLowerCase().indexOf(needle.toLowerCase());
  if (at < 0) return { before: '', match: value, after: '' };
  return { before: value.slice(0, at), match: value.slice(at, at + needle.length), after: value.slice(at + needle.length) };
}
