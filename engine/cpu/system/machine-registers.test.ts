import { describe, expect, test } from 'vitest';
import { claims } from '../model/cpuid.ts';
import { CPU_MODEL_NAMES, cpuModel } from '../model/models.ts';
import { breakpointsArmed, dataBreakpoints, instructionBreakpoints, ioBreakpoints, readDebug, writeDebug } from './debug.ts';
import { deliverEvent } from './events.ts';
import { cpuid, readTsc } from './identity.ts';
import { hlt, monitor, monitorTriggered, mwait, wake, wakes } from './idle.ts';
import { cliSti, popFlags } from './interrupts.ts';
import { rdmsr, wrmsr } from './msr.ts';
import { checkPort, portIn, portOut } from './ports.ts';
import { initVcpu, startVcpu } from './reset.ts';
import { Bench, IDT, SEL, TSS } from './testing/bench.ts';

const write = (b: Bench, index: number, value: bigint) => {
  b.s.gpr[1] = BigInt(index);
  b.s.gpr[0] = value & 0xffffffffn;
  b.s.gpr[2] = value >> 32n;
  return b.run((c) => wrmsr(c))?.vector;
};
const read = (b: Bench, index: number) => {
  b.s.gpr[1] = BigInt(index);
  const fault = b.run((c) => rdmsr(c));
  return fault ? `#${fault.vector}` : ((b.s.gpr[2] as bigint) << 32n) | (b.s.gpr[0] as bigint);
};

describe('MSRs', () => {
  test.each([
    ['SYSENTER_EIP', 0x176, 0xffffffff81000000n, undefined],
    ['SYSENTER_EIP, not canonical', 0x176, 1n << 47n, 13],
    ['FS base', 0xc0000100, 0x7fffffffffffn, undefined],
    ['GS base, not canonical', 0xc0000101, 1n << 63n, 13],
    ['kernel GS base', 0xc0000102, 0xffff888000000000n, undefined],
    ['LSTAR, not canonical', 0xc0000082, 1n << 50n, 13],
    ['FMASK, upper half', 0xc0000084, 1n << 32n, 13],
    ['TSC_AUX', 0xc0000103, 5n, undefined],
    ['PAT', 0x277, 0x0007010600070106n, undefined],
    ['PAT, reserved type', 0x277, 2n, 13],
    ['MTRR default type', 0x2ff, 0xc06n, undefined],
    ['MTRR default type, reserved', 0x2ff, 0x1000n, 13],
    ['MTRR base', 0x200, 0x80000006n, undefined],
    ['MTRR base, bad type', 0x200, 0x80000007n, 13],
    ['MTRR mask beyond the width', 0x201, 1n << 40n, 13],
    ['fixed MTRR', 0x26f, 0x0606060606060606n, undefined],
    ['fixed MTRR, UC-', 0x250, 7n, 13],
    ['MTRRCAP', 0xfe, 0n, 13],
    ['machine-check status, not zero', 0x401, 1n, 13],
    ['machine-check control', 0x400, 0xffffffffffffffffn, undefined],
    ['machine-check control, some bits', 0x404, 5n, 13],
    ['machine-check address', 0x402, 5n, undefined],
    ['SPEC_CTRL', 0x48, 1n, undefined],
    ['SPEC_CTRL, reserved', 0x48, 8n, 13],
    ['nothing there', 0x12345, 0n, 13],
  ])('%s', (_name, index, value, vector) => {
    const b = new Bench().standard(0, 'long');
    expect(write(b, index, value)).toBe(vector);
    if (vector === undefined) expect(read(b, index)).toBe(value);
  });
  test('EFER: reserved bits, LME only without paging, LMA is not writable', () => {
    const b = new Bench().standard(0);
    expect(write(b, 0xc0000080, 2n)).toBe(13);
    expect(write(b, 0xc0000080, 0xd01n)).toBeUndefined();
    expect(b.s.efer).toBe(0x901n);
    expect(write(new Bench().standard(0, 'long'), 0xc0000080, 0x401n)).toBe(13);
  });
  test('TSC and TSC_ADJUST move together', () => {
    const b = new Bench().standard(0, 'long');
    write(b, 0x10, 5000n);
    expect([read(b, 0x10), read(b, 0x3b)]).toEqual([5000n, 4000n]);
    write(b, 0x3b, 0n);
    expect(read(b, 0x10)).toBe(1000n);
  });
  test('the local APIC’s belong to the host, x2APIC by the model', () => {
    const b = new Bench().standard(0, 'long');
    b.hostMsrs.set(0x80b, 0n);
    expect(write(b, 0x80b, 7n)).toBeUndefined();
    expect(b.hostMsrs.get(0x80b)).toBe(7n);
    const old = new Bench('qemu64').standard(0, 'long');
    old.hostMsrs.set(0x80b, 0n);
    expect([write(old, 0x80b, 7n), write(old, 0x1b, 0xfee00d00n)]).toEqual([13, 13]);
  });
  test('ring 3 may not', () => {
    expect(read(new Bench().standard(3), 0x10)).toBe('#13');
  });
  test('with execute-disable disabled EFER.NXE cannot be set', () => {
    const b = new Bench().standard(0, 'long');
    write(b, 0x1a0, 1n << 34n);
    expect([write(b, 0xc0000080, 0xd01n), write(b, 0xc0000080, 0x501n)]).toEqual([13, undefined]);
  });
});

