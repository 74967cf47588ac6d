import { describe, expect, it } from 'vitest';
import { compareLock, lockFileText } from './tasks/lock-rules.ts';

const stored = { changes: 'refused' } as const;

describe('comparing a lock file', () => {
  it.each([
    ['nothing changed', { a: { t: 'u8', n: 1 } }, { a: { n: 1, t: 'u8' } }, 0, 0],
    ['a new name', {}, { a: 1 }, 0, 1],
    ['a name that is gone', { a: 1 }, {}, 0, 1],
    ['a retired name that stays away', { a: null }, {}, 0, 0],
    ['a retired name that comes back', { a: null }, { a: 1 }, 1, 0],
    ['another meaning', { a: 1 }, { a: 2 }, 1, 0],
  ])('%s', (_what, locked, current, refused, stale) => {
    const found = compareLock(locked, current, stored);
    expect([found.refused.length, found.stale.length]).toEqual([refused, stale]);
  });

  it('lets a reviewer see a change where changes are allowed', () => {
    expect(compareLock({ a: 1 }, { a: 2 }, { changes: 'reviewed' })).toMatchObject({
      refused: [],
      stale: ['a changed'],
      next: { a: 2 },
    });
  });

  it('keeps retired names, in an order people expect', () => {
    const { next } = compareLock({ 'uart/10': 1, 'uart/9': 2 }, { 'uart/9': 2 }, stored);
    expect(lockFileText(next)).toBe('{\n  "uart/9": 2,\n  "uart/10": null\n}\n');
  });
});
