/** Numbers out of the state block: control registers, mode, segments. Everything hot avoids 64-bit values where 32 bits say it all. */
import type { SlowContext, VcpuState } from '../context.ts';
import { FLAG } from '../flags.ts';
import { vcpuState } from '../state.ts';

const { fields } = vcpuState;
const CR0_AT = fields.cr0.offset;
const CR4_AT = fields.cr4.offset;
const EFER_AT = fields.efer.offset;

export const CR0 = {
  PE: 1,
  MP: 2,
  EM: 4,
  TS: 8,
  ET: 0x10,
  NE: 0x20,
  WP: 0x10000,
  AM: 0x40000,
  NW: 0x20000000,
  CD: 0x40000000,
  PG: 0x80000000,
} as const;
export const EFER = { SCE: 1, LME: 0x100, LMA: 0x400, NXE: 0x800 } as const;

/** Low halves as numbers below 2^32. */
export const cr0 = (s: VcpuState): number => s.views.u32[(s.base + CR0_AT) >>> 2] as number;
export const cr4 = (s: VcpuState): number => s.views.u32[(s.base + CR4_AT) >>> 2] as number;
export const efer = (s: VcpuState): number => s.views.u32[(s.base + EFER_AT) >>> 2] as number;

/** Access rights, VMCS format (SDM vol. 3, 24.4.1). */
export const ATTR = {
  ACCESSED: 1,
  WRITABLE: 2,
  CONFORMING: 4,
  CODE: 8,
  S: 0x10,
  P: 0x80,
  L: 0x2000,
  DB: 0x4000,
  G: 0x8000,
  UNUSABLE: 0x10000,
} as const;

export const isProtected = (s: VcpuState): boolean => (cr0(s) & CR0.PE) !== 0;
export const isVm86 = (s: VcpuState): boolean => (s.sysFlags & FLAG.VM) !== 0;
/** IA-32e mode: 64-bit or compatibility mode. */
export const isLongActive = (s: VcpuState): boolean => (efer(s) & EFER.LMA) !== 0;
/** 64-bit mode. */
export const is64 = (s: VcpuState): boolean => (efer(s) & EFER.LMA) !== 0 && (s.csAttr & ATTR.L) !== 0;
export const iopl = (s: VcpuState): number => (s.sysFlags >>> 12) & 3;

/** 48-bit canonical (SDM vol. 1, 3.3.7.1). */
export const isCanonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;

/** Constant widths of `asUintN` compile to machine words. */
export const low32 = (value: bigint): number => Number(BigInt.asUintN(32, value));
export const high32 = (value: bigint): number => Number(BigInt.asUintN(64, value) >> 32n);

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const R11 = 11;
export const gpr = (s: VcpuState, n: number): bigint => s.gpr[n] as bigint;
/** Low half of a general register. */
export const gpr32 = (s: VcpuState, n: number): number => s.views.u32[(s.gpr.byteOffset >>> 2) + 2 * n] as number;
/** Write a 32-bit value, clearing the upper half. */
export function setGpr32(s: VcpuState, n: number, value: number): void {
  const at = (s.gpr.byteOffset >>> 2) + 2 * n;
  s.views.u32[at] = value;
  s.views.u32[at + 1] = 0;
}

/** Segment registers in encoding order. */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;

/** What one segment register holds. */
export interface SegmentValue {
  readonly selector: number;
  readonly base: bigint;
  readonly limit: number;
  readonly attr: number;
}

export function setSegment(s: VcpuState, segment: number, v: SegmentValue): void {
  switch (segment) {
    case ES:
      s.esSelector = v.selector;
      s.esBase = v.base;
      s.esLimit = v.limit;
      s.esAttr = v.attr;
      return;
    case CS:
      s.csSelector = v.selector;
      s.csBase = v.base;
      s.csLimit = v.limit;
      s.csAttr = v.attr;
      return;
    case SS:
      s.ssSelector = v.selector;
      s.ssBase = v.base;
      s.ssLimit = v.limit;
      s.ssAttr = v.attr;
      return;
    case DS:
      s.dsSelector = v.selector;
      s.dsBase = v.base;
      s.dsLimit = v.limit;
      s.dsAttr = v.attr;
      return;
    case FS:
      s.fsSelector = v.selector;
      s.fsBase = v.base;
      s.fsLimit = v.limit;
      s.fsAttr = v.attr;
      return;
    default:
      s.gsSelector = v.selector;
      s.gsBase = v.base;
      s.gsLimit = v.limit;
      s.gsAttr = v.attr;
  }
}

export function getSegment(s: VcpuState, segment: number): SegmentValue {
  switch (segment) {
    case ES:
      return { selector: s.esSelector, base: s.esBase, limit: s.esLimit, attr: s.esAttr };
    case CS:
      return { selector: s.csSelector, base: s.csBase, limit: s.csLimit, attr: s.csAttr };
    case SS:
      return { selector: s.ssSelector, base: s.ssBase, limit: s.ssLimit, attr: s.ssAttr };
    case DS:
      return { selector: s.dsSelector, base: s.dsBase, limit: s.dsLimit, attr: s.dsAttr };
    case FS:
      return { selector: s.fsSelector, base: s.fsBase, limit: s.fsLimit, attr: s.fsAttr };
    default:
      return { selector: s.gsSelector, base: s.gsBase, limit: s.gsLimit, attr: s.gsAttr };
  }
}

/** A null selector's register: unusable; base and limit are cleared, as Intel processors do. */
export const nullSegment = (selector: number, dpl: number): SegmentValue => ({
  selector,
  base: 0n,
  limit: 0,
  attr: ATTR.UNUSABLE | (dpl << 5),
});

/** A segment of virtual-8086 mode (SDM vol. 3, 20.1.1). */
export const vm86Segment = (selector: number): SegmentValue => ({
  selector,
  base: BigInt(selector << 4),
  limit: 0xffff,
  attr: 0xf3,
});

/** How a routine acting at the present CPL reaches memory. */
export const ownAccess = (c: SlowContext): 'user' | 'supervisor' => (c.s.cpl === 3 ? 'user' : 'supervisor');