describe('CPUID', () => {
  const leaf = (b: Bench, eax: number, ecx = 0) => {
    b.s.gpr[0] = BigInt(eax);
    b.s.gpr[1] = BigInt(ecx);
    b.run((c) => cpuid(c));
    return [0, 3, 1, 2].map((n) => Number(b.s.gpr[n]));
  };
  test('vendor and brand', () => {
    const b = new Bench().standard(0, 'long');
    const text = (words: (number | undefined)[]) =>
      words.map((w) => String.fromCharCode(...[0, 8, 16, 24].map((shift) => ((w ?? 0) >>> shift) & 0xff))).join('');
    const [, ebx, ecx, edx] = leaf(b, 0);
    expect(text([ebx, edx, ecx])).toBe('GenuineIntel');
    expect(text([2, 3, 4].flatMap((n) => leaf(b, 0x80000000 + n))).replace(/\0+$/, '')).toBe('Rootmode x86-64-v2 processor');
  });
  test('nothing of AVX, AES, FMA, MOVBE, RDRAND, BMI, hypervisor; VMX only where the name says it', () => {
    for (const name of CPU_MODEL_NAMES) {
      const b = new Bench(name).standard(0, 'long');
      const [, , ecx1 = -1] = leaf(b, 1);
      for (const bit of [1, 6, 12, 22, 25, 28, 29, 30, 31]) expect((ecx1 >>> bit) & 1).toBe(0);
      expect((ecx1 >>> 5) & 1).toBe(name.endsWith('-vmx') ? 1 : 0);
      const [, ebx7 = -1] = leaf(b, 7);
      for (const bit of [3, 5, 8, 16, 18, 19, 29]) expect((ebx7 >>> bit) & 1).toBe(0);
    }
  });
  test('dynamic bits: OSXSAVE, APIC, SYSCALL only in 64-bit code', () => {
    const b = new Bench().standard(0, 'long');
    expect((leaf(b, 1)[2] as number) & 0x8000000).toBe(0);
    b.s.cr4 |= 0x40000n;
    expect((leaf(b, 1)[2] as number) & 0x8000000).not.toBe(0);
    b.hostMsrs.set(0x1b, 0xfee00000n);
    expect((leaf(b, 1)[3] as number) & 0x200).toBe(0);
    expect((leaf(b, 0x80000001)[3] as number) & 0x800).toBe(0x800);
    b.take('cs', SEL.code0);
    expect((leaf(b, 0x80000001)[3] as number) & 0x800).toBe(0);
  });
  test('a leaf beyond the last shows the last one', () => {
    const b = new Bench().standard(0, 'long');
    expect(leaf(b, 0x40000000)).toEqual(leaf(b, 0x16));
    expect(leaf(b, 0x15)).toEqual([1, 2, 1_000_000_000, 0]);
  });
  test('models by name', () => {
    expect(CPU_MODEL_NAMES).toEqual(['x86-64-v2', 'qemu64', 'x86-64-v2-vmx']);
    expect(cpuModel('none', { tscHz: 1, apicHz: 1 })).toBeUndefined();
    expect(claims.monitor(cpuModel('qemu64', { tscHz: 1, apicHz: 1 }) as never)).toBe(false);
  });
});

