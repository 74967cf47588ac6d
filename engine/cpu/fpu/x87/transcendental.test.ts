import { describe, expect, it } from 'vitest';
import type { X87Op } from '../../../isa/x87/ops.ts';
import { type Register, UnitStage } from '../testing/unit-stage.ts';

const [IE, ZE, PE, C2] = [1, 4, 0x20, 0x400];

/** Result of an operation on ST0, or on ST1 and ST0, given as doubles (y is pushed first). */
function result(op: X87Op, x: number, y?: number): number {
  const unit = new UnitStage();
  if (y !== undefined) unit.pushDouble(y);
  unit.pushDouble(x);
  unit.call(op);
  return unit.top;
}

const near = (found: number, expected: number): void => {
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(Math.abs(expected) * 2 ** -51);
};

const SAMPLES = Array.from({ length: 60 }, (_, i) => (((i * 7919) % 6000) - 3000) / 997 + 1e-7);

describe('against this computer', () => {
  it('circular functions', () => {
    for (const x of SAMPLES) {
      near(result('sin', x), Math.sin(x));
      near(result('cos', x), Math.cos(x));
    }
  });

  it('logarithms, powers and angles', () => {
    for (const x of SAMPLES) {
      const small = x / 4;
      near(result('f2xm1', small), Math.expm1(small * Math.LN2));
      near(result('yl2x', Math.abs(x) * 5, 3), 3 * Math.log2(Math.abs(x) * 5));
      if (small > -0.29 && small < 0.41) near(result('yl2xp1', small, 1), Math.log1p(small) / Math.LN2);
      near(result('patan', x, -1.25), Math.atan2(-1.25, x));
    }
  });
});

describe('range', () => {
  it('arguments are reduced by the 66-bit pi of the x87', () => {
    // sin of the 64-bit pi: the difference between that number and the 66-bit pi, with the sign turned.
    const unit = new UnitStage();
    unit.call('loadConstant', 3);
    unit.call('sin');
    expect(unit.st(0)).toEqual([0x8000000000000000n, 0x8000 | (16383 - 64)] satisfies Register);
  });

  it('from 2^63 on C2 says that nothing was done', () => {
    const unit = new UnitStage();
    unit.pushDouble(2 ** 63);
    unit.call('sincos');
    expect([unit.top, unit.status, unit.s.ftop]).toEqual([2 ** 63, C2, 7]);
  });

  it('tiny arguments come back', () => {
    expect(result('sin', 1e-200)).toBe(1e-200);
    expect(result('cos', 1e-200)).toBe(1);
    near(result('f2xm1', 1e-200), Math.LN2 * 1e-200);
    near(result('yl2xp1', 1e-200, 1), Math.LOG2E * 1e-200);
    near(result('patan', 1, 1e-200), 1e-200);
  });
});

describe('special values', () => {
  it.each([
    ['yl2x', 0, 1, Number.NEGATIVE_INFINITY, ZE],
    ['yl2x', -1, 1, Number.NaN, IE],
    ['yl2x', 1, 5, 0, 0],
    ['yl2x', 8, 5, 15, PE],
    ['yl2x', Number.POSITIVE_INFINITY, 0, Number.NaN, IE],
    ['yl2xp1', -0, 2, -0, 0],
    ['patan', -0, -0, -Math.PI, PE],
    ['patan', 0, 0, 0, 0],
    ['patan', Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, (3 * Math.PI) / 4, PE],
    ['patan', 0, 1, Math.PI / 2, PE],
  ] as const)('%s of x=%d y=%d', (op, x, y, expected, status) => {
    const unit = new UnitStage();
    unit.pushDouble(y);
    unit.pushDouble(x);
    unit.call(op);
    expect(unit.status & 0x3f).toBe(status);
    expect(unit.top).toBe(expected);
    expect(unit.s.ftop).toBe(7);
  });

  it('F2XM1 at the ends of its range', () => {
    expect([-1, -0, 0, 1, Number.NEGATIVE_INFINITY].map((x) => result('f2xm1', x))).toEqual([-0.5, -0, 0, 1, -1]);
  });

  it('FPTAN pushes 1, FSINCOS both results', () => {
    const unit = new UnitStage();
    unit.pushDouble(0.5);
    unit.call('ptan');
    expect(unit.st(0)).toEqual([1n << 63n, 0x3fff]);
    unit.call('free', 0, 1);
    near(unit.top, Math.tan(0.5));
    unit.initialize();
    unit.pushDouble(0.5);
    unit.call('sincos');
    near(unit.top, Math.cos(0.5));
    unit.call('free', 0, 1);
    near(unit.top, Math.sin(0.5));
  });
});
