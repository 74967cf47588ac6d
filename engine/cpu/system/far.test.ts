import { describe, expect, test } from 'vitest';
import { callFar, jumpFar } from './far.ts';
import { returnFar } from './returns.ts';
import { Bench, GDT, SEL, STACK0, STACK3, TSS } from './testing/bench.ts';

const jump =
  (selector: number, offset = 0x7000n) =>
  (b: Bench) =>
    b.run((c) => jumpFar(c, BigInt(selector), offset, 32n));
const call =
  (selector: number, offset = 0x7000n) =>
  (b: Bench) =>
    b.run((c) => callFar(c, BigInt(selector), offset, 32n), { length: 7 });

describe('direct', () => {
  test.each([
    ['null', 0, 13, 0],
    ['beyond the GDT', 0x1000, 13, 0x1000],
    ['LDT selector without such a descriptor', 0x104, 13, 0x104],
    ['data segment', SEL.data0, 13, SEL.data0],
    ['RPL above CPL', SEL.code0 | 3, 13, SEL.code0],
    ['other level', SEL.code3, 13, 0x18],
    ['not present', SEL.spare, 11, SEL.spare],
    ['busy TSS', SEL.tss, 13, SEL.tss],
  ])('%s', (_name, selector, vector, errorCode) => {
    const b = new Bench().standard(0);
    b.descriptor(SEL.spare, { type: 0x1b, big: true, pages: true, present: false });
    const fault = jump(selector)(b);
    expect([fault?.vector, fault?.errorCode, b.s.rip]).toEqual([vector, errorCode, 0x5000n]);
  });
  test('offset beyond the limit', () => {
    const b = new Bench().standard(0);
    expect(jump(SEL.code16, 0x10000n)(b)?.errorCode).toBe(0);
  });
  test('the accessed bit is set and RPL becomes CPL', () => {
    const b = new Bench().standard(3);
    b.descriptor(SEL.spare, { type: 0x1e, big: true, pages: true });
    expect(jump(SEL.spare)(b)).toBeUndefined();
    expect([b.s.csSelector, b.s.cpl, b.memory.bytes[GDT + SEL.spare + 5]]).toEqual([SEL.spare | 3, 3, 0x9f]);
  });
  test('CALL pushes CS and the next EIP', () => {
    const b = new Bench().standard(0);
    call(SEL.code0)(b);
    expect(b.memory.words(STACK0 - 8, 2, 4)).toEqual([0x5007, SEL.code0]);
  });
  test('a page fault on the stack leaves no trace', () => {
    const b = new Bench().standard(0);
    b.memory.absent.add((STACK0 - 1) >>> 12);
    const fault = call(SEL.code16)(b);
    expect([fault?.vector, fault?.cr2, b.s.csSelector, b.s.gpr[4]]).toEqual([14, BigInt(STACK0 - 4), SEL.code0, BigInt(STACK0)]);
  });
  test('L and D together are refused in IA-32e mode', () => {
    const b = new Bench().standard(0, 'long');
    b.descriptor(SEL.spare, { type: 0x1b, long: true, big: true, pages: true });
    expect(jump(SEL.spare)(b)?.errorCode).toBe(SEL.spare);
  });
  test('from 64-bit to compatibility mode', () => {
    const b = new Bench().standard(0, 'long');
    expect(b.run((c) => jumpFar(c, BigInt(SEL.code0), 0x7000n, 64n))).toBeUndefined();
    expect(b.s.csAttr & 0x6000).toBe(0x4000);
  });
});

