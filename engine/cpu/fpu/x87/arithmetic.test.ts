import { describe, expect, it } from 'vitest';
import { type Register, UnitStage } from '../testing/unit-stage.ts';

const [IE, DE, ZE, OE, UE, PE, SF, ES] = [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x8080];
const [C0, C1, C2, C3] = [0x100, 0x200, 0x400, 0x4000];
const ONE: Register = [1n << 63n, 0x3fff];
const NAN: Register = [3n << 62n, 0xffff];
const INFINITE: Register = [1n << 63n, 0x7fff];
const ZERO: Register = [0n, 0];

/** A second opinion: exact fractions, and rounding by the definition of each mode. */
interface Fraction {
  readonly num: bigint;
  readonly den: bigint;
}

function fractionOf([significand, signExponent]: Register): Fraction {
  const exponent = Math.max(signExponent & 0x7fff, 1) - 16383 - 63;
  const num = (signExponent & 0x8000) === 0 ? significand : -significand;
  return exponent >= 0 ? { num: num << BigInt(exponent), den: 1n } : { num, den: 1n << BigInt(-exponent) };
}

const EXACT: Record<'add' | 'sub' | 'mul' | 'div', (a: Fraction, b: Fraction) => Fraction> = {
  add: (a, b) => ({ num: a.num * b.den + b.num * a.den, den: a.den * b.den }),
  sub: (a, b) => ({ num: a.num * b.den - b.num * a.den, den: a.den * b.den }),
  mul: (a, b) => ({ num: a.num * b.num, den: a.den * b.den }),
  div: (a, b) => ({ num: a.num * b.den * (b.num < 0n ? -1n : 1n), den: a.den * (b.num < 0n ? -b.num : b.num) }),
};

const bitLength = (value: bigint): number => value.toString(2).length;

/** Rounded to `precision` bits inside the exponent range of the registers; a fraction that is not zero. */
function roundFraction({ num, den }: Fraction, precision: number, rc: number): { register: Register; flags: number } {
  const negative = num < 0n;
  const magnitude = negative ? -num : num;
  let exponent = bitLength(magnitude) - bitLength(den);
  if (exponent >= 0 ? magnitude < den << BigInt(exponent) : magnitude << BigInt(-exponent) < den) exponent -= 1;
  const unit = Math.max(exponent, -16382) - precision + 1;
  const scaled = unit >= 0 ? { n: magnitude, d: den << BigInt(unit) } : { n: magnitude << BigInt(-unit), d: den };
  const floor = scaled.n / scaled.d;
  const rest = scaled.n % scaled.d;
  const up =
    rc === 0 ? rest * 2n > scaled.d || (rest * 2n === scaled.d && (floor & 1n) === 1n) : rest !== 0n && rc === (negative ? 1 : 2);
  const significand = (floor + (up ? 1n : 0n)) << BigInt(64 - precision);
  const flags = (rest === 0n ? 0 : PE) | (up ? C1 : 0);
  const sign = negative ? 0x8000 : 0;
  if (significand >> 64n !== 0n) return { register: [significand >> 1n, sign | (exponent + 16384)], flags };
  const field = significand >> 63n === 0n ? 0 : Math.max(exponent, -16382) + 16383;
  return { register: [significand, sign | field], flags: flags | (field === 0 && rest !== 0n ? UE : 0) };
}

const exceedsRange = ({ num, den }: Fraction): boolean => bitLength(num < 0n ? -num : num) - bitLength(den) > 16380;

function randomRegisters(count: number): Register[] {
  let state = 0x853c49e6748fea9bn;
  const next = (): bigint => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return state ^ (state >> 29n);
  };
  return Array.from({ length: count }, (): Register => {
    const kind = Number(next() % 4n);
    const exponent = kind === 0 ? 1 + Number(next() % 80n) : 16383 - 40 + Number(next() % 80n);
    const significand = kind === 1 ? (next() >> 40n) << 40n : next();
    return [significand | (1n << 63n), exponent | (Number(next() & 1n) * 0x8000)];
  });
}

