/**
 * Unsigned 128-bit fractions in two words: what the transcendental instructions calculate in. Operations cut off what is below 2^-128, so
 * each is too small by at most three units; sums of a series are too, as `series` says.
 */
import type { Int } from '../../../isa/emitter.ts';
import type { Routine } from '../routine.ts';

/** 0 ≤ value < 1 in units of 2^-128. */
export interface Fraction {
  readonly hi: Int;
  readonly lo: Int;
}

/** A fraction with its top bit set (or 0), times 2^(exponent + 1): `exponent` is that of the value, signed. */
export interface Scaled {
  readonly fraction: Fraction;
  readonly exponent: Int;
}

const WORD = (1n << 64n) - 1n;

export class Fixed {
  readonly #r: Routine;

  constructor(r: Routine) {
    this.#r = r;
  }

  constant(value: bigint): Fraction {
    const r = this.#r;
    return { hi: r.const(value >> 64n), lo: r.const(value & WORD) };
  }

  /** The whole product of two words. */
  product(a: Int, b: Int): Fraction {
    const r = this.#r;
    const half = r.const(32);
    const [aLow, aHigh, bLow, bHigh] = [r.trunc(32, a), r.shr(64, a, half), r.trunc(32, b), r.shr(64, b, half)];
    const crossA = r.add(64, r.mul(64, aHigh, bLow), r.shr(64, r.mul(64, aLow, bLow), half));
    const crossB = r.add(64, r.mul(64, aLow, bHigh), r.trunc(32, crossA));
    const hi = r.add(64, r.add(64, r.mul(64, aHigh, bHigh), r.shr(64, crossA, half)), r.shr(64, crossB, half));
    return { hi, lo: r.mul(64, a, b) };
  }

  /** Upper word of a product. */
  high(a: Int, b: Int): Int {
    return this.product(a, b).hi;
  }

  add(a: Fraction, b: Fraction): Fraction {
    const r = this.#r;
    const lo = r.add(64, a.lo, b.lo);
    return { hi: r.add(64, r.add(64, a.hi, b.hi), r.int(r.ltU(lo, b.lo))), lo };
  }

  /** Modulo 1. */
  sub(a: Fraction, b: Fraction): Fraction {
    const r = this.#r;
    return { hi: r.sub(64, r.sub(64, a.hi, b.hi), r.int(r.ltU(a.lo, b.lo))), lo: r.sub(64, a.lo, b.lo) };
  }