describe('call gates', () => {
  const gated = (cpl: 0 | 3, count = 0, selector: number = SEL.code0) => {
    const b = new Bench().standard(cpl);
    b.gate(GDT + SEL.gate, { type: 0x0c, selector, offset: 0x7000n, dpl: 3, count });
    return b;
  };
  test('to an inner level: SS:ESP, parameters in order, CS:EIP', () => {
    const b = gated(3, 2);
    b.memory.view.setUint32(STACK3, 0x11, true);
    b.memory.view.setUint32(STACK3 + 4, 0x22, true);
    expect(call(SEL.gate, 0xdeadn)(b)).toBeUndefined();
    expect(b.memory.words(STACK0 - 24, 6, 4)).toEqual([0x5007, SEL.code3, 0x11, 0x22, STACK3, SEL.data3]);
    expect([b.s.cpl, b.s.csSelector, b.s.ssSelector, b.s.rip]).toEqual([0, SEL.code0, SEL.data0, 0x7000n]);
  });
  test('JMP may not change the level', () => {
    expect(jump(SEL.gate)(gated(3))?.errorCode).toBe(SEL.code0);
  });
  test('to a conforming segment the level stays', () => {
    const b = gated(3, 0, SEL.conforming0);
    expect(call(SEL.gate)(b)).toBeUndefined();
    expect([b.s.cpl, b.s.csSelector, b.s.gpr[4]]).toEqual([3, SEL.conforming0 | 3, BigInt(STACK3 - 8)]);
  });
  test.each([
    [
      'gate DPL below CPL',
      (b: Bench) => b.gate(GDT + SEL.gate, { type: 12, selector: SEL.code0, offset: 0n, dpl: 0 }),
      13,
      SEL.gate,
    ],
    [
      'gate not present',
      (b: Bench) => b.gate(GDT + SEL.gate, { type: 12, selector: SEL.code0, offset: 0n, dpl: 3, present: false }),
      11,
      SEL.gate,
    ],
    ['null code selector', (b: Bench) => b.gate(GDT + SEL.gate, { type: 12, selector: 0, offset: 0n, dpl: 3 }), 13, 0],
    ['TSS too short', (b: Bench) => Object.assign(b.s, { trLimit: 8 }), 10, SEL.tss],
    ['null stack selector', (b: Bench) => b.memory.view.setUint16(TSS + 8, 0, true), 10, 0],
    ['stack of another level', (b: Bench) => b.memory.view.setUint16(TSS + 8, SEL.data3, true), 10, 0x20],
    [
      'stack not present',
      (b: Bench) => b.descriptor(SEL.data0, { type: 0x13, big: true, pages: true, present: false }),
      12,
      SEL.data0,
    ],
    ['no room', (b: Bench) => b.memory.view.setUint32(TSS + 4, 8, true), 12, SEL.data0],
  ])('%s', (_name, prepare, vector, errorCode) => {
    const b = gated(3);
    prepare(b);
    const fault = call(SEL.gate)(b);
    expect([fault?.vector, fault?.errorCode, b.s.cpl]).toEqual([vector, errorCode, 3]);
  });
  test('64-bit gate: RSP0, quadwords, null SS', () => {
    const b = new Bench().standard(3, 'long');
    b.gate(GDT + SEL.gate, { type: 0x0c, selector: SEL.code64, offset: 0xffff800000007000n, dpl: 3, wide: true });
    b.run((c) => callFar(c, BigInt(SEL.gate), 0n, 32n), { length: 7 });
    expect(b.memory.words(STACK0 - 32, 4, 8)).toEqual([0x5007, SEL.code64user, STACK3, SEL.data3]);
    expect([b.s.rip, b.s.ssSelector, b.s.cpl]).toEqual([0xffff800000007000n, 0, 0]);
  });
});

describe('RETF', () => {
  const frame = (b: Bench, values: number[]) => {
    const at = Number(b.s.gpr[4]) - 4 * values.length;
    values.forEach((value, i) => {
      b.memory.view.setUint32(at + 4 * i, value, true);
    });
    b.s.gpr[4] = BigInt(at);
    return b;
  };
  test('to the same level, releasing parameters', () => {
    const b = frame(new Bench().standard(0), [0x7000, SEL.code0, 1, 2]);
    b.run((c) => returnFar(c, 32, 8));
    expect([b.s.rip, b.s.gpr[4]]).toEqual([0x7000n, BigInt(STACK0)]);
  });
  test('to an outer level: both stacks released, privileged segments dropped', () => {
    const b = frame(new Bench().standard(0), [0x7000, SEL.code3, 0xaa, STACK3 - 4, SEL.data3]);
    b.take('es', SEL.data3);
    b.s.dsBase = 0x1234n;
    expect(b.run((c) => returnFar(c, 32, 4))).toBeUndefined();
    expect([b.s.cpl, b.s.gpr[4], b.s.dsSelector, b.s.dsAttr & 0x10000, b.s.esSelector]).toEqual([
      3,
      BigInt(STACK3),
      0,
      0x10000,
      SEL.data3,
    ]);
    // An unusable segment keeps its base: 64-bit code uses GS so.
    expect(b.s.dsBase).toBe(0x1234n);
  });
  test.each([
    ['null CS', [0x7000, 0], 13, 0],
    ['RPL below CPL', [0x7000, SEL.code0], 13, SEL.code0],
    ['data segment', [0x7000, SEL.data3], 13, 0x20],
  ])('from ring 3: %s', (_name, values, vector, errorCode) => {
    const fault = frame(new Bench().standard(3), values).run((c) => returnFar(c, 32, 0));
    expect([fault?.vector, fault?.errorCode]).toEqual([vector, errorCode]);
  });
  test.each([
    ['null SS', 0, 13, 0],
    ['RPL of SS differs', SEL.data3 & ~3, 13, 0x20],
    ['SS of another level', SEL.data0 | 3, 13, SEL.data0],
  ])('to ring 3: %s', (_name, ss, vector, errorCode) => {
    const fault = frame(new Bench().standard(0), [0x7000, SEL.code3, STACK3, ss]).run((c) => returnFar(c, 32, 0));
    expect([fault?.vector, fault?.errorCode]).toEqual([vector, errorCode]);
  });
});

test('real mode: CS moves, limit and rights stay', () => {
  const b = new Bench();
  b.s.csLimit = 0xffff;
  expect(b.run((c) => jumpFar(c, 0x1234n, 0x10n, 16n))).toBeUndefined();
  expect([b.s.csSelector, b.s.csBase, b.s.csAttr]).toEqual([0x1234, 0x12340n, 0x9b]);
});
