import { describe, expect, test } from 'vitest';
import { deliverEvent, escalate } from './events.ts';
import { softwareInterrupt } from './interrupts.ts';
import { Bench, IDT, SEL, STACK0, STACK3, TSS } from './testing/bench.ts';

const HANDLER = 0x6000n;

describe('legacy delivery', () => {
  test.each([
    ['interrupt gate clears IF', 0x0e, 0x02],
    ['trap gate keeps IF', 0x0f, 0x202],
  ])('%s', (_name, type, flags) => {
    const b = new Bench().standard(0);
    b.gate(IDT + 8 * 0x30, { type, selector: SEL.code0, offset: HANDLER });
    deliverEvent(b, { vector: 0x30, kind: 'interrupt' });
    expect(b.flags).toBe(flags);
    expect(b.s.rip).toBe(HANDLER);
    expect(b.memory.words(STACK0 - 12, 3, 4)).toEqual([0x5000, SEL.code0, 0x202]);
  });

  test('from ring 3 the stack comes from the TSS and the error code is last', () => {
    const b = new Bench().standard(3);
    b.gate(IDT + 8 * 13, { type: 0x0e, selector: SEL.code0, offset: HANDLER });
    deliverEvent(b, { vector: 13, kind: 'fault', errorCode: 0x1234 });
    expect(b.memory.words(STACK0 - 24, 6, 4)).toEqual([0x1234, 0x5000, SEL.code3, 0x10202, STACK3, SEL.data3]);
    expect([b.s.cpl, b.s.ssSelector, b.s.csSelector, b.s.gpr[4]]).toEqual([0, SEL.data0, SEL.code0, BigInt(STACK0 - 24)]);
  });

  test('a 16-bit gate pushes words', () => {
    const b = new Bench().standard(0);
    b.gate(IDT + 8 * 0x30, { type: 0x06, selector: SEL.code0, offset: HANDLER });
    deliverEvent(b, { vector: 0x30, kind: 'interrupt' });
    expect(b.memory.words(STACK0 - 6, 3, 2)).toEqual([0x5000, SEL.code0, 0x202]);
  });

  test('from virtual-8086 mode the data segments are pushed and cleared', () => {
    const b = new Bench().vm86(0);
    b.gate(IDT + 8 * 0x30, { type: 0x0e, selector: SEL.code0, offset: HANDLER });
    deliverEvent(b, { vector: 0x30, kind: 'interrupt' });
    expect(b.memory.words(STACK0 - 36, 9, 4)).toEqual([0x50, 0x100, 0x20202, 0x100, 0x200, 0x400, 0x300, 0x500, 0x600]);
    expect([b.s.cpl, b.s.dsAttr & 0x10000, b.s.gsSelector, b.flags]).toEqual([0, 0x10000, 0, 0x02]);
  });

  test.each([
    ['beyond the IDT', () => {}, 0x30, 13, 0x30 * 8 + 3, 0x100],
    ['no gate there', () => {}, 0x30, 13, 0x30 * 8 + 3, 0xfff],
    [
      'not present',
      (b: Bench) => b.gate(IDT + 8 * 0x30, { type: 14, selector: SEL.code0, offset: 0n, present: false }),
      0x30,
      11,
      0x183,
      0xfff,
    ],
    ['null selector', (b: Bench) => b.gate(IDT + 8 * 0x30, { type: 14, selector: 0, offset: 0n }), 0x30, 13, 1, 0xfff],
    [
      'a data segment',
      (b: Bench) => b.gate(IDT + 8 * 0x30, { type: 14, selector: SEL.data0, offset: 0n }),
      0x30,
      13,
      SEL.data0 + 1,
      0xfff,
    ],
  ])('a fault on the way has EXT set: %s', (_name, prepare, vector, faultVector, errorCode, limit) => {
    const b = new Bench().standard(0);
    prepare(b);
    b.s.idtrLimit = limit;
    for (const v of [8, 11, 13]) b.gate(IDT + 8 * v, { type: 0x0e, selector: SEL.code0, offset: HANDLER + BigInt(v) });
    deliverEvent(b, { vector, kind: 'interrupt' });
    expect(b.s.rip).toBe(HANDLER + BigInt(faultVector));
    expect(b.memory.words(STACK0 - 16, 1, 4)).toEqual([errorCode]);
  });

  test.each([
    ['software interrupts need the gate DPL', 0, 3, 13, 0x30 * 8 + 2],
    ['INT1 does not', 3, 3, undefined, undefined],
  ])('%s', (_name, which, cpl, vector, errorCode) => {
    const b = new Bench().standard(cpl as 3);
    b.gate(IDT + 8 * 0x30, { type: 0x0e, selector: SEL.code0, offset: HANDLER });
    const fault = b.run((c) => softwareInterrupt(c, 0x30, which));
    expect([fault?.vector, fault?.errorCode]).toEqual([vector, errorCode]);
    if (vector === undefined) expect(b.memory.words(STACK0 - 20, 1, 4)).toEqual([0x5002]);
  });
});