  /** a × b / 2^64. */
  timesWord(a: Fraction, b: Int): Fraction {
    return this.add(this.product(a.hi, b), { hi: this.#r.const(0), lo: this.high(a.lo, b) });
  }

  times(a: Fraction, b: Fraction): Fraction {
    return this.add(this.timesWord(a, b.hi), { hi: this.#r.const(0), lo: this.high(a.hi, b.lo) });
  }

  /** Down by a constant number of bits below 64. */
  down(a: Fraction, bits: number): Fraction {
    const r = this.#r;
    if (bits === 0) return a;
    const lo = r.or(r.shr(64, a.lo, r.const(bits)), r.shl(64, a.hi, r.const(64 - bits)));
    return { hi: r.shr(64, a.hi, r.const(bits)), lo };
  }

  /** Down by any number of bits from 0 to 2^63 - 1. */
  downBy(a: Fraction, bits: Int): Fraction {
    const r = this.#r;
    const zero = r.const(0);
    const across = r.shl(64, r.shl(64, a.hi, r.const(1)), r.sub(64, r.const(63), bits));
    const inWord = r.ltU(bits, r.const(64));
    const inBoth = r.ltU(bits, r.const(128));
    const shifted = r.shr(64, a.hi, bits); // modulo 64
    return {
      hi: r.select(inWord, shifted, zero),
      lo: r.select(inWord, r.or(r.shr(64, a.lo, bits), across), r.select(inBoth, shifted, zero)),
    };
  }

  /** Value of a scaled number that is below 1 as a fraction. */
  fractionOf(value: Scaled): Fraction {
    const r = this.#r;
    return this.downBy(value.fraction, r.sub(64, r.const(-1n), value.exponent));
  }

  /** The top bit of a fraction to its place. `exponent` is what it would be if it stood there already. */
  normalize(a: Fraction, exponent: Int): Scaled {
    const r = this.#r;
    const empty = r.eq(a.hi, r.const(0));
    const hi = r.select(empty, a.lo, a.hi);
    const lo = r.select(empty, r.const(0), a.lo);
    const zeros = r.clz(hi);
    const across = r.shr(64, r.shr(64, lo, r.const(1)), r.sub(64, r.const(63), zeros));
    const fraction = { hi: r.or(r.shl(64, hi, zeros), across), lo: r.shl(64, lo, zeros) };
    const moved = r.add(64, zeros, r.select(empty, r.const(64), r.const(0)));
    return { fraction, exponent: r.sub(64, exponent, moved) };
  }

  /** The same for a fraction that is at least a quarter. */
  normalizeQuarter(a: Fraction, exponent: Int): Scaled {
    const r = this.#r;
    const up = r.xor(r.shr(64, a.hi, r.const(63)), r.const(1));
    const hi = r.or(r.shl(64, a.hi, up), r.and(r.shr(64, a.lo, r.const(63)), up));
    return { fraction: { hi, lo: r.shl(64, a.lo, up) }, exponent: r.sub(64, exponent, up) };
  }

  /** value × (1 + by) or, where `minus` is all ones and not 0, value × (1 - by); by ≤ 1/2. */
  grow(value: Scaled, by: Fraction, minus: Int): Scaled {
    const r = this.#r;
    const change = this.times(value.fraction, by);
    const signed = { hi: r.xor(change.hi, minus), lo: r.xor(change.lo, minus) };
    const sum = this.add(value.fraction, signed);
    // What carries out without `minus` is 1 or more.
    const carried = r.andB(r.ltU(sum.hi, value.fraction.hi), r.eq(minus, r.const(0)));
    const halved = { hi: r.or(r.shr(64, sum.hi, r.const(1)), r.const(1n << 63n)), lo: this.down(sum, 1).lo };
    const other = this.normalizeQuarter(sum, value.exponent);
    return {
      fraction: {
        hi: r.select(carried, halved.hi, other.fraction.hi),
        lo: r.select(carried, halved.lo, other.fraction.lo),
      },
      exponent: r.select(carried, r.add(64, value.exponent, r.const(1)), other.exponent),
    };
  }

  /** Half of a/b for fractions of which b has its top bit set: long division with two digits of 64 bits, each from the upper word of b. */
  halfQuotient(a: Fraction, b: Fraction): Fraction {
    const r = this.#r;
    const zero = r.const(0);
    const half = this.down(a, 1);
    const [digit, left] = r.divU128(half.hi, half.lo, b.hi);
    const rest0 = { hi: left, lo: r.shl(64, a.lo, r.const(63)) };
    const take = this.product(digit, b.lo);
    const restVar = [r.var(zero), r.var(zero)] as const;
    const digitVar = r.var(digit);
    const below = r.orB(r.ltU(rest0.hi, take.hi), r.andB(r.eq(rest0.hi, take.hi), r.ltU(rest0.lo, take.lo)));
    const rest = this.sub(rest0, take);
    r.set(restVar[0], rest.hi);
    r.set(restVar[1], rest.lo);
    // The digit is at most two too large: adding the divisor back carries once the remainder is not negative any more.
    const negative = r.var(r.int(below));
    r.while(
      () => r.ne(r.get(negative), zero),
      () => {
        const before = { hi: r.get(restVar[0]), lo: r.get(restVar[1]) };
        const sum = this.add(before, b);
        const carries = r.orB(r.ltU(sum.hi, before.hi), r.andB(r.eq(sum.hi, before.hi), r.ltU(sum.lo, before.lo)));
        r.set(negative, r.int(r.notB(carries)));
        r.set(digitVar, r.sub(64, r.get(digitVar), r.const(1)));
        r.set(restVar[0], sum.hi);
        r.set(restVar[1], sum.lo);
      },
    );
    const next = r.var(r.const(-1n));
    r.if(r.ltU(r.get(restVar[0]), b.hi), () => {
      r.set(next, r.divU128(r.get(restVar[0]), r.get(restVar[1]), b.hi)[0]);
    });
    return { hi: r.get(digitVar), lo: r.get(next) };
  }

  /**
   * z × (1/d(1) ± z × (1/d(2) ± …)) for z < 2^-bits; `minus`: all ones for alternating signs, 0 for sums. Terms that a word holds well
   * enough are calculated in one. The result is off by less than 2^-100.
   */
  series(z: Fraction, terms: { readonly divisor: (k: number) => bigint; readonly bits: number; readonly minus: Int }): Fraction {
    const r = this.#r;
    const { divisor, bits, minus } = terms;
    const size = (k: number): number => bits * k + divisor(k).toString(2).length - 1;
    const scale = (k: number): number => Math.max(0, divisor(k).toString(2).length - 2);
    const first = (least: number): number => {
      let k = 1;
      while (size(k) < least) k++;
      return k;
    };
    const last = first(106);
    const wide = Math.min(first(42), last);
    const coefficient = (k: number, width: number): bigint => ((1n << BigInt(width + scale(k))) - 1n) / divisor(k);
    let word = r.const(coefficient(last, 64));
    for (let k = last - 1; k >= wide; k--) {
      const part = r.shr(64, this.high(z.hi, word), r.const(scale(k + 1) - scale(k)));
      word = r.add(64, r.const(coefficient(k, 64)), r.xor(part, minus));
    }
    let sum: Fraction = { hi: word, lo: r.const(0) };
    for (let k = wide - 1; k >= 1; k--) {
      const part = this.down(this.times(z, sum), scale(k + 1) - scale(k));
      sum = this.add(this.constant(coefficient(k, 128)), { hi: r.xor(part.hi, minus), lo: r.xor(part.lo, minus) });
    }
    return this.down(this.times(z, sum), scale(1));
  }
}
