/** Exact arithmetic on finite, non-zero working numbers: results carry 96 bits with a sticky bit and are not rounded yet. */
import { FINITE, normalize, setZero, shiftRightSticky, Wide } from './wide.ts';

const shifted = new Wide();

function magnitudeLess(a: Wide, b: Wide): boolean {
  if (a.exponent !== b.exponent) return a.exponent < b.exponent;
  if (a.hi !== b.hi) return a.hi < b.hi;
  return a.lo !== b.lo ? a.lo < b.lo : a.ext < b.ext;
}

/** -1, 0 or 1 as |a| is below, equal to or above |b|; both finite and not zero. */
export function compareMagnitude(a: Wide, b: Wide): -1 | 0 | 1 {
  if (magnitudeLess(a, b)) return -1;
  return magnitudeLess(b, a) ? 1 : 0;
}

/**
 * a + b, or a - b when `negate` is 1. `out` may be a or b. An exact zero gets a positive sign: its sign depends on the rounding mode
 * and is the caller's business.
 */
export function addFinite(a: Wide, b: Wide, negate: number, out: Wide): void {
  const signB = b.sign ^ negate;
  const swap = magnitudeLess(a, b);
  const large = swap ? b : a;
  const small = swap ? a : b;
  const sign = swap ? signB : a.sign;
  const subtract = a.sign !== signB;
  shifted.hi = small.hi;
  shifted.lo = small.lo;
  shifted.ext = small.ext;
  shiftRightSticky(shifted, large.exponent - small.exponent);
  const { exponent } = large;
  let ext: number;
  let lo: number;
  let hi: number;
  if (subtract) {
    ext = large.ext - shifted.ext;
    lo = large.lo - shifted.lo;
    hi = large.hi - shifted.hi;
    if (ext < 0) {
      ext += 0x100000000;
      lo -= 1;
    }
    if (lo < 0) {
      lo += 0x100000000;
      hi -= 1;
    }
  } else {
    ext = large.ext + shifted.ext;
    lo = large.lo + shifted.lo;
    hi = large.hi + shifted.hi;
    if (ext > 0xffffffff) {
      ext -= 0x100000000;
      lo += 1;
    }
    if (lo > 0xffffffff) {
      lo -= 0x100000000;
      hi += 1;
    }
  }
  out.kind = FINITE;
  out.sign = sign;
  out.exponent = exponent;
  out.denormal = false;
  if (hi > 0xffffffff) {
    const sticky = ext & 1;
    out.ext = (((ext >>> 1) | ((lo & 1) << 31)) >>> 0) | sticky;
    out.ext >>>= 0;
    out.lo = ((lo >>> 1) | ((hi & 1) << 31)) >>> 0;
    out.hi = ((hi - 0x100000000) / 2 + 0x80000000) >>> 0;
    out.exponent = exponent + 1;
    return;
  }
  out.hi = hi;
  out.lo = lo;
  out.ext = ext;
  if (hi >= 0x80000000) return;
  if ((hi | lo | ext) === 0) setZero(out, 0);
  else normalize(out);
}

/** High 32 bits of the product of two unsigned 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const middle = ah * bl + ((al * bl) >>> 16);
  const cross = al * bh + (middle & 0xffff);
  return ah * bh + (middle >>> 16) + (cross >>> 16);
}

/** a × b of 64-bit significands (`ext` is not looked at). `out` may be a or b. */
export function multiplyFinite(a: Wide, b: Wide, out: Wide): void {
  const { hi: ah, lo: al } = a;
  const { hi: bh, lo: bl } = b;
  let w1 = mulHigh(al, bl) + (Math.imul(ah, bl) >>> 0) + (Math.imul(al, bh) >>> 0);
  const w0 = Math.imul(al, bl);
  let w2 = mulHigh(ah, bl) + mulHigh(al, bh) + (Math.imul(ah, bh) >>> 0) + Math.floor(w1 / 0x100000000);
  w1 >>>= 0;
  let w3 = mulHigh(ah, bh) + Math.floor(w2 / 0x100000000);
  w2 >>>= 0;
  out.kind = FINITE;
  out.denormal = false;
  out.sign = a.sign ^ b.sign;
  out.exponent = a.exponent + b.exponent + 1;
  if (w3 < 0x80000000) {
    w3 = ((w3 << 1) | (w2 >>> 31)) >>> 0;
    w2 = ((w2 << 1) | (w1 >>> 31)) >>> 0;
    w1 = ((w1 << 1) | (w0 >>> 31)) >>> 0;
    out.exponent -= 1;
    out.ext = (w0 << 1 !== 0 ? w1 | 1 : w1) >>> 0;
  } else out.ext = (w0 !== 0 ? w1 | 1 : w1) >>> 0;
  out.hi = w3;
  out.lo = w2;
}