describe('debug registers', () => {
  test('fixed bits and upper halves', () => {
    const b = new Bench().standard(0, 'long');
    expect(b.run((c) => writeDebug(c, 6, 0xffffffffn))).toBeUndefined();
    expect(b.run((c) => writeDebug(c, 7, 0xffffdfffn))).toBeUndefined();
    expect([b.s.dr6, b.s.dr7]).toEqual([0xffffefffn, 0xffff07ffn]);
    expect(b.run((c) => writeDebug(c, 7, 1n << 32n))?.vector).toBe(13);
  });
  test('DR4 and DR5 stand for DR6 and DR7, unless CR4.DE', () => {
    const b = new Bench().standard(0);
    expect(b.run((c) => readDebug(c, 4))).toBeUndefined();
    b.s.cr4 = 8n;
    expect(b.run((c) => readDebug(c, 4))?.vector).toBe(6);
  });
  test('GD: any access is a debug exception, which clears GD', () => {
    const b = new Bench().standard(0);
    b.gate(IDT + 8, { type: 14, selector: SEL.code0, offset: 0x6000n });
    b.s.dr7 = 0x2400n;
    expect(b.run((c) => readDebug(c, 0), { deliver: true })?.vector).toBe(1);
    expect([b.s.dr6 & 0x2000n, b.s.dr7 & 0x2000n, b.s.rip]).toEqual([0x2000n, 0n, 0x6000n]);
  });
  test('breakpoints by kind, length and alignment', () => {
    const b = new Bench().standard(0, 'long');
    b.s.dr.set([0x1000n, 0x2002n, 0x3f8n, 0x4000n]);
    // 0: execute, local; 1: write, 2 bytes, global; 2: I/O, 1 byte, local; 3: read or write, 8 bytes, local
    b.s.dr7 = BigInt(0x400 | 1 | 8 | 0x10 | 0x40) | (0n << 16n) | (5n << 20n) | (2n << 24n) | (0xbn << 28n);
    b.s.cr4 |= 8n;
    expect([breakpointsArmed(b.s, 'execute'), breakpointsArmed(b.s, 'data'), breakpointsArmed(b.s, 'io')]).toEqual([
      true,
      true,
      true,
    ]);
    expect([instructionBreakpoints(b.s, 0x1000n), instructionBreakpoints(b.s, 0x1001n)]).toEqual([1, 0]);
    expect(dataBreakpoints(b.s, 0x2003n, { size: 1, write: true })).toBe(2);
    expect(dataBreakpoints(b.s, 0x2003n, { size: 1, write: false })).toBe(0);
    expect(dataBreakpoints(b.s, 0x1fffn, { size: 4, write: true })).toBe(2);
    expect(dataBreakpoints(b.s, 0x4007n, { size: 1, write: false })).toBe(8);
    expect(dataBreakpoints(b.s, 0x4008n, { size: 8, write: true })).toBe(0);
    expect(ioBreakpoints(b.s, 0x3f8, 1)).toBe(4);
    portOut(b, { port: 0x3f8, size: 1 }, 65);
    expect([b.s.debugTraps, b.ports]).toEqual([4, [[0x3f8, 1, 65]]]);
  });
  test('an instruction breakpoint leaves RF as it is, other debug faults set it', () => {
    for (const [debug, flags] of [
      [1, 0x202],
      [0x2000, 0x10202],
    ] as const) {
      const b = new Bench().standard(0);
      b.gate(IDT + 8, { type: 14, selector: SEL.code0, offset: 0x6000n });
      deliverEvent(b, { vector: 1, kind: 'fault', debug });
      expect(b.memory.words(Number(b.s.gpr[4]) + 8, 1, 4)).toEqual([flags]);
    }
  });
});

describe('ports', () => {
  test.each([
    ['ring 0', 0, 0, 0x60, 1, undefined],
    ['ring 3 at IOPL 3', 3, 3, 0x60, 1, undefined],
    ['allowed by the map', 3, 0, 0x60, 1, undefined],
    ['denied', 3, 0, 0x61, 1, 13],
    ['a word whose second byte is denied', 3, 0, 0x60, 2, 13],
    ['beyond the TSS', 3, 0, 0xfff8, 1, 13],
  ])('%s', (_name, cpl, iopl, port, size, vector) => {
    const b = new Bench().standard(cpl as 0 | 3);
    b.flags = 0x202 | (iopl << 12);
    b.s.trLimit = 0x68 + 0x20;
    b.memory.view.setUint16(TSS + 102, 0x68, true);
    b.memory.bytes[TSS + 0x68 + 0x0c] = 0x02;
    expect(b.run((c) => checkPort(c, port, size))?.vector).toBe(vector);
  });
  test('virtual-8086 mode asks the map whatever IOPL is', () => {
    const b = new Bench().vm86(3);
    b.memory.view.setUint16(TSS + 102, 0x68, true);
    b.memory.bytes[TSS + 0x68 + 0x0c] = 0x01;
    expect([b.run((c) => portIn(c, 0x60, 1))?.vector, b.run((c) => portIn(c, 0x61, 1))]).toEqual([13, undefined]);
  });
  test('a 16-bit TSS has no map', () => {
    const b = new Bench().standard(3);
    b.s.trAttr = 0x83;
    expect(b.run((c) => checkPort(c, 0x80, 1))?.vector).toBe(13);
  });
});

