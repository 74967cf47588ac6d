import { describe, expect, test } from 'vitest';
import { deliverEvent } from './events.ts';
import { callFar, jumpFar } from './far.ts';
import { iret } from './returns.ts';
import { Bench, GDT, IDT, LDT, SEL, TSS } from './testing/bench.ts';

const TSS2 = 0x6800;
const NEW_STACK = 0xd000;

interface TaskSource {
  readonly cs?: number;
  readonly ss?: number;
  readonly ds?: number;
  readonly eip?: number;
  readonly flags?: number;
  readonly ldt?: number;
  readonly trap?: number;
}

/** A 32-bit TSS at TSS2, its descriptor SEL.tss2. */
function task(b: Bench, t: TaskSource = {}, type = 9): Bench {
  const { view } = b.memory;
  b.descriptor(SEL.tss2, { base: TSS2, limit: 0x67, type });
  view.setUint32(TSS2 + 0x20, t.eip ?? 0x7000, true);
  view.setUint32(TSS2 + 0x24, t.flags ?? 0x202, true);
  for (let i = 0; i < 8; i++) view.setUint32(TSS2 + 0x28 + 4 * i, 0x11110000 + i, true);
  view.setUint32(TSS2 + 0x38, NEW_STACK, true);
  const segments = [0, t.cs ?? SEL.code0, t.ss ?? SEL.data0, t.ds ?? SEL.data0, 0, 0];
  segments.forEach((selector, i) => {
    view.setUint32(TSS2 + 0x48 + 4 * i, selector, true);
  });
  view.setUint32(TSS2 + 0x60, t.ldt ?? 0, true);
  view.setUint16(TSS2 + 0x64, t.trap ?? 0, true);
  return b;
}

const jump = (b: Bench, selector: number = SEL.tss2) => b.run((c) => jumpFar(c, BigInt(selector), 0n, 32n), { length: 7 });
const call = (b: Bench, selector: number = SEL.tss2) => b.run((c) => callFar(c, BigInt(selector), 0n, 32n), { length: 7 });
const busy = (b: Bench, selector: number) => ((b.memory.bytes[GDT + selector + 5] as number) & 2) !== 0;

describe('JMP', () => {
  test('saves the old task, loads the new one, moves the busy bit', () => {
    const b = task(new Bench().standard(0));
    b.s.gpr[0] = 0xabcdn;
    b.s.dr7 = 0x455n;
    expect(jump(b)).toBeUndefined();
    const { view } = b.memory;
    expect([view.getUint32(TSS + 0x20, true), view.getUint32(TSS + 0x24, true), view.getUint32(TSS + 0x28, true)]).toEqual([
      0x5007, 0x202, 0xabcd,
    ]);
    expect([view.getUint16(TSS + 0x4c, true), view.getUint16(TSS + 0x50, true)]).toEqual([SEL.code0, SEL.data0]);
    expect([busy(b, SEL.tss), busy(b, SEL.tss2)]).toEqual([false, true]);
    expect([b.s.trSelector, b.s.trAttr & 15, b.s.rip, b.s.gpr[0], b.s.gpr[4], b.flags]).toEqual([
      SEL.tss2,
      11,
      0x7000n,
      0x11110000n,
      BigInt(NEW_STACK),
      0x202,
    ]);
    expect([b.s.cr0 & 8n, b.s.dr7]).toEqual([8n, 0x400n]);
  });
  test('the T bit is a debug trap in the new task', () => {
    const b = task(new Bench().standard(0), { trap: 1 });
    jump(b);
    expect(b.s.debugTraps).toBe(0x8000);
  });
  test('through a task gate in the LDT', () => {
    const b = task(new Bench().standard(3), { cs: SEL.code3, ss: SEL.data3, ds: SEL.data3 });
    b.gate(LDT + 8, { type: 5, selector: SEL.tss2, offset: 0n, dpl: 3 });
    expect(jump(b, 0x0f)).toBeUndefined();
    expect([b.s.trSelector, b.s.cpl]).toEqual([SEL.tss2, 3]);
  });
  test('to a virtual-8086 task', () => {
    const b = task(new Bench().standard(0), { cs: 0x100, ss: 0x200, ds: 0x300, flags: 0x20202, eip: 0x50 });
    expect(jump(b)).toBeUndefined();
    expect([b.s.cpl, b.s.csBase, b.s.ssAttr, b.s.rip]).toEqual([3, 0x1000n, 0xf3, 0x50n]);
  });
  test.each([
    ['a busy TSS', (b: Bench) => task(b, {}, 11), 13, SEL.tss2],
    ['not present', (b: Bench) => b.descriptor(SEL.tss2, { base: TSS2, limit: 0x67, type: 9, present: false }), 11, SEL.tss2],
    ['too short', (b: Bench) => b.descriptor(SEL.tss2, { base: TSS2, limit: 0x66, type: 9 }), 10, SEL.tss2],
  ])('%s stops before anything changes', (_name, prepare, vector, errorCode) => {
    const b = task(new Bench().standard(0));
    prepare(b);
    const fault = jump(b);
    expect([fault?.vector, fault?.errorCode, fault?.late, b.s.trSelector, b.s.rip]).toEqual([
      vector,
      errorCode,
      false,
      SEL.tss,
      0x5000n,
    ]);
  });
  test('from ring 3 the TSS descriptor needs DPL 3', () => {
    const fault = jump(task(new Bench().standard(3)));
    expect([fault?.vector, fault?.errorCode]).toEqual([13, SEL.tss2]);
  });
  test.each([
    ['null CS', { cs: 0 }, 10, 0],
    ['CS of another level', { cs: SEL.code3 & ~3 }, 10, SEL.code3 & ~3],
    ['null SS', { ss: 0 }, 10, 0],
    ['SS of another level', { ss: SEL.data3 }, 10, SEL.data3 & ~3],
    ['DS not readable', { ds: SEL.tss }, 10, SEL.tss],
    ['LDT that is none', { ldt: SEL.data0 }, 10, SEL.data0],
    ['EIP beyond CS', { cs: SEL.code16, eip: 0x10000 }, 13, 0],
  ])('%s is a fault of the new task', (_name, source, vector, errorCode) => {
    const b = task(new Bench().standard(0), source);
    const fault = jump(b);
    expect([fault?.vector, fault?.errorCode, fault?.late, b.s.trSelector]).toEqual([vector, errorCode, true, SEL.tss2]);
    expect(b.s.rip).toBe(BigInt((source as TaskSource).eip ?? 0x7000));
  });
  test('a page fault on the new TSS belongs to the old task', () => {
    const b = task(new Bench().standard(0));
    b.descriptor(SEL.tss2, { base: 0x20000, limit: 0x67, type: 9 });
    b.memory.absent.add(0x20);
    const fault = jump(b);
    expect([fault?.vector, fault?.late, b.s.trSelector, busy(b, SEL.tss)]).toEqual([14, false, SEL.tss, true]);
  });
});

