/**
 * Working form of every floating-point number: binary32, binary64 and the 80-bit format are unpacked into it, calculated with 96 bits
 * and rounded once. No operation here allocates: callers own the numbers.
 */

export const ZERO = 0;
export const FINITE = 1;
export const INFINITY = 2;
export const QUIET = 3;
export const SIGNALLING = 4;
/** An 80-bit encoding the x87 refuses: unnormal, pseudo-infinity, pseudo-NaN (SDM vol. 1, 8.2.2). */
export const UNSUPPORTED = 5;

/**
 * A finite number is (-1)^sign × 2^exponent × s / 2^95, where s is the 96-bit integer hi:lo:ext with bit 95 set. Bit 0 of `ext` is
 * sticky: it stands for any bits below. The words are kept as unsigned numbers. A NaN keeps its significand in hi:lo with bit 63 set,
 * so that payloads of all formats are aligned.
 */
export class Wide {
  kind = ZERO;
  sign = 0;
  exponent = 0;
  hi = 0;
  lo = 0;
  ext = 0;
  /** The source was a denormal (or pseudo-denormal) encoding. */
  denormal = false;
}

export function copyWide(to: Wide, from: Wide): void {
  to.kind = from.kind;
  to.sign = from.sign;
  to.exponent = from.exponent;
  to.hi = from.hi;
  to.lo = from.lo;
  to.ext = from.ext;
  to.denormal = from.denormal;
}

export function setZero(w: Wide, sign: number): void {
  w.kind = ZERO;
  w.sign = sign;
  w.exponent = 0;
  w.hi = 0;
  w.lo = 0;
  w.ext = 0;
  w.denormal = false;
}

export function setInfinity(w: Wide, sign: number): void {
  setZero(w, sign);
  w.kind = INFINITY;
  w.hi = 0x80000000;
}

/** The default NaN of x86: negative, quiet, payload zero (SDM vol. 1, 4.8.3.7). */
export function setDefaultNaN(w: Wide): void {
  setZero(w, 1);
  w.kind = QUIET;
  w.hi = 0xc0000000;
}

/** A signalling NaN becomes its quiet form; a quiet one stays. */
export function quiet(w: Wide): void {
  w.kind = QUIET;
  w.hi = (w.hi | 0x40000000) >>> 0;
}

export const isNaNKind = (w: Wide): boolean => w.kind === QUIET || w.kind === SIGNALLING;

/** Shift right by `count` >= 0; what falls out makes the sticky bit. The exponent is not touched. */
export function shiftRightSticky(w: Wide, count: number): void {
  if (count === 0) return;
  let { hi, lo, ext } = w;
  if (count >= 96) {
    w.ext = (hi | lo | ext) === 0 ? 0 : 1;
    w.hi = 0;
    w.lo = 0;
    return;
  }
  let sticky = 0;
  if (count >= 64) {
    sticky = lo | ext;
    ext = hi;
    lo = 0;
    hi = 0;
  } else if (count >= 32) {
    sticky = ext;
    ext = lo;
    lo = hi;
    hi = 0;
  }
  const n = count & 31;
  if (n !== 0) {
    sticky |= ext << (32 - n);
    ext = (ext >>> n) | (lo << (32 - n));
    lo = (lo >>> n) | (hi << (32 - n));
    hi >>>= n;
  }
  w.hi = hi >>> 0;
  w.lo = lo >>> 0;
  w.ext = (sticky === 0 ? ext : ext | 1) >>> 0;
}

/** Shift left until bit 95 is set and lower the exponent by as much. The number is not zero. */
export function normalize(w: Wide): void {
  let { hi, lo, ext } = w;
  let shift = 0;
  while (hi === 0) {
    hi = lo;
    lo = ext;
    ext = 0;
    shift += 32;
  }
  const n = Math.clz32(hi);
  if (n !== 0) {
    hi = (hi << n) | (lo >>> (32 - n));
    lo = (lo << n) | (ext >>> (32 - n));
    ext <<= n;
  }
  w.hi = hi >>> 0;
  w.lo = lo >>> 0;
  w.ext = ext >>> 0;
  w.exponent -= shift + n;
}