describe('IA-32e delivery', () => {
  const long = (cpl: 0 | 3) => {
    const b = new Bench().standard(cpl, 'long');
    for (const v of [8, 13, 14, 0x30])
      b.gate(IDT + 16 * v, { type: 0x0e, selector: SEL.code64, offset: 0xffff800000006000n, wide: true });
    return b;
  };
  test('same level: the stack is aligned, SS:RSP pushed', () => {
    const b = long(0);
    b.s.gpr[4] = BigInt(STACK0 - 7);
    deliverEvent(b, { vector: 0x30, kind: 'interrupt' });
    expect(b.s.gpr[4]).toBe(BigInt(STACK0 - 16 - 40));
    expect(b.memory.words(STACK0 - 56, 5, 8)).toEqual([0x5000, SEL.code64, 0x202, STACK0 - 7, SEL.data0]);
    expect([b.s.rip, b.s.ssSelector]).toEqual([0xffff800000006000n, SEL.data0]);
  });
  test('from ring 3: RSP0, SS is null', () => {
    const b = long(3);
    deliverEvent(b, { vector: 14, kind: 'fault', errorCode: 7, cr2: 0x1234n });
    expect(b.memory.words(STACK0 - 48, 6, 8)).toEqual([7, 0x5000, SEL.code64user, 0x10202, STACK3, SEL.data3]);
    expect([b.s.cr2, b.s.cpl, b.s.ssSelector, b.s.ssAttr & 0x10000]).toEqual([0x1234n, 0, 0, 0x10000]);
  });
  test('IST switches without a change of level and keeps SS', () => {
    const b = long(0);
    b.memory.view.setUint8(IDT + 16 * 0x30 + 4, 2);
    b.memory.view.setBigUint64(TSS + 36 + 8, 0x8008n, true);
    deliverEvent(b, { vector: 0x30, kind: 'nmi' });
    expect([b.s.gpr[4], b.s.ssSelector, b.s.nmiBlocked]).toEqual([0x8000n - 40n, SEL.data0, 1]);
  });
  test('a stack that is not canonical is a stack fault, then a double fault', () => {
    const b = long(3);
    b.memory.view.setBigUint64(TSS + 4, 0x0001_0000_0000_0000n, true);
    b.gate(IDT + 16 * 8, { type: 0x0e, selector: SEL.code64, offset: 0x7777n, wide: true });
    b.memory.view.setUint8(IDT + 16 * 8 + 4, 1);
    b.memory.view.setBigUint64(TSS + 36, 0x8000n, true);
    deliverEvent(b, { vector: 13, kind: 'fault', errorCode: 0 });
    expect([b.s.rip, b.memory.words(0x8000 - 48, 1, 8)]).toEqual([0x7777n, [0]]);
  });
  test('a 32-bit code segment cannot handle', () => {
    const b = long(0);
    b.gate(IDT + 16 * 0x31, { type: 0x0e, selector: SEL.code0, offset: 0x7777n, wide: true });
    deliverEvent(b, { vector: 0x31, kind: 'interrupt' });
    expect(b.memory.words(STACK0 - 48, 1, 8)).toEqual([SEL.code0 + 1]);
  });
});

