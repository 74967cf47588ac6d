import { describe, expect, it } from 'vitest';
import { type About, type BitRow, type FieldRow, rowsOf, type Vmcs, type VmcsField } from './vmcs-rows.ts';

const field = (name: string, area: VmcsField['area'], value: string, more: Partial<VmcsField> = {}): VmcsField => ({
  ...{ name, area, value, encoding: '0x4000', width: 32, bits: [] },
  ...more,
});
const vmcs: Vmcs = {
  ...{ vcpu: 0, pointer: '0x1000', launched: true },
  fields: [
    field('pinControls', 'control', '0x00000013', { ones: '0x6', may: '0x7' }),
    field('exitReason', 'read-only', '0x0000001e', { bits: ['IO_INSTRUCTION'] }),
    field('guestRip', 'guest', '0xfff0', { width: 'natural' }),
  ],
};
const about = new Map<string, About>([
  [
    'pinControls',
    {
      text: '',
      bits: [
        { at: 0, name: 'externalInterrupt', text: '' },
        { at: 3, name: 'nmi', text: '' },
      ],
    },
  ],
]);
const look = (change: Partial<Parameters<typeof rowsOf>[0]> = {}) =>
  rowsOf({
    ...{ vmcs, about, before: new Map(), filter: '', changedOnly: false },
    ...{ pinned: new Set(), closed: new Set(), open: new Set() },
    ...change,
  });
const names = (rows: ReturnType<typeof rowsOf>) =>
  rows.filter((row): row is FieldRow => row.kind === 'field').map((row) => row.field.name);

describe('the rows of a VMCS', () => {
  it('stand in their areas, pinned ones before all others and only there', () => {
    const rows = look({ pinned: new Set(['guestRip']) });
    expect(rows.map(({ id }) => id)).toEqual([
      ...['area pinned', 'pinned guestRip', 'area control', 'control pinControls', 'area read-only', 'read-only exitReason'],
    ]);
  });

  it.each([
    ['a name in any case', 'GUESTRIP', ['guestRip']],
    ['what a value means', 'io_instr', ['exitReason']],
    ['the name of a bit', 'nmi', ['pinControls']],
    ['every word', 'exit zzz', []],
  ])('are found by %s', (_what, filter, found) => {
    expect(names(look({ filter }))).toEqual(found);
  });

  it('tell what they were, and only changed ones are left when these are asked for', () => {
    const before = new Map([
      ['guestRip', '0x0'],
      ['exitReason', '0x0000001e'],
    ]);
    const rows = look({ before, changedOnly: true });
    expect(names(rows)).toEqual(['guestRip']);
    expect(rows[0]).toMatchObject({ kind: 'area', changed: 1 });
    expect(rows[1]).toMatchObject({ before: '0x0' });
  });

  it('open into bits: named ones, set ones, and demanded ones, with what the capability allows', () => {
    const rows = look({ open: new Set(['control pinControls']), before: new Map([['pinControls', '0x00000012']]) });
    const bits = rows.filter((row): row is BitRow => row.kind === 'bit');
    expect(bits.map(({ at, set, rule, wrong, changed }) => [at, set, rule, wrong, changed])).toEqual([
      [0, true, 'free', false, true],
      [1, true, 'must-be-1', false, false],
      [2, false, 'must-be-1', true, false],
      [3, false, 'must-be-0', false, false],
      [4, true, 'must-be-0', true, false],
    ]);
  });

  it('of a closed area are not there', () => {
    expect(names(look({ closed: new Set(['area guest']) }))).toEqual(['pinControls', 'exitReason']);
  });
});
