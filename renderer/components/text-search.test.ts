import { expect, it } from 'vitest';
import { findText, type Place } from './text-search.ts';

const text = ['error one', 'nothing', 'Error two, error three'];
const lines = { count: text.length, line: (at: number) => text[at] ?? '' };
const all = (backwards: boolean, count: number): (Place | undefined)[] => {
  const found: (Place | undefined)[] = [];
  for (let i = 0; i < count; i++) found.push(findText(lines, 'ERROR', { from: found.at(-1), backwards }));
  return found;
};

it('finds every place in order, and begins again after the last', () => {
  const [first, second, third] = [
    { line: 0, column: 0 },
    { line: 2, column: 0 },
    { line: 2, column: 11 },
  ];
  expect(all(false, 4)).toEqual([first, second, third, first]);
  expect(all(true, 4)).toEqual([third, second, first, third]);
});

it('finds nothing where there is nothing', () => {
  expect(findText(lines, 'x86', { from: undefined, backwards: false })).toBeUndefined();
  expect(findText(lines, '', { from: undefined, backwards: true })).toBeUndefined();
  expect(findText({ count: 0, line: () => '' }, 'a', { from: undefined, backwards: true })).toBeUndefined();
});

it('finds the only place again and again', () => {
  const from = { line: 1, column: 0 };
  expect(findText(lines, 'nothing', { from, backwards: false })).toEqual(from);
  expect(findText(lines, 'nothing', { from, backwards: true })).toEqual(from);
});