/** a ÷ b of 64-bit significands. `out` may be a or b. `bits` is the precision wanted: fewer bits take less time. */
export function divideFinite(a: Wide, b: Wide, bits: 24 | 53 | 64, out: Wide): void {
  const { hi: dh, lo: dl } = b;
  let { hi: rh, lo: rl } = a;
  let exponent = a.exponent - b.exponent;
  // The first quotient bit is made 1: the remainder stays below 2 × divisor, its bit 64 is `carry`.
  let carry = 0;
  if (rh < dh || (rh === dh && rl < dl)) {
    exponent -= 1;
    carry = rh >>> 31;
    rh = ((rh << 1) | (rl >>> 31)) >>> 0;
    rl = (rl << 1) >>> 0;
  }
  let q2 = 0;
  let q1 = 0;
  let q0 = 0;
  // Two more bits than the precision: one decides the rounding, and the remainder is the sticky bit.
  const steps = bits + 2;
  for (let step = 0; step < steps; step++) {
    let bit = 0;
    if (carry !== 0 || rh > dh || (rh === dh && rl >= dl)) {
      bit = 1;
      rh = (rh - dh - (rl < dl ? 1 : 0)) >>> 0;
      rl = (rl - dl) >>> 0;
    }
    const at = step & 31;
    if (bit !== 0) {
      const mask = 0x80000000 >>> at;
      if (step < 32) q2 |= mask;
      else if (step < 64) q1 |= mask;
      else q0 |= mask;
    }
    carry = rh >>> 31;
    rh = ((rh << 1) | (rl >>> 31)) >>> 0;
    rl = (rl << 1) >>> 0;
  }
  out.kind = FINITE;
  out.denormal = false;
  out.sign = a.sign ^ b.sign;
  out.exponent = exponent;
  out.hi = q2 >>> 0;
  out.lo = q1 >>> 0;
  out.ext = ((carry | rh | rl) !== 0 ? q0 | 1 : q0) >>> 0;
}

/** Square root of a positive number. `out` may be a. */
export function squareRootFinite(a: Wide, out: Wide): void {
  // Radicand of 128 bits, two of its bits per step; remainder and root have at most 66 bits (r2:r1:r0, root in h:l).
  const odd = (a.exponent & 1) !== 0;
  let n1 = odd ? a.hi : a.hi >>> 1;
  let n0 = odd ? a.lo : ((a.lo >>> 1) | (a.hi << 31)) >>> 0;
  let extra = odd ? 0 : (a.lo & 1) << 31;
  let r2 = 0;
  let r1 = 0;
  let r0 = 0;
  let h = 0;
  let l = 0;
  for (let step = 0; step < 64; step++) {
    // remainder = remainder × 4 + next two bits
    r2 = (r2 << 2) | (r1 >>> 30);
    r1 = ((r1 << 2) | (r0 >>> 30)) >>> 0;
    r0 = ((r0 << 2) | (n1 >>> 30)) >>> 0;
    n1 = ((n1 << 2) | (n0 >>> 30)) >>> 0;
    n0 = ((n0 << 2) | (extra >>> 30)) >>> 0;
    extra = (extra << 2) >>> 0;
    // trial = root × 4 + 1
    const t2 = h >>> 30;
    const t1 = ((h << 2) | (l >>> 30)) >>> 0;
    const t0 = ((l << 2) | 1) >>> 0;
    h = ((h << 1) | (l >>> 31)) >>> 0;
    l = (l << 1) >>> 0;
    if (r2 > t2 || (r2 === t2 && (r1 > t1 || (r1 === t1 && r0 >= t0)))) {
      const b0 = r0 < t0 ? 1 : 0;
      const b1 = r1 < t1 + b0 ? 1 : 0;
      r0 = (r0 - t0) >>> 0;
      r1 = (r1 - t1 - b0) >>> 0;
      r2 = r2 - t2 - b1;
      l = (l | 1) >>> 0;
    }
  }
  // The bit after the root is 1 exactly when the remainder exceeds the root; no square root lies half-way.
  const above = r2 !== 0 || r1 > h || (r1 === h && r0 > l);
  out.kind = FINITE;
  out.denormal = false;
  out.sign = 0;
  out.exponent = Math.floor(a.exponent / 2);
  out.hi = h;
  out.lo = l;
  out.ext = ((above ? 0x80000000 : 0) | ((r2 | r1 | r0) !== 0 ? 1 : 0)) >>> 0;
}
