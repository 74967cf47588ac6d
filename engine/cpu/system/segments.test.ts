import { describe, expect, test } from 'vitest';
import { accessRights, loadSegment, segmentLimit, verify } from './segments.ts';
import { invlpg, invpcid, loadLdt, loadTr } from './tables.ts';
import { Bench, GDT, IDT, LDT, SEL, TSS } from './testing/bench.ts';

const load = (b: Bench, segment: number, selector: number) => {
  const fault = b.run((c) => loadSegment(c, segment, selector));
  return fault && [fault.vector, fault.errorCode];
};
const [ES, CS, SS, DS, FS] = [0, 1, 2, 3, 4];

describe('loading', () => {
  test.each([
    ['DS null', 0, DS, 3, undefined],
    ['SS null', 0, SS, 0, [13, 0]],
    ['CS', 0, CS, SEL.code0, [6, undefined]],
    ['SS of the level', 3, SS, SEL.data3, undefined],
    ['SS with another RPL', 0, SS, SEL.data0 | 1, [13, SEL.data0]],
    ['SS of another level', 0, SS, SEL.data3 & ~3, [13, 0x20]],
    ['SS read-only', 0, SS, SEL.spare, [13, SEL.spare]],
    ['DS execute-only', 0, DS, SEL.gate, [13, SEL.gate]],
    ['DS of an inner level', 3, DS, SEL.data0, [13, SEL.data0]],
    ['DS conforming code of an inner level', 3, DS, SEL.conforming0, undefined],
    ['DS with RPL beyond DPL', 0, DS, SEL.data0 | 3, [13, SEL.data0]],
    ['DS system', 0, DS, SEL.tss, [13, SEL.tss]],
    ['DS beyond the table', 0, DS, 0x200, [13, 0x200]],
    ['FS of the LDT', 0, FS, 0x0c, undefined],
  ])('%s', (_name, cpl, segment, selector, fault) => {
    const b = new Bench().standard(cpl as 0 | 3);
    b.descriptor(SEL.spare, { type: 0x11 });
    b.descriptor(SEL.gate, { type: 0x18 });
    b.descriptor(0x0c, { type: 0x12, base: 0x12345678 });
    expect(load(b, segment as number, selector)).toEqual(fault);
    if (segment === FS) expect([b.s.fsBase, b.memory.bytes[LDT + 8 + 5]]).toEqual([0x12345678n, 0x93]);
  });
  test('not present: #SS for SS, #NP for others', () => {
    const b = new Bench().standard(0);
    b.descriptor(SEL.spare, { type: 0x13, present: false });
    expect([load(b, SS as number, SEL.spare), load(b, ES as number, SEL.spare)]).toEqual([
      [12, SEL.spare],
      [11, SEL.spare],
    ]);
  });
  test('64-bit code may have a null SS below ring 3', () => {
    expect(load(new Bench().standard(0, 'long'), SS as number, 0)).toBeUndefined();
    expect(load(new Bench().standard(3, 'long'), SS as number, 3)).toEqual([13, 0]);
  });
  test('real mode keeps limit and rights', () => {
    const b = new Bench();
    b.s.dsLimit = 0xffffffff;
    load(b, DS as number, 0x1234);
    expect([b.s.dsBase, b.s.dsLimit, b.s.dsAttr]).toEqual([0x12340n, 0xffffffff, 0x93]);
  });
  test('virtual-8086 mode sets 64 KiB', () => {
    const b = new Bench().vm86(0);
    b.s.dsLimit = 1;
    load(b, DS as number, 0x1234);
    expect([b.s.dsBase, b.s.dsLimit, b.s.dsAttr]).toEqual([0x12340n, 0xffff, 0xf3]);
  });
});

