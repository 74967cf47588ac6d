import { beforeAll, describe, expect, it, vi } from 'vitest';
import { numbersOf, wrongBits } from './entry-bits.ts';
import { groupsOf, meaningOf } from './register-groups.ts';
import { slicesOf } from './walk-slices.ts';

let numbers: typeof import('./numbers.ts');
let preferences: typeof import('../frame/preferences.ts');
beforeAll(async () => {
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  });
  vi.stubGlobal('document', { documentElement: { dataset: {} }, createElement: () => ({}) });
  numbers = await import('./numbers.ts');
  preferences = await import('../frame/preferences.ts');
});

describe('numbers', () => {
  it.each([
    ['0x10', 16n],
    ['10', 10n],
    ['ff', 255n],
    [' ffffffff`81000000 '.replace('`', '_'), 0xffff_ffff_8100_0000n],
    ['0xffffffffffffffff', (1n << 64n) - 1n],
    ['0x10000000000000000', undefined],
    ['-1', undefined],
    ['rip', undefined],
    ['', undefined],
  ])('are read from %j', (text, value) => {
    expect(numbers.parseNumber(text)).toBe(value);
  });

  it('are written in the radix that was chosen, wide ones never in decimal', () => {
    expect(numbers.shownNumber('0x00ff')).toBe('0x00ff');
    preferences.radix.value = 'decimal';
    expect(numbers.shownNumber('0x00ff')).toBe('255');
    expect(numbers.shownNumber(`0x${'0'.repeat(31)}1`)).toMatch(/^0x/);
  });

  it('have the unit that suits them', () => {
    expect([12, 1500, 2.5e6, 3e9].map(numbers.shownTime)).toEqual(['12 ns', '1.50 µs', '2.50 ms', '3.000 s']);
    expect([100, 4096, 2 ** 21, 3.5 * 2 ** 30].map(numbers.shownBytes)).toEqual(['100 B', '4 KiB', '2 MiB', '3.5 GiB']);
  });
});

it('bits that break a capability are named by number', () => {
  expect(wrongBits({ value: '0x11', ones: '0x6', may: '0x7' })).toEqual({ missing: [1, 2], surplus: [4] });
  expect(wrongBits({ value: '0x11' })).toEqual({ missing: [], surplus: [] });
  expect(numbersOf(1n << 63n)).toEqual([63]);
});

it('an address is cut where the tables of its paging mode are', () => {
  const cut = (...[gva, mode, bytes]: Parameters<typeof slicesOf>) =>
    slicesOf(gva, mode, bytes).map(({ name, value }) => [name, value]);
  expect(cut(0xffff_ffff_8120_3abcn, '4-level', 2 ** 21)).toEqual([
    ['PML4', 511],
    ['PDPT', 510],
    ['PD', 9],
    ['+', 0x3abc],
  ]);
  expect(cut(0xc0402abcn, '32-bit', 4096)).toEqual([
    ['PD', 769],
    ['PT', 2],
    ['+', 0xabc],
  ]);
  expect(cut(0x1234n, 'none')).toEqual([]);
});

it('registers stand where people look for them', () => {
  const one = (group: string, name: string, value = '0x0') => ({ group, name, value });
  const all = [
    one('kvm_regs', 'rax'),
    one('kvm_sregs', 'cs.base'),
    one('kvm_sregs', 'idt.base'),
    one('kvm_sregs', 'cr3'),
    one('kvm_fpu', 'xmm0'),
    one('kvm_fpu', 'st0'),
    one('kvm_msrs', '0xc0000080'),
  ];
  expect(groupsOf(all, '').map(({ id }) => id)).toEqual(['general', 'segments', 'tables', 'control', 'fpu', 'sse', 'msr']);
  expect(groupsOf(all, 'cr').flatMap(({ registers }) => registers.map(({ name }) => name))).toEqual(['cr3']);
  expect(meaningOf('rflags', '0x246')).toBe('PF ZF IF');
  expect(meaningOf('0xc0000080', '0x501')).toBe('IA32_EFER SCE LME LMA');
});