test('CALL nests and IRET returns', () => {
  const b = task(new Bench().standard(0));
  b.memory.bytes[GDT + SEL.tss + 5] = 0x8b;
  call(b);
  expect([b.flags & 0x4000, b.memory.view.getUint16(TSS2, true), busy(b, SEL.tss), busy(b, SEL.tss2)]).toEqual([
    0x4000,
    SEL.tss,
    true,
    true,
  ]);
  b.run((c) => iret(c, 32), { length: 1 });
  expect([b.s.trSelector, b.s.rip, busy(b, SEL.tss), busy(b, SEL.tss2), b.flags & 0x4000]).toEqual([
    SEL.tss,
    0x5007n,
    true,
    false,
    0,
  ]);
  expect(b.memory.view.getUint32(TSS2 + 0x24, true) & 0x4000).toBe(0);
  expect(b.memory.view.getUint32(TSS2 + 0x20, true)).toBe(0x7001);
});

test('a task gate takes a fault with its error code on the new stack', () => {
  const b = task(new Bench().standard(3));
  b.gate(IDT + 8 * 13, { type: 5, selector: SEL.tss2, offset: 0n });
  deliverEvent(b, { vector: 13, kind: 'fault', errorCode: 0x50 });
  expect(b.memory.words(NEW_STACK - 4, 1, 4)).toEqual([0x50]);
  expect([b.s.gpr[4], b.s.cpl, b.memory.view.getUint32(TSS + 0x20, true)]).toEqual([BigInt(NEW_STACK - 4), 0, 0x5000]);
  expect(b.memory.view.getUint32(TSS + 0x24, true)).toBe(0x10202);
});

test('16-bit TSS: words only, FS and GS null', () => {
  const b = new Bench().standard(0);
  const { view } = b.memory;
  b.descriptor(SEL.tss2, { base: TSS2, limit: 0x2b, type: 1 });
  view.setUint16(TSS2 + 14, 0x7000, true);
  view.setUint16(TSS2 + 16, 0x0202, true);
  view.setUint16(TSS2 + 26, 0x8000, true);
  [0, SEL.code16, SEL.data16, SEL.data16].forEach((selector, i) => {
    view.setUint16(TSS2 + 34 + 2 * i, selector, true);
  });
  expect(jump(b)).toBeUndefined();
  expect([b.s.rip, b.s.gpr[4], b.s.csSelector, b.s.fsSelector, b.s.trAttr & 15]).toEqual([0x7000n, 0x8000n, SEL.code16, 0, 3]);
});

test('IA-32e mode has no tasks', () => {
  const b = task(new Bench().standard(0, 'long'));
  expect(jump(b)?.errorCode).toBe(SEL.tss2);
});
