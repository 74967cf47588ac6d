/** Debug registers and breakpoints (SDM vol. 3, chapter 17.2 and 17.3). */
import { GuestFault, type SlowContext, type VcpuState } from '../context.ts';
import { FLAG } from '../flags.ts';
import { vcpuState } from '../state.ts';
import { raiseGp, raiseUd, requireRing0, VECTOR } from './faults.ts';
import { cr4, high32, low32 } from './registers.ts';

const CR4_DE = 8;
const DR7_AT = vcpuState.fields.dr7.offset;
export const DR6 = { BD: 0x2000, BS: 0x4000, BT: 0x8000 } as const;
const DR6_FIXED = 0xffff0ff0;
const DR6_WRITABLE = 0xe00f;
const DR7_GD = 0x2000;
const DR7_FIXED = 0x400;
const DR7_WRITABLE = 0xffff23ff;

/** Checks every MOV from or to a debug register makes; returns the register meant (4 and 5 stand for 6 and 7 without CR4.DE). */
function debugRegister(c: SlowContext, n: number): number {
  const { s } = c;
  if (n > 7 || ((n === 4 || n === 5) && (cr4(s) & CR4_DE) !== 0)) raiseUd();
  requireRing0(c);
  if ((low32(s.dr7) & DR7_GD) !== 0) throw new GuestFault(VECTOR.DB, undefined, { debug: DR6.BD });
  return n === 4 || n === 5 ? n + 2 : n;
}

export function readDebug(c: SlowContext, n: number): bigint {
  const at = debugRegister(c, n);
  if (at === 6) return c.s.dr6;
  return at === 7 ? c.s.dr7 : (c.s.dr[at] as bigint);
}

export function writeDebug(c: SlowContext, n: number, value: bigint): void {
  const { s } = c;
  const at = debugRegister(c, n);
  if (at < 4) s.dr[at] = value;
  else {
    if (high32(value) !== 0) raiseGp();
    const low = low32(value);
    if (at === 6) s.dr6 = BigInt(((low & DR6_WRITABLE) | DR6_FIXED) >>> 0);
    else s.dr7 = BigInt(((low & DR7_WRITABLE) | DR7_FIXED) >>> 0);
  }
  c.modeChanged();
}

/** Kinds of a breakpoint, DR7.R/Wn. */
const KIND = { execute: 0, write: 1, io: 2, readWrite: 3 } as const;

const LENGTHS = [1, 2, 8, 4] as const;

/** Which breakpoints of these kinds, enabled locally or globally, does [address, address + size) touch? Bits 0 to 3 as in DR6. */
function touched(s: VcpuState, kinds: number, address: bigint, size: number): number {
  const dr7 = low32(s.dr7);
  let hits = 0;
  for (let i = 0; i < 4; i++) {
    if ((dr7 & (3 << (2 * i))) === 0) continue;
    const control = (dr7 >>> (16 + 4 * i)) & 15;
    if ((kinds & (1 << (control & 3))) === 0) continue;
    const length = BigInt(LENGTHS[control >>> 2] as number);
    const start = (s.dr[i] as bigint) & ~(length - 1n);
    if (start < address + BigInt(size) && address < start + length) hits |= 1 << i;
  }
  return hits;
}

/** Is any breakpoint of the kind enabled? `data` covers both data kinds. */
export function breakpointsArmed(s: VcpuState, kind: 'execute' | 'data' | 'io'): boolean {
  const dr7 = s.views.u32[(s.base + DR7_AT) >>> 2] as number;
  if ((dr7 & 0xff) === 0) return false;
  for (let i = 0; i < 4; i++) {
    if ((dr7 & (3 << (2 * i))) === 0) continue;
    const type = (dr7 >>> (16 + 4 * i)) & 3;
    if (
      kind === 'execute' ? type === KIND.execute : kind === 'io' ? type === KIND.io && (cr4(s) & CR4_DE) !== 0 : (type & 1) !== 0
    ) {
      return true;
    }
  }
  return false;
}

/**
 * DR6 bits of instruction breakpoints at the linear address of an instruction about to be executed; 0 for none. The caller raises #DB
 * as a fault before the instruction unless RF is set.
 */
export const instructionBreakpoints = (s: VcpuState, address: bigint): number => touched(s, 1 << KIND.execute, address, 1);

/** DR6 bits of data breakpoints that an access of `size` bytes at a linear address touches: a trap after the instruction. */
export const dataBreakpoints = (
  s: VcpuState,
  address: bigint,
  access: { readonly size: number; readonly write: boolean },
): number => touched(s, access.write ? (1 << KIND.write) | (1 << KIND.readWrite) : 1 << KIND.readWrite, address, access.size);

/** DR6 bits of I/O breakpoints, with CR4.DE only: a trap after the instruction. */
export const ioBreakpoints = (s: VcpuState, port: number, size: number): number =>
  (cr4(s) & CR4_DE) === 0 ? 0 : touched(s, 1 << KIND.io, BigInt(port), size);

/**
 * Flags as IRET and task switches load them: RF only stands where an instruction breakpoint could be armed. Without one nothing could
 * tell, and every instruction that completes would have to clear it.
 */
export const resumeFlags = (s: VcpuState, flags: number): number => (breakpointsArmed(s, 'execute') ? flags : flags & ~FLAG.R);