describe('asking', () => {
  test.each([
    ['data, ring 0', 0, SEL.data0, [true, true, 0xcf9300, 0xffffffff]],
    ['code, ring 0', 0, SEL.code0, [true, false, 0xcf9b00, 0xffffffff]],
    ['inner data from ring 3', 3, SEL.data0, [false, false, undefined, undefined]],
    ['inner conforming code', 3, SEL.conforming0, [true, false, 0xcf9f00, 0xffffffff]],
    ['busy TSS', 0, SEL.tss, [false, false, 0x008b00, 0x2067]],
    ['call gate', 0, SEL.gate, [false, false, 0x00ec00, undefined]],
    ['interrupt gate', 0, SEL.spare, [false, false, undefined, undefined]],
    ['null', 0, 0, [false, false, undefined, undefined]],
  ])('%s', (_name, cpl, selector, expected) => {
    const b = new Bench().standard(cpl as 0 | 3);
    b.gate(GDT + SEL.gate, { type: 12, selector: SEL.code0, offset: 0n, dpl: 3 });
    b.gate(GDT + SEL.spare, { type: 14, selector: SEL.code0, offset: 0n, dpl: 3 });
    const rights = accessRights(b, selector);
    expect([verify(b, selector, false), verify(b, selector, true), rights, segmentLimit(b, selector)]).toEqual(
      expected.map((value) => (typeof value === 'number' && value < 0x1000000 && value !== 0x2067 ? value & 0xffff00 : value)),
    );
  });
});

describe('LLDT and LTR', () => {
  test.each([
    ['null', 0, undefined],
    ['an LDT', SEL.ldt, undefined],
    ['data', SEL.data0, [13, SEL.data0]],
    ['of the LDT', 0x0c, [13, 0x0c]],
  ])('LLDT: %s', (_name, selector, fault) => {
    const b = new Bench().standard(0);
    const thrown = b.run((c) => loadLdt(c, selector));
    expect(thrown && [thrown.vector, thrown.errorCode]).toEqual(fault);
  });
  test('LTR sets the busy bit; a busy TSS is refused', () => {
    const b = new Bench().standard(0);
    b.descriptor(SEL.tss2, { type: 9, base: TSS, limit: 0x67 });
    expect(b.run((c) => loadTr(c, SEL.tss2))).toBeUndefined();
    expect([b.memory.bytes[GDT + SEL.tss2 + 5], b.s.trAttr]).toEqual([0x8b, 0x8b]);
    expect(b.run((c) => loadTr(c, SEL.tss2))?.errorCode).toBe(SEL.tss2);
    expect(b.run((c) => loadTr(c, 0))?.errorCode).toBe(0);
  });
  test('16 bytes in IA-32e mode', () => {
    const b = new Bench().standard(0, 'long');
    b.descriptor(SEL.tss2, { type: 9, base: TSS, limit: 0x67 });
    b.memory.view.setUint32(GDT + SEL.tss2 + 8, 0xffff8000, true);
    expect(b.run((c) => loadTr(c, SEL.tss2))).toBeUndefined();
    expect(b.s.trBase).toBe(0xffff800000000000n | BigInt(TSS));
    b.descriptor(SEL.tss2, { type: 9, base: TSS, limit: 0x67 });
    b.memory.view.setUint32(GDT + SEL.tss2 + 8, 0x8000, true);
    expect(b.run((c) => loadTr(c, SEL.tss2))?.errorCode).toBe(SEL.tss2);
  });
});

test.each([
  ['one address', 0n, 5n, 0x1000n, 0x20020n, ['pcidPage 4096 5'], undefined],
  ['one PCID', 1n, 5n, 0n, 0x20020n, ['pcid 5'], undefined],
  ['everything', 2n, 0n, 0n, 0x20n, ['all'], undefined],
  ['all but global', 3n, 0n, 0n, 0x20n, ['allNonGlobal'], undefined],
  ['unknown type', 4n, 0n, 0n, 0x20n, [], 13],
  ['a PCID without CR4.PCIDE', 1n, 5n, 0n, 0x20n, [], 13],
  ['reserved bits', 1n, 0x1000n, 0n, 0x20020n, [], 13],
  ['not canonical', 0n, 0n, 1n << 47n, 0x20020n, [], 13],
])('INVPCID: %s', (_name, type, low, address, cr4, flushes, vector) => {
  const b = new Bench().standard(0, 'long');
  b.s.cr4 = cr4;
  expect(b.run((c) => invpcid(c, type, [low, address]))?.vector).toBe(vector);
  expect(b.flushes).toEqual(flushes);
});

test('INVLPG of an address that is not canonical does nothing', () => {
  const b = new Bench().standard(0, 'long');
  b.run((c) => invlpg(c, 1n << 47n));
  b.run((c) => invlpg(c, BigInt(IDT)));
  expect(b.flushes).toEqual([`page ${IDT}`]);
});
