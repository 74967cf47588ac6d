import { describe, expect, it } from 'vitest';
import { AT, everyTier, Stage } from '../testing/stage.ts';

const BITS = { C: 1, P: 4, A: 0x10, Z: 0x40, S: 0x80, O: 0x800 } as const;
type Flag = keyof typeof BITS;
const toBits = (names: string): number => [...names].reduce((bits, name) => bits | BITS[name as Flag], 0);
const toNames = (bits: number): string =>
  (['O', 'S', 'Z', 'A', 'P', 'C'] as const).filter((name) => (bits & BITS[name]) !== 0).join('');

const MAX = 0xffff_ffff_ffff_ffffn;
const MIN = 0x8000_0000_0000_0000n;

/** Instruction, rAX, rCX, flags before; rAX and flags after; why the row is here. */
const ROWS: readonly (readonly [string, bigint, bigint, string, bigint, string, string])[] = [
  ['adc eax, ecx', 0x7fffffffn, 0n, 'C', 0x80000000n, 'OSAP', 'the carry alone can overflow'],
  ['adc eax, ecx', 0xffffffffn, 0n, 'C', 0n, 'ZAPC', 'the carry ripples out of the top bit'],
  ['adc rax, rcx', MAX, MAX, 'C', MAX, 'SAPC', 'both carries out of one addition'],
  ['sbb al, cl', 0x1200n, 0xffn, 'C', 0x1200n, 'ZAPC', 'subtrahend and borrow together are 256; AH is kept'],
  ['sbb eax, eax', 5n, 0n, 'C', 0xffffffffn, 'SAPC', 'the idiom that spreads the carry'],
  ['add ax, cx', 0xfffffn, 1n, '', 0xf0000n, 'ZAPC', 'a 16-bit result leaves the upper bits'],
  ['add eax, ecx', MAX, 1n, '', 0n, 'ZAPC', 'a 32-bit result clears the upper half'],
  ['sub rax, rcx', MIN, 1n, '', 0x7fff_ffff_ffff_ffffn, 'OAP', 'signed overflow without borrow'],
  ['cmp eax, ecx', 3n, 5n, '', 3n, 'SAC', 'nothing but flags'],
  ['inc eax', 0x7fffffffn, 0n, 'C', 0x80000000n, 'OSAPC', 'C survives'],
  ['dec rax', 0n, 0n, '', MAX, 'SAP', 'no borrow is reported'],
  ['neg rax', MIN, 0n, '', MIN, 'OSPC', 'the one number without a negative'],
  ['neg eax', 0n, 0n, 'C', 0n, 'ZP', 'C tells whether it was zero'],
  ['not rax', 0n, 0n, 'OSZAPC', MAX, 'OSZAPC', 'no flags'],
  ['and eax, ecx', 0xf0n, 0x0fn, 'OC', 0n, 'ZP', 'logic clears C and O'],
  ['test al, cl', 0x80n, 0xffn, 'C', 0x80n, 'S', 'odd parity of one bit'],
  ['shl eax, cl', 0xffff_ffff_8000_0001n, 0n, 'OC', 0x80000001n, 'OC', 'a count of 0 keeps flags, yet clears the upper half'],
  ['shl eax, cl', 1n, 32n, 'C', 1n, 'C', 'the count is taken modulo 32'],
  ['shl rax, cl', 3n, 63n, '', MIN, 'SPC', 'last bit out'],
  ['shl al, cl', 0xffn, 9n, 'C', 0n, 'ZP', 'beyond the width C is 0'],
  ['shr eax, 1', 0x80000001n, 0n, '', 0x40000000n, 'OPC', 'O is the old top bit'],
  ['sar al, cl', 0x80n, 31n, '', 0xffn, 'SPC', 'only the sign is left'],
  ['rol al, cl', 0x81n, 8n, '', 0x81n, 'OC', 'a whole turn still sets C'],
  ['ror rax, 1', 1n, 0n, '', MIN, 'OC', 'into the top bit'],
  ['rcl al, cl', 0x81n, 9n, 'C', 0x81n, 'C', 'nine bits turn once: nothing happens'],
  ['rcl rax, cl', MIN, 1n, 'C', 1n, 'OC', 'carry in, top bit out'],
  ['rcr eax, cl', 1n, 31n, 'C', 6n, 'O', 'through 33 bits'],
  ['shld eax, ecx, 4', 0xf0000000n, 0xa0000000n, '', 0xan, 'PC', 'bits come from the second operand'],
  ['shrd eax, ecx, 4', 0xan, 0xfn, '', 0xf0000000n, 'OSPC', 'O when the sign changes'],
  ['imul eax, ecx', 0x10000n, 0x10000n, '', 0n, 'OPC', 'Z is not set by a product that lost its high half'],
  ['imul rax, rcx', MAX, 5n, '', MAX - 4n, 'S', 'a small negative product fits'],
  ['mul cl', 0x80n, 2n, '', 0x100n, 'OPC', 'AH is the high half'],
  ['bsf eax, ecx', 0xdead_beef_0000_0007n, 0n, 'C', 0xdead_beef_0000_0007n, 'ZP', 'a zero source leaves all 64 bits alone'],
  ['bsr rax, rcx', 0n, MIN, '', 63n, 'P', 'index of the top bit'],
  ['popcnt rax, rcx', 0n, MAX, 'OSAPC', 64n, '', 'all flags but Z are cleared'],
  ['bt eax, ecx', 0x80n, 39n, 'OSZAP', 0x80n, 'OSZAPC', 'the index is taken modulo 32'],
  ['bswap rax', 0x0102030405060708n, 0n, '', 0x0807060504030201n, '', 'bytes reversed'],
  ['cmovb eax, ecx', MAX, 7n, '', 0xffffffffn, '', 'a move not made clears the upper half'],
  ['setl al', 0x1200n, 0n, 'S', 0x1201n, 'S', 'S differs from O'],
  ['xadd eax, eax', 0x80000001n, 0n, '', 2n, 'OC', 'the sum stays when both operands are one register'],
  ['cmpxchg ecx, edx', 0xffff_ffff_0000_0001n, 2n, '', 2n, 'SAPC', 'accumulator loaded and zero-extended on failure'],
  ['crc32 rax, rcx', 0n, 0x3837363534333231n, 'OSZAPC', 0xecaf3210n, 'OSZAPC', 'eight bytes at once'],
  ['cqo', MIN, 0n, '', MIN, '', 'rDX becomes the sign'],
  ['cdqe', 0x80000000n, 0n, '', 0xffff_ffff_8000_0000n, '', 'sign of EAX'],
  ['movsx ax, cl', MAX, 0x80n, '', 0xffff_ffff_ffff_ff80n, '', '16 bits of a negative byte'],
  ['movsxd rax, ecx', 0n, 0x80000000n, '', 0xffff_ffff_8000_0000n, '', 'the sign goes up'],
  ['lahf', 0n, 0n, 'SZAPC', 0xd700n, 'SZAPC', 'bit 1 reads 1'],
  ['sahf', 0xff00n, 0n, 'O', 0xff00n, 'OSZAPC', 'O is not in AH'],
];