describe('virtual interrupt flag', () => {
  test.each([
    ['PVI sets VIF', 0x202, 2n, true, 0x80202, undefined],
    ['PVI with VIP', 0x100202, 2n, true, 0x100202, 13],
    ['PVI clears VIF', 0x80202, 2n, false, 0x202, undefined],
    ['no PVI', 0x202, 0n, false, 0x202, 13],
    ['IOPL 3', 0x3202, 0n, false, 0x3002, undefined],
  ])('CLI/STI in ring 3: %s', (_name, flags, cr4, set, after, vector) => {
    const b = new Bench().standard(3);
    b.flags = flags;
    b.s.cr4 = cr4;
    expect([b.run((c) => cliSti(c, set))?.vector, b.flags]).toEqual([vector, after]);
  });
  test.each([
    ['VME: IF goes to VIF', 0, 1n, 16, 0x0202, 0xa0202],
    ['IOPL 3 changes IF, not IOPL', 3, 0n, 16, 0x0002, 0x23002],
  ])('POPF in virtual-8086 mode: %s', (_name, iopl, cr4, width, value, after) => {
    const b = new Bench().vm86(iopl, cr4);
    b.run((c) => popFlags(c, value, width as 16 | 32));
    expect(b.flags).toBe(after);
  });
});

describe('idle', () => {
  test('HLT', () => {
    const b = new Bench().standard(0);
    b.run((c) => hlt(c), { length: 1 });
    expect([b.left, b.s.activity, b.s.rip]).toEqual([['halt'], 1, 0x5001n]);
    expect(wakes(b)).toBe(false);
    b.pending = true;
    expect(wakes(b)).toBe(true);
    b.flags = 2;
    expect(wakes(b)).toBe(false);
  });
  test('MWAIT waits until the line changes', () => {
    const b = new Bench().standard(0, 'long');
    b.s.gpr[1] = 0n;
    b.run((c) => monitor(c, 0x1008n));
    b.run((c) => mwait(c));
    expect([b.left, wakes(b)]).toEqual([['mwait'], false]);
    b.memory.bytes[0x103f] = 1;
    expect([wakes(b), monitorTriggered(b)]).toEqual([true, true]);
    wake(b.s);
    b.run((c) => mwait(c));
    expect(b.left).toEqual(['mwait']);
  });
  test('with ECX bit 0 an interrupt ends MWAIT although IF is 0', () => {
    const b = new Bench().standard(0, 'long');
    b.flags = 2;
    b.run((c) => monitor(c, 0x1008n));
    b.s.gpr[1] = 1n;
    b.run((c) => mwait(c));
    b.pending = true;
    expect(wakes(b)).toBe(true);
    b.s.gpr[1] = 2n;
    expect(b.run((c) => mwait(c))?.vector).toBe(13);
  });
  test('qemu64 has no MONITOR', () => {
    expect(new Bench('qemu64').standard(0, 'long').run((c) => monitor(c, 0n))?.vector).toBe(6);
  });
});

test('RDTSC under CR4.TSD', () => {
  const b = new Bench().standard(3);
  expect(readTsc(b)).toBe(1000n);
  b.s.cr4 = 4n;
  expect(b.run((c) => readTsc(c))?.vector).toBe(13);
});

test('INIT keeps what it must, SIPI starts only who waits', () => {
  const b = new Bench().standard(3, 'long');
  Object.assign(b.s, { cr0: 0xe0000031n, pat: 1n, mxcsr: 0x1fa0 });
  initVcpu(b);
  expect([b.s.cr0, b.s.efer, b.s.csBase, b.s.rip, b.s.cpl, b.s.gpr[2]]).toEqual([
    0x60000010n,
    0n,
    0xffff0000n,
    0xfff0n,
    0,
    0x206c2n,
  ]);
  expect([b.s.pat, b.s.mxcsr, b.s.activity, b.flags]).toEqual([1n, 0x1fa0, 0, 2]);
  expect(startVcpu(b, 0x9f)).toBe(false);
  b.s.activity = 3;
  expect(startVcpu(b, 0x9f)).toBe(true);
  expect([b.s.csSelector, b.s.csBase, b.s.rip]).toEqual([0x9f00, 0x9f000n, 0n]);
});
