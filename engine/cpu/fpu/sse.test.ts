import { describe, expect, it } from 'vitest';
import { exactSse } from './sse.ts';

const MASKED = 0x1f80;
const FTZ = 0x8000;
const DAZ = 0x40;
/** MXCSR with one exception unmasked. */
const unmasked = (flag: number): number => MASKED & ~(flag << 7);
const mode = (rc: number): number => MASKED | (rc << 13);

const f64 = new Float64Array(1);
const u64 = new BigUint64Array(f64.buffer);
const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);
const double = (value: number): bigint => {
  f64[0] = value;
  return u64[0] as bigint;
};
const toDouble = (bits: bigint): number => {
  u64[0] = bits;
  return f64[0] as number;
};
const single = (value: number): bigint => {
  f32[0] = value;
  return BigInt(u32[0] as number);
};
const toSingle = (bits: bigint): number => {
  u32[0] = Number(bits);
  return f32[0] as number;
};

/** A generator of bits with exponents near each other, near the ends of the range, and plain random (xorshift64). */
function generator(seed: bigint): () => bigint {
  let state = seed;
  const next = (): bigint => {
    state ^= BigInt.asUintN(64, state << 13n);
    state ^= state >> 7n;
    state ^= BigInt.asUintN(64, state << 17n);
    return state;
  };
  return () => {
    const bits = next();
    const kind = next() % 4n;
    if (kind === 0n) return bits;
    const exponent = kind === 1n ? 1000n + (next() % 50n) : kind === 2n ? next() % 60n : 1990n + (next() % 57n);
    return (bits & 0x800f_ffff_ffff_ffffn) | (exponent << 52n);
  };
}

const OPS = ['add', 'sub', 'mul', 'div'] as const;
const RULES: Record<(typeof OPS)[number], (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
};

describe('arithmetic to nearest', () => {
  it.each(OPS)('%s of binary64 is what this computer calculates', (op) => {
    const random = generator(0x9e3779b97f4a7c15n);
    for (let i = 0; i < 6000; i++) {
      const [a, b] = [random(), random()];
      const expected = RULES[op](toDouble(a), toDouble(b));
      const { result } = exactSse(`${op}64`, a, b, 0, MASKED);
      if (Number.isNaN(expected)) expect(toDouble(result)).toBeNaN();
      else expect(result, `${op} ${a} ${b}`).toBe(double(expected));
    }
  });

  it.each(OPS)('%s of binary32 is what this computer calculates', (op) => {
    const random = generator(0xd1b54a32d192ed03n);
    for (let i = 0; i < 6000; i++) {
      // A double of the 24-bit operation rounds to the same single for these four operations.
      const [a, b] = [random() & 0xffffffffn, random() & 0xffffffffn];
      const expected = Math.fround(RULES[op](toSingle(a), toSingle(b)));
      const { result } = exactSse(`${op}32`, a, b, 0, MASKED);
      if (Number.isNaN(expected)) expect(toSingle(result)).toBeNaN();
      else expect(result, `${op} ${a} ${b}`).toBe(single(expected));
    }
  });

  it('square roots of both formats', () => {
    const random = generator(0x2545f4914f6cdd1dn);
    for (let i = 0; i < 6000; i++) {
      const a = random() & 0x7fff_ffff_ffff_ffffn;
      const expected = Math.sqrt(toDouble(a));
      if (!Number.isNaN(expected)) expect(exactSse('sqrt64', a, 0n, 0, MASKED).result).toBe(double(expected));
      const small = a >> 32n;
      const root = Math.fround(Math.sqrt(toSingle(small)));
      if (!Number.isNaN(root)) expect(exactSse('sqrt32', small, 0n, 0, MASKED).result).toBe(single(root));
    }
  });
});

describe('directed rounding', () => {
  it('encloses the exact result, and only inexact results differ', () => {
    const random = generator(0xda942042e4dd58b5n);
    for (let i = 0; i < 4000; i++) {
      const [a, b] = [random(), random()];
      for (const op of ['add64', 'mul64', 'div64'] as const) {
        const [down, up, zero] = [1, 2, 3].map((rc) => exactSse(op, a, b, 0, mode(rc))) as [Result, Result, Result];
        if (Number.isNaN(toDouble(down.result))) continue;
        const [low, high] = [toDouble(down.result), toDouble(up.result)];
        expect(low).toBeLessThanOrEqual(high);
        if ((down.flags & 0x20) === 0) expect(low).toBe(high);
        else expect(toDouble(zero.result)).toBe(low < 0 || Object.is(high, -0) ? high : low);
      }
    }
  });
});
type Result = ReturnType<typeof exactSse>;