describe.each(everyTier)('arithmetic on the %s', (_name, tier) => {
  it.each(ROWS)('%s of %s and %s with "%s"', (text, rax, rcx, flags, result, after, why) => {
    const outcome = new Stage(tier, 'long', 3).run(text, { rax, rcx }, { flags: toBits(flags) });
    expect({ rax: outcome.rax, flags: toNames(outcome.flags) }, why).toEqual({ rax: result, flags: after });
  });

  it.each([
    ['div ecx', 7n, 0n, 0n, 'division by zero'],
    ['div ecx', 0n, 1n, 1n, 'quotient of 2^32'],
    ['div cl', 0x200n, 0n, 2n, 'quotient of 256'],
    ['idiv ecx', 0x80000000n, 0xffffffffn, 0xffffffffn, 'the smallest number by -1'],
    ['idiv rcx', MIN, MAX, MAX, 'the same in 64 bits'],
    ['idiv rcx', 0n, MIN, 1n, 'quotient of -2^127'],
    ['idiv cl', 0xff80n, 0n, 0xffn, '-128 by -1'],
  ] as const)('%s with rAX %s, rDX %s, rCX %s raises #DE and changes nothing', (text, rax, rdx, rcx, why) => {
    const outcome = new Stage(tier, 'long', 3).run(text, { rax, rdx, rcx }, { flags: toBits('C') });
    expect(outcome, why).toMatchObject({ fault: 0, rax, rdx, rip: BigInt(AT.code) });
  });

  it.each([
    ['div rcx', 5n, 6n, 7n, (6n << 64n) | 5n],
    ['idiv rcx', BigInt.asUintN(64, -7n), MAX, 2n, -7n],
    ['idiv rcx', 7n, 0n, BigInt.asUintN(64, -2n), 7n],
    ['idiv rcx', 0n, BigInt.asUintN(64, -1n), 2n, -(1n << 64n)],
  ] as const)('%s of 128 bits', (text, rax, rdx, rcx, dividend) => {
    const signed = text.startsWith('i');
    const divisor = signed ? BigInt.asIntN(64, rcx) : rcx;
    const outcome = new Stage(tier, 'long', 3).run(text, { rax, rdx, rcx });
    expect([outcome.rax, outcome.rdx]).toEqual(
      [dividend / divisor, dividend % divisor].map((value) => BigInt.asUintN(64, value)),
    );
  });

  it.each([
    ['daa', 0x9an, '', 0x00n, 'ZAPC'],
    ['daa', 0x35n, 'C', 0x95n, 'SPC'],
    ['das', 0x05n, 'A', 0xffn, 'SAPC'],
    ['aaa', 0x00fan, '', 0x0200n, 'ZAPC'],
    ['aas', 0x0205n, 'A', 0x000fn, 'APC'],
    ['aam', 63n, '', 0x0603n, 'P'],
    ['aad', 0x0603n, '', 63n, 'P'],
  ] as const)('%s of %s with "%s"', (text, rax, flags, result, after) => {
    const line = text === 'aam' || text === 'aad' ? `${text} 10` : text;
    const outcome = new Stage(tier, 'code32', 3).run(line, { rax }, { flags: toBits(flags) });
    expect({ rax: outcome.rax, flags: toNames(outcome.flags) }).toEqual({ rax: result, flags: after });
  });
});
