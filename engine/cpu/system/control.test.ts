import { describe, expect, test } from 'vitest';
import { syscall, sysenter, sysexit, sysret } from './calls.ts';
import { clts, lmsw, readControl, writeControl, xsetbv } from './control.ts';
import { Bench, SEL } from './testing/bench.ts';

const PG = 0x80000000n;
const set = (b: Bench, n: number, value: bigint) => b.run((c) => writeControl(c, n, value))?.vector;

describe('CR0', () => {
  test.each([
    ['paging without protection', 0x80000010n, 13],
    ['NW without CD', 0x20000011n, 13],
    ['upper half', 0x1_0000_0011n, 13],
    ['reserved bits are ignored', 0x1fc0ffd1n, undefined],
  ])('%s', (_name, value, vector) => {
    const b = new Bench().standard(0);
    expect(set(b, 0, value)).toBe(vector);
    if (vector === undefined) expect(b.s.cr0).toBe((value & 0xe005003fn) | 0x10n);
  });
  test('IA-32e mode begins with paging when EFER.LME and CR4.PAE are set', () => {
    const b = new Bench().standard(0);
    b.s.efer = 0x100n;
    expect(set(b, 0, PG | 0x31n)).toBe(13);
    b.s.cr4 = 0x20n;
    expect(set(b, 0, PG | 0x31n)).toBeUndefined();
    expect([b.s.efer, b.flushes]).toEqual([0x500n, ['all']]);
    expect(set(b, 0, 0x31n)).toBeUndefined();
    expect(b.s.efer).toBe(0x100n);
  });
  test('it cannot begin on a 16-bit TSS, nor end in 64-bit code or with PCIDs', () => {
    const b = new Bench().standard(0);
    Object.assign(b.s, { efer: 0x100n, cr4: 0x20n, trAttr: 0x83 });
    expect(set(b, 0, PG | 0x31n)).toBe(13);
    const long = new Bench().standard(0, 'long');
    expect(set(long, 0, 0x31n)).toBe(13);
    long.take('cs', SEL.code0);
    long.s.cr4 = 0x20020n;
    expect(set(long, 0, 0x31n)).toBe(13);
  });
  test('LMSW sets PE but does not clear it', () => {
    const b = new Bench();
    b.run((c) => lmsw(c, 0xf));
    b.run((c) => lmsw(c, 0));
    expect(b.s.cr0 & 0xfn).toBe(1n);
    b.s.cr0 |= 8n;
    b.run((c) => clts(c));
    expect(b.s.cr0 & 8n).toBe(0n);
  });
});

describe('CR3 and PDPTEs', () => {
  const pae = () => {
    const b = new Bench().standard(0);
    Object.assign(b.s, { cr4: 0x20n, cr0: PG | 0x31n });
    b.memory.view.setBigUint64(0xe000, 0x5001n, true);
    return b;
  };
  test('loading CR3 in PAE mode loads four entries', () => {
    const b = pae();
    expect(set(b, 3, 0xe000n)).toBeUndefined();
    expect([b.s.pdpte[0], b.s.pdpte[1], b.s.cr3]).toEqual([0x5001n, 0n, 0xe000n]);
  });
  test.each([0x2n, 0x20n, 1n << 40n, 1n << 63n])('reserved bit %x of a present entry is #GP', (bit) => {
    const b = pae();
    b.memory.view.setBigUint64(0xe008, 1n | bit, true);
    expect([set(b, 3, 0xe000n), b.s.cr3]).toEqual([13, 0n]);
  });
  test('in IA-32e mode: width, PCID and bit 63', () => {
    const b = new Bench().standard(0, 'long');
    expect(set(b, 3, 1n << 40n)).toBe(13);
    expect(set(b, 3, (1n << 63n) | 0x1000n)).toBe(13);
    expect(set(b, 3, 0x1000n)).toBeUndefined();
    expect(set(b, 4, 0x20020n)).toBeUndefined();
    b.flushes.length = 0;
    expect(set(b, 3, (1n << 63n) | 0x2005n)).toBeUndefined();
    expect([b.s.cr3, b.flushes]).toEqual([0x2005n, []]);
    set(b, 3, 0x2006n);
    expect(b.flushes).toEqual(['pcid 6']);
  });
});

describe('CR4', () => {
  test.each([
    ['a bit the model lacks', 0x1000020n, 13],
    ['PAE off in IA-32e mode', 0n, 13],
    ['what it has', 0x3707ffn & ~0x3000n, undefined],
  ])('%s', (_name, value, vector) => {
    expect(set(new Bench().standard(0, 'long'), 4, value)).toBe(vector);
  });
  test('PCIDE needs IA-32e mode and PCID 0', () => {
    expect(set(new Bench().standard(0), 4, 0x20000n)).toBe(13);
    const b = new Bench().standard(0, 'long');
    b.s.cr3 = 0x1001n;
    expect(set(b, 4, 0x20020n)).toBe(13);
  });
  test('qemu64 has no VME', () => {
    expect(set(new Bench('qemu64').standard(0), 4, 1n)).toBe(13);
  });
});