describe('arithmetic', () => {
  it.each(['add', 'sub', 'mul', 'div'] as const)('%s agrees with fractions under every precision and rounding', (op) => {
    const unit = new UnitStage();
    const values = randomRegisters(600);
    for (let i = 0; i + 1 < values.length; i++) {
      const [a, b] = [values[i], values[i + 1]] as [Register, Register];
      const rc = i & 3;
      const [code, precision] = (
        [
          [0, 24],
          [2, 53],
          [3, 64],
        ] as const
      )[i % 3] as readonly [number, number]; // prettier-ignore
      const exact = EXACT[op](fractionOf(a), fractionOf(b));
      if (exact.num === 0n) continue;
      unit.initialize(0x7f | (code << 8) | (rc << 10));
      unit.push(a, b);
      unit.call(op, 1, 0, 0);
      const expected = roundFraction(exact, precision, rc);
      if ((expected.register[1] & 0x7fff) === 0x7fff || exceedsRange(exact)) continue;
      expect({ register: unit.st(0), flags: unit.status }, `${op} ${a} ${b} ${precision} ${rc}`).toEqual(expected);
    }
  });

  it('square roots enclose the argument', () => {
    const unit = new UnitStage();
    for (const [significand, signExponent] of randomRegisters(300)) {
      const a: Register = [significand, signExponent & 0x7fff];
      unit.initialize(0x77f);
      unit.push(a);
      unit.call('sqrt');
      const low = fractionOf(unit.st(0));
      const exact = fractionOf(a);
      const squareBelow = (x: Fraction): boolean => x.num * x.num * exact.den <= exact.num * x.den * x.den;
      expect(squareBelow(low)).toBe(true);
      unit.initialize(0xb7f);
      unit.push(a);
      unit.call('sqrt');
      const high = fractionOf(unit.st(0));
      if ((unit.status & PE) !== 0) expect(squareBelow(high)).toBe(false);
      else expect(high.num * low.den).toBe(low.num * high.den);
    }
  });

  it.each([
    // operation, ST0, ST1, result, status, why
    ['sub', INFINITE, INFINITE, NAN, IE, 'infinity minus itself'],
    ['mul', INFINITE, ZERO, NAN, IE, 'infinity times zero'],
    ['div', ONE, ZERO, INFINITE, ZE, 'zero divide'],
    ['div', ZERO, ZERO, NAN, IE, 'zero by zero'],
    ['add', [1n << 62n, 0x3fff], ONE, NAN, IE, 'an unnormal is refused'],
    ['add', [1n, 0], ZERO, [1n, 0], DE, 'a denormal operand is reported'],
    ['add', [1n << 63n, 0], ZERO, [1n << 63n, 1], DE, 'a pseudo-denormal comes back normal'],
    ['add', [0x8000000000000001n, 0x7fff], NAN, NAN, IE, 'of a signalling and a quiet NaN the quiet one'],
    ['add', [0xd000000000000000n, 0x7fff], NAN, [0xd000000000000000n, 0x7fff], 0, 'of two quiet NaNs the larger significand'],
    ['mul', [1n << 63n, 0x7ffe], [1n << 63n, 0x7ffe], INFINITE, OE | PE | C1, 'overflow'],
    ['mul', [1n << 63n, 1], [1n << 63n, 1], ZERO, UE | PE, 'underflow to zero'],
  ] as const)('%s of %s and %s', (op, a, b, result, status, _why) => {
    const unit = new UnitStage();
    unit.push(a as Register, b as Register);
    unit.call(op, 1, 0, 0);
    expect(unit.st(0)).toEqual(result);
    expect(unit.status).toBe(status);
  });
});

describe('unmasked exceptions', () => {
  it('invalid, zero divide and denormal leave the stack alone', () => {
    const unit = new UnitStage();
    unit.initialize(0x37b);
    unit.push(ZERO, ONE);
    unit.call('div', 0, 0, 1 | 8);
    expect([unit.st(0), unit.st(1), unit.status, unit.s.ftop]).toEqual([ZERO, ONE, ZE | ES, 6]);
  });

  it('overflow and underflow give the handler a scaled result', () => {
    const unit = new UnitStage();
    unit.initialize(0x377);
    unit.push([1n << 63n, 0x7ffe], [1n << 63n, 0x7ffe]);
    unit.call('mul', 1, 0, 0);
    expect([unit.st(0), unit.status]).toEqual([[1n << 63n, 0x7ffe + 0x7ffe - 0x3fff - 0x6000], OE | ES]);
  });

  it('a store that overflows writes nothing and does not pop', () => {
    const unit = new UnitStage();
    unit.initialize(0x377);
    unit.push([1n << 63n, 0x7ffe]);
    expect(unit.call('store', 1, 1)[1]).toBe(0n);
    expect([unit.s.ftop, unit.status]).toEqual([7, OE | ES]);
  });

  it('the pointer and opcode follow', () => {
    const unit = new UnitStage();
    unit.push(ONE);
    expect(unit.s.fip).toBe(0x1234n);
  });
});

