import { describe, expect, it } from 'vitest';
import { MachineSummary } from '../../engine/contract/library-commands.ts';
import { arrange, choose, firstOf, type Sort, tagsOf } from './arrange.ts';

const machine = (name: string, more: Partial<MachineSummary> = {}): MachineSummary =>
  MachineSummary.parse({ name, folder: '/f', ...more });
const all = [
  machine('b10', { tags: ['x'], created: '2026-01-02T00:00:00Z', group: 'work' }),
  machine('b9', { pid: 7, tags: ['x', 'y'], created: '2026-01-03T00:00:00Z' }),
  machine('a', { problem: 'damaged', title: 'Zebra', notes: 'an old kernel' }),
];
const names = (change: Partial<Parameters<typeof arrange>[1]> = {}) =>
  arrange(all, { search: '', tag: undefined, sort: 'name', ...change }).map((group) =>
    [group.name, ...group.machines.map(({ name }) => name)].join(' '),
  );

describe('the library', () => {
  it('stands in groups, those of no group last', () => {
    expect(names()).toEqual(['work b10', ' b9 a']);
  });
  it.each<[Sort, string[]]>([
    ['name', ['work b10', ' b9 a']],
    ['state', ['work b10', ' b9 a']],
    ['created', ['work b10', ' b9 a']],
    ['memory', ['work b10', ' b9 a']],
  ])('is sorted by %s within them', (sort, expected) => {
    expect(names({ sort })).toEqual(expected);
  });
  it('begins with as many machines as are asked for, across groups', () => {
    const groups = arrange(all, { search: '', tag: undefined, sort: 'name' });
    const sizes = (count: number) => firstOf(groups, count).map(({ machines }) => machines.length);
    expect([sizes(0), sizes(1), sizes(2), sizes(9)]).toEqual([[], [1], [1, 1], [1, 2]]);
  });
  it('finds by every word, in notes and tags too', () => {
    expect(names({ search: 'kernel zebra' })).toEqual([' a']);
    expect(names({ search: 'y' })).toEqual([' b9']);
    expect(names({ tag: 'x' })).toEqual(['work b10', ' b9']);
    expect(names({ search: 'none' })).toEqual([]);
  });
  it('knows its tags', () => {
    expect(tagsOf(all)).toEqual(['x', 'y']);
  });
  it('is chosen from as file lists are', () => {
    const order = ['a', 'b', 'c', 'd'];
    const click = (chosen: string[], name: string, more = false, range = false, last: string | undefined = 'b') =>
      [...choose(new Set(chosen), order, { name, last, more, range })].join('');
    expect([
      click(['a'], 'c'),
      click(['a'], 'c', true),
      click(['a', 'c'], 'c', true),
      click(['b'], 'd', false, true),
      click(['d'], 'a', true, true),
    ]).toEqual(['c', 'ac', 'a', 'bcd', 'dab']);
  });
  it('opens with many machines at once', () => {
    const many = Array.from({ length: 2000 }, (_, at) => machine(`m${at}`, { group: `g${at % 10}` }));
    expect(arrange(many, { search: 'm1', tag: undefined, sort: 'state' })).toHaveLength(10);
  });
});