const QNAN = 0xfff8000000000000n;
const INF = 0x7ff0000000000000n;
const MAX = 0x7fefffffffffffffn;
const TINY = 1n;
const LEAST = 0x0010000000000000n;
const SNAN = 0x7ff0000000000001n;
const ONE = double(1);

describe('exceptions', () => {
  it.each([
    // operation, a, b, MXCSR, result, flags, why this row
    ['sub64', INF, INF, MASKED, QNAN, 0x01, 'infinity minus itself is invalid'],
    ['mul64', INF, 0n, MASKED, QNAN, 0x01, 'infinity times zero'],
    ['div64', ONE, 0n, MASKED, INF, 0x04, 'division by zero is not inexact'],
    ['div64', TINY, 0n, MASKED, INF, 0x04, 'division by zero comes before the denormal operand'],
    ['div64', 0n, 0n, MASKED, QNAN, 0x01, 'zero by zero is invalid, no zero divide'],
    ['add64', SNAN, double(2), MASKED, 0x7ff8000000000001n, 0x01, 'a signalling NaN becomes quiet and keeps its payload'],
    ['add64', 0x7ff8000000000005n, SNAN, MASKED, 0x7ff8000000000005n, 0x01, 'the first NaN wins, even a quiet one'],
    ['add64', ONE, 0xfff8000000000007n, MASKED, 0xfff8000000000007n, 0, 'a quiet NaN passes without exception'],
    ['add64', TINY, ONE, MASKED, ONE, 0x22, 'denormal operand, inexact'],
    ['add64', TINY, ONE, MASKED | DAZ, ONE, 0, 'DAZ: it was a zero'],
    ['mul64', MAX, double(2), MASKED, INF, 0x28, 'overflow to nearest gives infinity'],
    ['mul64', MAX, double(2), mode(3), MAX, 0x28, 'overflow towards zero gives the largest number'],
    ['mul64', LEAST, double(0.5), MASKED, LEAST / 2n, 0, 'tiny but exact: masked underflow says nothing'],
    ['mul64', LEAST, double(0.5), unmasked(0x10), 0n, 0x10, 'tiny but exact: unmasked underflow is raised'],
    ['mul64', LEAST, double(0.3), MASKED, 0x0004cccccccccccdn, 0x30, 'tiny and inexact'],
    ['mul64', LEAST, double(0.5), MASKED | FTZ, 0n, 0x30, 'FTZ: tiny results vanish, exact ones too'],
    ['mul64', LEAST, double(-0.5), MASKED | FTZ, 1n << 63n, 0x30, 'FTZ keeps the sign'],
    ['mul64', 0x0010000000000001n, 0x3feffffffffffffen, MASKED, LEAST, 0x20, 'rounded up to the least normal: not tiny'],
    ['add64', TINY, MAX, unmasked(0x02), 0n, 0x02, 'an unmasked denormal operand hides what rounding would find'],
    ['min64', double(0), double(-0), MASKED, double(-0), 0, 'equal zeros: the second operand'],
    ['max64', SNAN, ONE, MASKED, ONE, 0x01, 'MAX of a NaN is the second operand'],
    ['max64', ONE, 0x7ff8000000000001n, MASKED, 0x7ff8000000000001n, 0x01, 'even a quiet NaN is invalid'],
    ['sqrt64', double(-1), 0n, MASKED, QNAN, 0x01, 'root of a negative number'],
    ['sqrt64', double(-0), 0n, MASKED, double(-0), 0, 'root of minus zero'],
    ['i32.f64.round', double(2147483647.5), 0n, MASKED, 0x80000000n, 0x01, 'rounds out of range: invalid, not inexact'],
    ['i32.f64.trunc', double(2147483647.5), 0n, MASKED, 0x7fffffffn, 0x20, 'truncates into range'],
    ['i32.f64.round', double(-2.5), 0n, MASKED, 0xfffffffen, 0x20, 'half to even'],
    ['i64.f64.trunc', double(-(2 ** 63)), 0n, MASKED, 1n << 63n, 0, 'the least integer fits'],
    ['f64.i64', 0x7fffffffffffffffn, 0n, mode(3), double(2 ** 63 - 1024), 0x20, 'towards zero from 63 bits'],
    ['f32.f64', SNAN, 0n, MASKED, 0x7fc00000n, 0x01, 'the payload that does not fit is lost, the NaN stays'],
    ['f64.f32', 1n, 0n, MASKED, double(2 ** -149), 0x02, 'a denormal becomes normal'],
    ['round64', double(2.5), 0n, MASKED, double(2), 0x20, 'to even'],
  ] as const)('%s(%i, %i) under %i', (op, a, b, mxcsr, result, flags, _why) => {
    const found = exactSse(op, a, b, 0, mxcsr);
    expect(found.flags).toBe(flags);
    if ((flags & ~(mxcsr >> 7)) === 0) expect(found.result).toBe(result);
  });

  it('rounding instructions: mode from the immediate or MXCSR, PE can be suppressed', () => {
    const halves = (imm: number, mxcsr = MASKED) =>
      [-1.5, -0.5, 0.5, 1.5].map((x) => toDouble(exactSse('round64', double(x), 0n, imm, mxcsr).result));
    expect(halves(0)).toEqual([-2, -0, 0, 2]);
    expect(halves(1)).toEqual([-2, -1, 0, 1]);
    expect(halves(2)).toEqual([-1, -0, 1, 2]);
    expect(halves(3)).toEqual([-1, -0, 0, 1]);
    expect(halves(4, mode(2))).toEqual(halves(2));
    expect(exactSse('round64', double(0.5), 0n, 8, MASKED).flags).toBe(0);
  });

  it('predicates of CMPSD for less, equal, greater and unordered', () => {
    const pairs = [
      [1, 2],
      [2, 2],
      [2, 1],
      [Number.NaN, 1],
    ] as const;
    const table = [0, 1, 2, 3, 4, 5, 6, 7].map((imm) =>
      pairs.map(([a, b]) => (exactSse('cmp64', double(a), double(b), imm, MASKED).result === 0n ? 0 : 1)).join(''),
    );
    //                     EQ      LT      LE      UNORD   NEQ     NLT     NLE     ORD
    expect(table).toEqual(['0100', '1000', '1100', '0001', '1011', '0111', '0011', '1110']);
    const quietNaN = [0, 1, 2, 3, 4, 5, 6, 7].map((imm) => exactSse('cmp64', 0x7ff8000000000000n, ONE, imm, MASKED).flags);
    expect(quietNaN).toEqual([0, 1, 1, 0, 0, 1, 1, 0]);
  });

  it('both lanes of a pair are calculated and their exceptions joined', () => {
    const pair = (low: bigint, high: bigint): bigint => low | (high << 32n);
    const a = pair(single(1), single(Number.POSITIVE_INFINITY));
    const b = pair(single(3), single(Number.POSITIVE_INFINITY));
    const { result, flags } = exactSse('div32x2', a, b, 0, MASKED);
    expect(result).toBe(pair(single(1 / 3), 0xffc00000n));
    expect(flags).toBe(0x21);
  });
});

describe('approximations', () => {
  it('stay within 1.5 * 2^-12 of the exact value', () => {
    const random = generator(0x853c49e6748fea9bn);
    for (let i = 0; i < 2000; i++) {
      const a = 0x20000000n + (random() % 0x3f000000n);
      const x = toSingle(a);
      const reciprocal = toSingle(exactSse('rcp32', a, 0n, 0, MASKED).result);
      const root = toSingle(exactSse('rsqrt32', a, 0n, 0, MASKED).result);
      expect(Math.abs(reciprocal * x - 1)).toBeLessThanOrEqual(1.5 * 2 ** -12);
      expect(Math.abs(root * Math.sqrt(x) - 1)).toBeLessThanOrEqual(1.5 * 2 ** -12);
    }
    expect(toSingle(exactSse('rcp32', single(-0), 0n, 0, MASKED).result)).toBe(Number.NEGATIVE_INFINITY);
    expect(exactSse('rsqrt32', single(-1), 0n, 0, MASKED)).toEqual({ result: 0xffc00000n, flags: 0 });
  });
});
