/** Unpacking and packing of binary32, binary64 (IEEE 754) and the 80-bit format (SDM vol. 1, 4.2.2). */
import { FINITE, INFINITY, normalize, QUIET, SIGNALLING, UNSUPPORTED, type Wide, ZERO } from './wide.ts';

/** Precision in bits and exponent range of a format; results are rounded to one of these. */
export interface Format {
  readonly precision: 24 | 53 | 64;
  readonly minExponent: number;
  readonly maxExponent: number;
  /** Exponent adjustment of unmasked overflow and underflow results in registers. */
  readonly wrap: number;
}

export const BINARY32: Format = { precision: 24, minExponent: -126, maxExponent: 127, wrap: 192 };
export const BINARY64: Format = { precision: 53, minExponent: -1022, maxExponent: 1023, wrap: 1536 };
/** The x87 register format with each precision control; the exponent range is that of the register (SDM vol. 1, 8.1.5.2). */
export const EXTENDED: Format = { precision: 64, minExponent: -16382, maxExponent: 16383, wrap: 24576 };
export const EXTENDED_53: Format = { ...EXTENDED, precision: 53 };
export const EXTENDED_24: Format = { ...EXTENDED, precision: 24 };

const words64 = new BigUint64Array(1);
const words32 = new Uint32Array(words64.buffer);

/** The scratch pair through which 64-bit values change between BigInt and words without arithmetic. */
export function loadWords(value: bigint): Uint32Array {
  words64[0] = value;
  return words32;
}

/** hi:lo as an unsigned BigInt. */
export function joinWords(hi: number, lo: number): bigint {
  words32[0] = lo;
  words32[1] = hi;
  return words64[0] as bigint;
}

/** Binary32 from its bits (unsigned). */
export function unpack32(bits: number, w: Wide): void {
  const field = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  w.sign = bits >>> 31;
  w.ext = 0;
  w.lo = 0;
  w.denormal = false;
  w.hi = ((fraction << 8) | 0x80000000) >>> 0;
  w.exponent = field - 127;
  if (field === 0xff) {
    w.kind = fraction === 0 ? INFINITY : (fraction & 0x400000) === 0 ? SIGNALLING : QUIET;
  } else if (field !== 0) {
    w.kind = FINITE;
  } else if (fraction === 0) {
    w.kind = ZERO;
    w.hi = 0;
  } else {
    w.kind = FINITE;
    w.denormal = true;
    w.exponent = -126;
    w.hi = (fraction << 8) >>> 0;
    normalize(w);
  }
}

/** Binary64 from its halves (unsigned). */
export function unpack64(high: number, low: number, w: Wide): void {
  const field = (high >>> 20) & 0x7ff;
  const top = high & 0xfffff;
  w.sign = high >>> 31;
  w.ext = 0;
  w.denormal = false;
  w.lo = (low << 11) >>> 0;
  w.hi = ((top << 11) | (low >>> 21) | 0x80000000) >>> 0;
  w.exponent = field - 1023;
  if (field === 0x7ff) {
    w.kind = (top | low) === 0 ? INFINITY : (top & 0x80000) === 0 ? SIGNALLING : QUIET;
  } else if (field !== 0) {
    w.kind = FINITE;
  } else if ((top | low) === 0) {
    w.kind = ZERO;
    w.hi = 0;
  } else {
    w.kind = FINITE;
    w.denormal = true;
    w.exponent = -1022;
    w.hi = (w.hi & 0x7fffffff) >>> 0;
    normalize(w);
  }
}

/** The 80-bit format: sign and exponent (16 bits), significand halves (unsigned). */
export function unpack80(signExponent: number, hi: number, lo: number, w: Wide): void {
  const field = signExponent & 0x7fff;
  w.sign = (signExponent >>> 15) & 1;
  w.hi = hi;
  w.lo = lo;
  w.ext = 0;
  w.denormal = false;
  w.exponent = field - 16383;
  if (field === 0x7fff) {
    if (hi < 0x80000000) w.kind = UNSUPPORTED;
    else if (hi === 0x80000000 && lo === 0) w.kind = INFINITY;
    else w.kind = (hi & 0x40000000) === 0 ? SIGNALLING : QUIET;
  } else if (field !== 0) {
    w.kind = hi < 0x80000000 ? UNSUPPORTED : FINITE;
  } else if ((hi | lo) === 0) {
    w.kind = ZERO;
  } else {
    w.kind = FINITE;
    w.denormal = true;
    w.exponent = -16382;
    if (hi < 0x80000000) normalize(w);
  }
}

/** A signed integer of 64 bits in halves. */
export function unpackInteger(high: number, low: number, w: Wide): void {
  const sign = high >>> 31;
  w.sign = sign;
  w.denormal = false;
  w.ext = 0;
  w.hi = sign === 0 ? high : (~high + (low === 0 ? 1 : 0)) >>> 0;
  w.lo = sign === 0 ? low : -low >>> 0;
  w.exponent = 63;
  w.kind = FINITE;
  if ((w.hi | w.lo) !== 0) {
    normalize(w);
    return;
  }
  w.kind = ZERO;
  w.sign = 0;
}

/** Bits of a rounded number as binary32. */
export function pack32(w: Wide): number {
  const sign = w.sign << 31;
  if (w.kind === ZERO) return sign >>> 0;
  const fraction = (w.hi >>> 8) & 0x7fffff;
  if (w.kind !== FINITE) return (sign | 0x7f800000 | fraction) >>> 0;
  return (sign | ((w.hi >= 0x80000000 ? w.exponent + 127 : 0) << 23) | fraction) >>> 0;
}

/** High half of a rounded number as binary64. */
export function pack64High(w: Wide): number {
  const sign = w.sign << 31;
  if (w.kind === ZERO) return sign >>> 0;
  const top = (w.hi >>> 11) & 0xfffff;
  if (w.kind !== FINITE) return (sign | 0x7ff00000 | top) >>> 0;
  return (sign | ((w.hi >= 0x80000000 ? w.exponent + 1023 : 0) << 20) | top) >>> 0;
}

/** Low half of a rounded number as binary64. */
export function pack64Low(w: Wide): number {
  return w.kind === ZERO ? 0 : ((w.hi << 21) | (w.lo >>> 11)) >>> 0;
}

/** Sign and exponent of a rounded number in the 80-bit format; the significand is hi:lo. */
export function pack80SignExponent(w: Wide): number {
  const sign = w.sign << 15;
  if (w.kind === ZERO) return sign;
  if (w.kind !== FINITE) return sign | 0x7fff;
  return sign | (w.hi >= 0x80000000 ? w.exponent + 16383 : 0);
}