describe('escalation (SDM vol. 3, table 6-5)', () => {
  test.each([
    ['benign', 'contributory', 'serial'],
    ['benign', 'page', 'serial'],
    ['contributory', 'benign', 'serial'],
    ['contributory', 'contributory', 'double'],
    ['contributory', 'page', 'serial'],
    ['page', 'contributory', 'double'],
    ['page', 'page', 'double'],
    ['page', 'benign', 'serial'],
    ['double', 'contributory', 'shutdown'],
    ['double', 'page', 'shutdown'],
  ] as const)('%s then %s: %s', (first, second, step) => {
    expect(escalate(first, second)).toBe(step);
  });

  test('without an IDT the third fault shuts down', () => {
    const b = new Bench().standard(0);
    b.s.idtrLimit = 0;
    deliverEvent(b, { vector: 13, kind: 'fault', errorCode: 0 });
    expect([b.left, b.s.activity]).toEqual([['shutdown'], 2]);
  });

  test('a page fault while a page fault is delivered is a double fault with the later CR2', () => {
    const b = new Bench().standard(3);
    b.gate(IDT + 8 * 14, { type: 0x0e, selector: SEL.code0, offset: HANDLER });
    b.gate(IDT + 8 * 8, { type: 0x05, selector: SEL.tss2, offset: 0n });
    b.memory.absent.add((STACK0 - 1) >>> 12);
    deliverEvent(b, { vector: 14, kind: 'fault', errorCode: 4, cr2: 0x77n });
    expect([b.s.cr2, b.left]).toEqual([BigInt(STACK0 - 4), ['shutdown']]);
  });
});

describe('real and virtual-8086 mode', () => {
  test('real mode uses the vector table and clears TF, IF, AC', () => {
    const b = new Bench();
    b.s.csBase = 0x1000n;
    b.s.csSelector = 0x100;
    b.s.rip = 0x10n;
    b.s.gpr[4] = 0x8000n;
    b.flags = 0x40302;
    b.memory.view.setUint32(0x21 * 4, 0x04000123, true);
    b.run((c) => softwareInterrupt(c, 0x21, 0));
    expect([b.s.csSelector, b.s.csBase, b.s.rip, b.flags]).toEqual([0x400, 0x4000n, 0x123n, 2]);
    expect(b.memory.words(0x8000 - 6, 3, 2)).toEqual([0x12, 0x100, 0x302]);
  });
  test('real mode pushes no error code', () => {
    const b = new Bench();
    b.s.csBase = 0n;
    b.s.gpr[4] = 0x8000n;
    deliverEvent(b, { vector: 13, kind: 'fault', errorCode: 0 });
    expect(b.s.gpr[4]).toBe(0x8000n - 6n);
  });
  test.each([
    ['IOPL below 3 without VME', 0, 0n, 13],
    ['IOPL 3: the protected-mode handler', 3, 0n, undefined],
  ])('INT n in virtual-8086 mode, %s', (_name, iopl, cr4, vector) => {
    const b = new Bench().vm86(iopl, cr4);
    b.gate(IDT + 8 * 0x30, { type: 0x0e, selector: SEL.code0, offset: HANDLER, dpl: 3 });
    expect(b.run((c) => softwareInterrupt(c, 0x30, 0))?.vector).toBe(vector);
  });
  test('VME redirects INT n to the 8086 program with VIF in place of IF', () => {
    const b = new Bench().vm86(0, 1n);
    b.memory.view.setUint16(TSS + 102, 0x88, true);
    b.memory.view.setUint32(0x30 * 4, 0x01000060, true);
    b.flags = 0x20002 | 0x80000;
    b.run((c) => softwareInterrupt(c, 0x30, 0));
    expect([b.s.rip, b.s.csSelector, b.flags]).toEqual([0x60n, 0x100, 0x20002]);
    expect(b.memory.words(0x2000 + 0x100 - 6, 3, 2)).toEqual([0x52, 0x100, 0x3202]);
  });
});
