/** Vector expressions that several definitions share: constants, masks from immediates, lanes chosen at run time. */
import type { Emitter, Int, LaneBits, Vec } from '../emitter.ts';

const IDENTITY = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** Bytes as a constant, byte 0 lowest; missing ones are zero. */
function bytesConst(e: Emitter, bytes: readonly number[]): Vec {
  const half = (from: number): bigint =>
    bytes.slice(from, from + 8).reduce((all, byte, i) => all | (BigInt(byte & 0xff) << BigInt(8 * i)), 0n);
  return e.vecConst(half(0), half(8));
}

export const zeroVec = (e: Emitter): Vec => e.vecConst(0n, 0n);

/** The same lane value everywhere, known when the definition runs. */
export function splatConst(e: Emitter, bits: LaneBits, value: bigint): Vec {
  let half = 0n;
  for (let at = 0; at < 64; at += bits) half |= BigInt.asUintN(bits, value) << BigInt(at);
  return e.vecConst(half, half);
}

/** Lanes of all ones where bit i of `imm` is set, for lane i. */
export function maskFromBits(e: Emitter, bits: 8 | 16 | 32 | 64, imm: Int): Vec {
  const lanes = 128 / bits;
  let [low, high] = [0n, 0n];
  for (let lane = 0; lane < lanes; lane++) {
    const at = lane * bits;
    const one = 1n << BigInt(bits === 8 ? lane & 7 : lane);
    if (at < 64) low |= one << BigInt(at);
    else high |= one << BigInt(at - 64);
  }
  const which = e.vecConst(low, high);
  const spread =
    bits === 8
      ? e.vecShuffle([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1], e.vecSplat(16, imm), zeroVec(e))
      : e.vecSplat(bits, imm);
  const shape = ({ 8: 'i8x16', 16: 'i16x8', 32: 'i32x4', 64: 'i64x2' } as const)[bits];
  return e.vec(`${shape}.eq`, e.vec('v128.and', spread, which), which);
}

/** Bits of `yes` where the mask has ones, of `no` elsewhere. */
export function blend(e: Emitter, mask: Vec, yes: Vec, no: Vec): Vec {
  return e.vec('v128.or', e.vec('v128.and', yes, mask), e.vec('v128.andnot', no, mask));
}

/** The smaller of two unsigned numbers. */
export const minimum = (e: Emitter, a: Int, b: Int): Int => e.select(e.ltU(a, b), a, b);

/** Byte i of the result is byte i + by of `a`; zero outside. -16 <= by <= 32, as a two's complement byte. */
export function moveBytes(e: Emitter, a: Vec, by: Int): Vec {
  return e.vec('i8x16.swizzle', a, e.vec('i8x16.add', bytesConst(e, IDENTITY), e.vecSplat(8, by)));
}

/** The lane whose number is known only at run time (taken modulo the lane count). */
export function laneAt(e: Emitter, bits: 8 | 16 | 32 | 64, a: Vec, index: Int): Int {
  const perHalf = 64 / bits;
  const low = e.vecLane(64, a, 0);
  const high = e.vecLane(64, a, 1);
  const half = e.select(e.ne(e.and(index, e.const(perHalf)), e.const(0)), high, low);
  if (bits === 64) return half;
  const shift = e.mul(64, e.and(index, e.const(perHalf - 1)), e.const(bits));
  return e.trunc(bits, e.shr(64, half, shift));
}

/** `a` with that lane replaced by the low bits of `value`. */
export function replaceAt(e: Emitter, bits: 8 | 16 | 32 | 64, a: Vec, at: { index: Int; value: Int }): Vec {
  const shape = ({ 8: 'i8x16', 16: 'i16x8', 32: 'i32x4', 64: 'i64x2' } as const)[bits];
  const lanes = 128 / bits;
  const numbers = bytesConst(
    e,
    IDENTITY.map((byte) => (byte % (bits / 8) === 0 ? byte / (bits / 8) : 0)),
  );
  const mask = e.vec(`${shape}.eq`, numbers, e.vecSplat(bits, e.and(at.index, e.const(lanes - 1))));
  return blend(e, mask, e.vecSplat(bits, at.value), a);
}

/** Four 32-bit lanes of `a` chosen by two bits each of `selector`, from bit 0 on, as swizzle indexes. */
export function dwordSelector(e: Emitter, selector: Int): Vec {
  const indexes = (at: number): Int => {
    const lane = e.and(e.shr(64, selector, e.const(at)), e.const(3));
    return e.add(64, e.mul(64, lane, e.const(0x04040404)), e.const(0x03020100));
  };
  const pair = (at: number): Int => e.or(indexes(at), e.shl(64, indexes(at + 2), e.const(32)));
  return e.vecFromInts(pair(0), pair(4));
}

/** Four 16-bit lanes of a 64-bit half chosen likewise; byte indexes start at `base`. */
export function wordSelector(e: Emitter, selector: Int, base: 0 | 8): Int {
  let all = e.const(0);
  for (let lane = 0; lane < 4; lane++) {
    const from = e.and(e.shr(64, selector, e.const(2 * lane)), e.const(3));
    const indexes = e.add(64, e.mul(64, from, e.const(0x0202)), e.const(0x0100 + base * 0x0101));
    all = e.or(all, e.shl(64, indexes, e.const(16 * lane)));
  }
  return all;
}
