import { describe, expect, test } from 'vitest';
import { iret } from './returns.ts';
import { Bench, SEL, STACK0, STACK3 } from './testing/bench.ts';

const push = (b: Bench, bytes: 2 | 4 | 8, values: (number | bigint)[]) => {
  const at = Number(b.s.ssBase) + Number(b.s.gpr[4]) - bytes * values.length;
  values.forEach((value, i) => {
    b.memory.writePhysical((bytes * 8) as 16 | 32 | 64, at + bytes * i, BigInt(value));
  });
  b.s.gpr[4] = (b.s.gpr[4] as bigint) - BigInt(bytes * values.length);
  return b;
};

describe('protected mode', () => {
  test('same level: EIP, CS, EFLAGS', () => {
    const b = push(new Bench().standard(0), 4, [0x7000, SEL.code0, 0x243ad7]);
    b.s.nmiBlocked = 1;
    b.s.dr7 = 0x402n; // an instruction breakpoint is armed, so RF matters
    expect(b.run((c) => iret(c, 32))).toBeUndefined();
    // VM (bit 17) is clear in the image; RF and ID come from it.
    expect([b.s.rip, b.flags, b.s.nmiBlocked]).toEqual([0x7000n, 0x243ad7, 0]);
  });
  test.each([
    ['ring 3, IOPL 0 keeps IF and IOPL', 3, 0, 0x3000, 0x202],
    ['ring 3, IOPL 3 changes IF', 3, 3, 0x3000, 0x3002],
    ['ring 0 changes all', 0, 0, 0x3000, 0x3002],
  ] as const)('%s', (_name, cpl, iopl, image, flags) => {
    const b = new Bench().standard(cpl);
    b.flags = 0x202 | (iopl << 12);
    push(b, 4, [0x7000, cpl === 0 ? SEL.code0 : SEL.code3, image]);
    b.run((c) => iret(c, 32));
    expect(b.flags).toBe(flags);
  });
  test('a 16-bit IRET keeps the upper flags', () => {
    const b = new Bench().standard(0);
    b.flags = 0x240202;
    push(b, 2, [0x7000, SEL.code0, 0x0002]).run((c) => iret(c, 16));
    expect([b.flags, b.s.rip]).toEqual([0x240002, 0x7000n]);
  });
  test('outer level takes SS:ESP', () => {
    const b = push(new Bench().standard(0), 4, [0x7000, SEL.code3, 0x202, STACK3, SEL.data3]);
    expect(b.run((c) => iret(c, 32))).toBeUndefined();
    expect([b.s.cpl, b.s.ssSelector, b.s.gpr[4], b.s.dsSelector]).toEqual([3, SEL.data3, BigInt(STACK3), 0]);
  });
  test('to virtual-8086 mode', () => {
    const b = push(new Bench().standard(0), 4, [0x50, 0x100, 0x20202, 0x80, 0x200, 0x400, 0x300, 0x500, 0x600]);
    expect(b.run((c) => iret(c, 32))).toBeUndefined();
    expect([b.s.cpl, b.s.csBase, b.s.ssBase, b.s.esSelector, b.s.dsSelector, b.s.fsSelector, b.s.gsSelector, b.s.gpr[4]]).toEqual(
      [3, 0x1000n, 0x2000n, 0x400, 0x300, 0x500, 0x600, 0x80n],
    );
    expect(b.s.dsAttr).toBe(0xf3);
  });
  test('NT without a busy task in the link is #TS', () => {
    const b = new Bench().standard(0);
    b.flags = 0x4002;
    const fault = b.run((c) => iret(c, 32));
    expect([fault?.vector, fault?.errorCode]).toEqual([10, 0]);
  });
});

describe('64-bit mode', () => {
  test('to ring 3', () => {
    const b = push(new Bench().standard(0, 'long'), 8, [0x7000, SEL.code64user, 0x10202, STACK3, SEL.data3]);
    expect(b.run((c) => iret(c, 64))).toBeUndefined();
    expect([b.s.cpl, b.s.gpr[4], b.flags, b.s.rip]).toEqual([3, BigInt(STACK3), 0x202, 0x7000n]);
  });
  test('to ring 0 with a null SS', () => {
    const b = push(new Bench().standard(0, 'long'), 8, [0x7000, SEL.code64, 0x202, STACK0 - 128, 0]);
    expect(b.run((c) => iret(c, 64))).toBeUndefined();
    expect([b.s.ssAttr & 0x10000, b.s.gpr[4]]).toEqual([0x10000, BigInt(STACK0 - 128)]);
  });
  test('to a 16-bit stack only SP is taken', () => {
    const b = new Bench().standard(0, 'long');
    b.descriptor(SEL.spare, { type: 0x13, dpl: 3, limit: 0xffff });
    push(b, 8, [0x7000, SEL.code3, 0x202, 0x12345678, SEL.spare | 3]);
    const upper = ((b.s.gpr[4] as bigint) + 40n) & ~0xffffn;
    expect(b.run((c) => iret(c, 64))).toBeUndefined();
    expect(b.s.gpr[4]).toBe(upper | 0x5678n);
  });
  test.each([
    ['NT', 0x4202, [0x7000, SEL.code64, 0x202, STACK0, 0], 13, 0],
    ['not canonical', 0x202, [0x0001_0000_0000_0000n, SEL.code64, 0x202, STACK0, 0], 13, 0],
    ['null SS in ring 3', 0x202, [0x7000, SEL.code64user, 0x202, STACK3, 3], 13, 0],
    ['null SS for 32-bit code', 0x202, [0x7000, SEL.code0, 0x202, STACK0, 0], 13, 0],
    ['wrong SS', 0x202, [0x7000, SEL.code64user, 0x202, STACK3, SEL.data0], 13, SEL.data0],
  ])('%s is #GP', (_name, flags, values, vector, errorCode) => {
    const b = push(new Bench().standard(0, 'long'), 8, values);
    b.flags = flags;
    const before = b.s.gpr[4];
    const fault = b.run((c) => iret(c, 64));
    expect([fault?.vector, fault?.errorCode, b.s.gpr[4], b.s.cpl]).toEqual([vector, errorCode, before, 0]);
  });
});

describe('real and virtual-8086 mode', () => {
  test('real mode, 16 bits', () => {
    const b = new Bench();
    b.s.gpr[4] = 0x8000n;
    push(b, 2, [0x10, 0x100, 0xfed7]).run((c) => iret(c, 16));
    expect([b.s.csBase, b.s.rip, b.flags]).toEqual([0x1000n, 0x10n, 0x7ed7 & 0x3f7fd7]);
  });
  test.each([
    ['IOPL 3', 3, 0n, 0x0202, 0x23202],
    ['VME puts IF into VIF', 0, 1n, 0x0202, 0xa0202],
  ])('virtual-8086, %s', (_name, iopl, cr4, image, flags) => {
    const b = push(new Bench().vm86(iopl, cr4), 2, [0x60, 0x100, image]);
    expect(b.run((c) => iret(c, 16))).toBeUndefined();
    expect(b.flags).toBe(flags);
  });
  test.each([
    ['no VME', 0n, 0x0202, 0x20202],
    ['TF', 1n, 0x0102, 0x20202],
    ['IF with VIP', 1n, 0x0202, 0x120202],
  ])('virtual-8086 at IOPL 0 is #GP(0): %s', (_name, cr4, image, flags) => {
    const b = push(new Bench().vm86(0, cr4), 2, [0x60, 0x100, image]);
    b.flags = flags;
    expect(b.run((c) => iret(c, 16))?.errorCode).toBe(0);
  });
});