test('CR8 is the local APIC’s task priority', () => {
  const b = new Bench().standard(0, 'long');
  expect(set(b, 8, 16n)).toBe(13);
  expect(set(b, 8, 9n)).toBeUndefined();
  expect([b.tpr, readControl(b, 8)]).toEqual([9, 9n]);
});

test.each([1, 5, 6, 7, 9, 15])('CR%i does not exist', (n) => {
  expect(set(new Bench().standard(0), n, 0n)).toBe(6);
});

test('control registers are ring 0’s', () => {
  expect(set(new Bench().standard(3), 3, 0n)).toBe(13);
});

test.each([
  ['x87 and SSE', 3, 0, undefined],
  ['without x87', 2, 0, 13],
  ['AVX', 7, 0, 13],
  ['XCR1', 3, 1, 13],
])('XSETBV: %s', (_name, low, index, vector) => {
  const b = new Bench().standard(0, 'long');
  b.s.cr4 = 0x40020n;
  b.s.gpr[0] = BigInt(low);
  b.s.gpr[1] = BigInt(index);
  b.s.gpr[2] = 0n;
  expect(b.run((c) => xsetbv(c))?.vector).toBe(vector);
});

describe('fast system calls', () => {
  const ready = (cpl: 0 | 3) => {
    const b = new Bench().standard(cpl, 'long');
    Object.assign(b.s, {
      star: (0x23n << 48n) | (0x10n << 32n),
      lstar: 0xffffffff81000000n,
      sfmask: 0x47700n,
      sysenterCs: 0x10n,
    });
    Object.assign(b.s, { sysenterEsp: 0xffff800000001000n, sysenterEip: 0xffffffff82000000n });
    return b;
  };
  test('SYSCALL', () => {
    const b = ready(3);
    b.flags = 0x10302;
    expect(b.run((c) => syscall(c))).toBeUndefined();
    expect([b.s.rip, b.s.gpr[1], b.s.gpr[11], b.flags]).toEqual([0xffffffff81000000n, 0x5002n, 0x10302n, 2]);
    expect([b.s.csSelector, b.s.csAttr, b.s.ssSelector, b.s.ssAttr, b.s.cpl]).toEqual([0x10, 0xa09b, 0x18, 0xc093, 0]);
  });
  test('SYSRET', () => {
    const b = ready(0);
    b.s.gpr[1] = 0x7000n;
    b.s.gpr[11] = 0x3a0202n | 0x10000n;
    expect(b.run((c) => sysret(c, 64))).toBeUndefined();
    expect([b.s.csSelector, b.s.csAttr, b.s.ssSelector, b.s.cpl, b.s.rip, b.flags]).toEqual([
      0x33,
      0xa0fb,
      0x2b,
      3,
      0x7000n,
      0x380202,
    ]);
    b.s.cpl = 0;
    b.s.gpr[1] = 0x8000_0000_0000n;
    b.take('cs', SEL.code64);
    expect(b.run((c) => sysret(c, 64))?.vector).toBe(13);
    expect(b.run((c) => sysret(c, 32))).toBeUndefined();
    expect([b.s.csSelector, b.s.csAttr, b.s.rip]).toEqual([0x23, 0xc0fb, 0n]);
  });
  test('TF after SYSRET traps at once, TF that SYSCALL masks does not trap', () => {
    const b = ready(0);
    b.s.gpr[11] = 0x302n;
    b.run((c) => sysret(c, 64));
    expect([b.s.debugTraps, b.stepsSkipped]).toEqual([0x4000, 1]);
    const in3 = ready(3);
    in3.flags = 0x302;
    in3.run((c) => syscall(c));
    expect([in3.s.debugTraps, in3.stepsSkipped]).toEqual([0, 1]);
  });
  test('they need EFER.SCE and 64-bit code', () => {
    const b = ready(3);
    b.s.efer &= ~1n;
    expect(b.run((c) => syscall(c))?.vector).toBe(6);
    expect(new Bench().standard(0).run((c) => sysret(c, 32))?.vector).toBe(6);
  });
  test('SYSENTER and SYSEXIT', () => {
    const b = ready(3);
    expect(b.run((c) => sysenter(c))).toBeUndefined();
    expect([b.s.rip, b.s.gpr[4], b.s.csSelector, b.s.ssSelector, b.s.csAttr, b.flags]).toEqual([
      0xffffffff82000000n,
      0xffff800000001000n,
      0x10,
      0x18,
      0xa09b,
      2,
    ]);
    b.s.gpr[1] = 0x9000n;
    b.s.gpr[2] = 0x7000n;
    expect(b.run((c) => sysexit(c, 64))).toBeUndefined();
    expect([b.s.rip, b.s.gpr[4], b.s.csSelector, b.s.ssSelector, b.s.cpl]).toEqual([0x7000n, 0x9000n, 0x33, 0x3b, 3]);
    b.s.sysenterCs = 3n;
    expect(b.run((c) => sysenter(c))?.vector).toBe(13);
  });
});
