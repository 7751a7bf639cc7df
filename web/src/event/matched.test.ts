import { describe, expect, it } from 'vitest';
import { matchedParts } from './matched';

describe('matched text', () => {
  it('is found inside the inspected value', () => {
    expect(matchedParts('<b><script>x', 'Matched Data: <script> found within ARGS:a: <b><script>x')).toEqual({
      before: '<b>',
      match: '<script>',
      after: 'x',
    });
  });

  it('is all of the value where the log data does not say', () => {
    expect(matchedParts('sqlmap/1.8', '')).toEqual({ before: '', match: 'sqlmap/1.8', after: '' });
    expect(matchedParts("1' OR 1", 'Matched Data: s&1 found within ARGS:q: 1\' OR 1').match).toBe("1' OR 1");
  });

  it('falls back to the value in the log data', () => {
    expect(matchedParts('', 'Matched Data: b found within ARGS:a: abc')).toEqual({ before: 'a', match: 'b', after: 'c' });
  });
});
