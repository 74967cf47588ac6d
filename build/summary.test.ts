import { expect, it } from 'vitest';
import { skipLines, tally } from './tasks/summary.ts';

it('ends with the counts', () => {
  expect(tally({ passed: 12, failed: 0 })).toBe('12 passed, 0 failed');
});

it('says every reason once, with the number of tests', () => {
  const skip = (name: string, reason: string) => ({ name, reason });
  const skipped = [
    skip('a', 'no guests'),
    skip('b', 'no gcc'),
    skip('c', 'no guests'),
    skip('d', 'no guests'),
    skip('e', 'no guests'),
  ];
  expect(skipLines({ passed: 0, failed: 0, skipped })).toEqual(['skipped 4: no guests (a; c; d; …)', 'skipped 1: no gcc (b)']);
});
