/** RFLAGS as one number, over the lazily kept status flags of the state block. */
import { vcpuState } from './state.ts';

type State = ReturnType<(typeof vcpuState)['bind']>;

const RESULT = vcpuState.fields.flagResult.offset;
const AUX = vcpuState.fields.flagAux.offset;
const SYSTEM = vcpuState.fields.sysFlags.offset;

/** Bits of RFLAGS (SDM vol. 1, 3.4.3). */
export const FLAG = {
  C: 1,
  P: 4,
  A: 0x10,
  Z: 0x40,
  S: 0x80,
  T: 0x100,
  I: 0x200,
  D: 0x400,
  O: 0x800,
  IOPL: 0x3000,
  N: 0x4000,
  R: 0x10000,
  VM: 0x20000,
  AC: 0x40000,
  VIF: 0x80000,
  VIP: 0x100000,
  ID: 0x200000,
} as const;

const STATUS = FLAG.C | FLAG.P | FLAG.A | FLAG.Z | FLAG.S | FLAG.O;
/** Bits that exist, without the status flags. */
const SYSTEM_BITS = 0x3f7702;

/** Low byte of the result with even parity (bit n of the constant: parity of n is even). */
const evenParity = (byte: number): boolean => ((0x6996 >>> ((byte ^ (byte >>> 4)) & 15)) & 1) === 0;

/** All of RFLAGS; bits 63 to 22 are always 0. */
export function readFlags(s: State): number {
  const { u32 } = s.views;
  const at = (s.base + RESULT) >>> 2;
  const low = u32[at] as number;
  const high = u32[at + 1] as number;
  const aux = (s.base + AUX) >>> 2;
  const al = u32[aux] as number;
  const ah = u32[aux + 1] as number;
  return (
    (u32[(s.base + SYSTEM) >>> 2] as number) |
    (ah >>> 31) |
    (evenParity((low ^ (al >>> 8)) & 0xff) ? FLAG.P : 0) |
    ((al & 8) << 1) |
    ((low | high) === 0 ? FLAG.Z : 0) |
    (((high >>> 31) ^ (al & 1)) << 7) |
    (((ah >>> 31) ^ ((ah >>> 30) & 1)) << 11)
  );
}

/** Set all of RFLAGS; bits that do not exist are ignored, bit 1 is set. What depends on them is recomputed by `modeChanged`. */
export function writeFlags(s: State, value: number): void {
  const { u32 } = s.views;
  const zero = (value & FLAG.Z) !== 0;
  const at = (s.base + RESULT) >>> 2;
  u32[at] = zero ? 0 : 1;
  u32[at + 1] = 0;
  const odd = (value & FLAG.P) === 0;
  const carry = value & 1;
  const aux = (s.base + AUX) >>> 2;
  u32[aux] = ((value >>> 7) & 1) | ((value & FLAG.A) >>> 1) | (odd !== !zero ? 0x100 : 0);
  u32[aux + 1] = (carry << 31) | ((carry ^ ((value >>> 11) & 1)) << 30);
  u32[(s.base + SYSTEM) >>> 2] = (value & SYSTEM_BITS & ~STATUS) | 2;
}