describe('stack faults', () => {
  it('underflow clears C1 and gives the default NaN', () => {
    const unit = new UnitStage();
    unit.s.fsw = C1;
    unit.call('sqrt');
    expect([unit.st(0), unit.status]).toEqual([NAN, IE | SF]);
  });

  it('overflow sets C1', () => {
    const unit = new UnitStage();
    for (let i = 0; i < 9; i++) unit.push(ONE);
    expect([unit.st(0), unit.st(1), unit.status, unit.s.ftop]).toEqual([NAN, ONE, IE | SF | C1, 7]);
  });

  it('exchange fills empty registers', () => {
    const unit = new UnitStage();
    unit.push(ONE);
    unit.call('exchange', 3);
    expect([unit.st(0), unit.st(3), unit.status]).toEqual([NAN, ONE, IE | SF]);
  });
});

describe('comparison and examination', () => {
  const compare = (op: 'com' | 'ucom', a: Register, b: Register): number => {
    const unit = new UnitStage();
    unit.push(a, b);
    unit.call(op, 1, 0, 2);
    expect(unit.s.ftag).toBe(0);
    return unit.status;
  };
  it('orders numbers and tells unordered ones', () => {
    expect(compare('com', ONE, ZERO)).toBe(0);
    expect(compare('com', ZERO, ONE)).toBe(C0);
    expect(compare('com', ZERO, [0n, 0x8000])).toBe(C3);
    expect(compare('com', [1n << 63n, 0xbfff], ONE)).toBe(C0);
    expect(compare('com', NAN, ONE)).toBe(C0 | C2 | C3 | IE);
    expect(compare('ucom', NAN, ONE)).toBe(C0 | C2 | C3);
  });

  it('FXAM names every class', () => {
    const cases: [Register | undefined, number][] = [
      [undefined, C3 | C0],
      [ZERO, C3],
      [[0n, 0x8000], C3 | C1],
      [ONE, C2],
      [[1n, 0], C3 | C2],
      [INFINITE, C2 | C0],
      [NAN, C0 | C1],
      [[1n, 0x3fff], 0],
    ];
    for (const [value, bits] of cases) {
      const unit = new UnitStage();
      if (value !== undefined) unit.push(value);
      unit.call('xam');
      expect(unit.status, String(value)).toBe(bits);
    }
  });
});

describe('partial remainder', () => {
  const remainder = (op: 'prem' | 'prem1', a: number, b: number) => {
    const unit = new UnitStage();
    unit.pushDouble(b);
    unit.pushDouble(a);
    unit.call(op);
    const q = ((unit.status & C0) !== 0 ? 4 : 0) | ((unit.status & C3) !== 0 ? 2 : 0) | ((unit.status & C1) !== 0 ? 1 : 0);
    return { value: unit.top, quotient: q, complete: (unit.status & C2) === 0 };
  };
  it('truncates or rounds the quotient and shows its low bits', () => {
    expect(remainder('prem', 17, 5)).toEqual({ value: 2, quotient: 3, complete: true });
    expect(remainder('prem1', 18, 5)).toEqual({ value: -2, quotient: 4, complete: true });
    expect(remainder('prem1', 2.5, 5)).toEqual({ value: 2.5, quotient: 0, complete: true });
    expect(remainder('prem1', 7.5, 5)).toEqual({ value: -2.5, quotient: 2, complete: true });
    expect(remainder('prem1', 4, 5)).toEqual({ value: -1, quotient: 1, complete: true });
    expect(remainder('prem', -17, 5).value).toBe(-2);
  });

  it('takes large quotients in steps', () => {
    const unit = new UnitStage();
    unit.pushDouble(3);
    unit.pushDouble(2 ** 200 + 2 ** 150);
    let steps = 0;
    do {
      unit.call('prem');
      steps++;
    } while ((unit.status & C2) !== 0);
    expect(unit.top).toBe(Number((2n ** 200n + 2n ** 150n) % 3n));
    expect(steps).toBeGreaterThan(3);
  });
});

describe('scaling', () => {
  it('FSCALE truncates the exponent, FXTRACT takes numbers apart', () => {
    const unit = new UnitStage();
    unit.pushDouble(-3.99);
    unit.pushDouble(40);
    unit.call('scale');
    expect(unit.top).toBe(5);
    unit.call('xtract');
    expect(unit.top).toBe(1.25);
    unit.call('free', 0, 1);
    expect(unit.top).toBe(2);
  });
});
