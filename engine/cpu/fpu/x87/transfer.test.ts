import { describe, expect, it } from 'vitest';
import { X87_FORMAT } from '../../../isa/x87/ops.ts';
import { type Register, UnitStage } from '../testing/unit-stage.ts';

const { f32, f64, i16, i32, i64 } = X87_FORMAT;
const [IE, PE, SF, C1] = [1, 0x20, 0x40, 0x200];
const STORED = 0x10000n;

/** Push a double, store it in a format. */
function stored(value: number, format: number, options: { control?: number; truncate?: boolean } = {}) {
  const unit = new UnitStage();
  unit.pushDouble(value);
  unit.s.fcw = options.control ?? 0x37f;
  const [bits] = unit.call(options.truncate ? 'storeTruncated' : 'store', format, 1);
  return [bits, unit.status];
}

describe('integers', () => {
  it.each([
    // value, format, stored bits, status, why
    [-1, i16, 0xffffn, 0, 'negative numbers are cut to the format'],
    [32767.4, i16, 0x7fffn, PE, 'rounded down into range'],
    [32767.5, i16, 0x8000n, IE, 'rounded out of range'],
    [-32768, i16, 0x8000n, 0, 'the least integer'],
    [2.5, i32, 2n, PE, 'half to even'],
    [3.5, i32, 4n, PE | C1, 'and up: C1'],
    [-0, i64, 0n, 0, 'zero has no sign'],
    [2 ** 63, i64, 1n << 63n, IE, 'one too many'],
    [Number.NaN, i32, 0x80000000n, IE, 'no integer'],
  ] as const)('%d in format %d', (value, format, bits, status, _why) => {
    expect(stored(value, format)).toEqual([bits, status]);
  });

  it('FISTTP truncates whatever the rounding control says', () => {
    expect(stored(-2.9, i32, { control: 0x77f, truncate: true })).toEqual([0xfffffffen, PE]);
  });

  it('load and store again', () => {
    const unit = new UnitStage();
    for (const value of [0n, 1n, 0x7fffffffffffffffn, 1n << 63n, 0xffffffffffffffffn]) {
      unit.initialize();
      unit.call('load', value, i64);
      expect(unit.call('store', i64, 1)).toEqual([value, 1n]);
    }
  });
});

describe('floating formats', () => {
  it('rounds doubles to singles', () => {
    expect(stored(0.1, f32)).toEqual([0x3dcccccdn, PE | C1]);
    expect(stored(1e300, f32)).toEqual([0x7f800000n, PE | C1 | 8]);
    expect(stored(1e-300, f32)).toEqual([0n, PE | 0x10]);
    expect(stored(-1.5, f64)).toEqual([0xbff8000000000000n, 0]);
  });

  it('loads of signalling NaNs are invalid, of 80 bits never', () => {
    const unit = new UnitStage();
    unit.call('load', 0x7f800001, f32);
    expect([unit.st(0), unit.status]).toEqual([[0xc000010000000000n, 0x7fff], IE]);
    unit.initialize();
    unit.push([0x8000000000000001n, 0x7fff]);
    expect([unit.st(0), unit.status]).toEqual([[0x8000000000000001n, 0x7fff], 0]);
  });

  it('constants obey the rounding control', () => {
    const pi = (control: number): Register => {
      const unit = new UnitStage();
      unit.initialize(control);
      unit.call('loadConstant', 3);
      return unit.st(0);
    };
    expect(pi(0x37f)).toEqual([0xc90fdaa22168c235n, 0x4000]);
    expect(pi(0x77f)).toEqual([0xc90fdaa22168c234n, 0x4000]);
    expect(pi(0xb7f)).toEqual([0xc90fdaa22168c235n, 0x4000]);
  });
});

describe('packed decimals', () => {
  it('load and store 18 digits', () => {
    const unit = new UnitStage();
    unit.call('loadBcd', 0x3456789012345678n, 0x8012n);
    expect(unit.top).toBe(Number(-123456789012345678n));
    expect(unit.call('storeBcd', 1)).toEqual([0x3456789012345678n, 0x8012n | STORED]);
  });

  it('what does not fit is the indefinite value', () => {
    const unit = new UnitStage();
    unit.pushDouble(1e18);
    expect(unit.call('storeBcd', 1)).toEqual([0xc000000000000000n, 0xffffn | STORED]);
    expect(unit.status).toBe(IE);
  });
});

describe('registers', () => {
  it('an empty source is a stack fault, masked or not', () => {
    const unit = new UnitStage();
    expect(unit.call('store', f64, 1)).toEqual([0xfff8000000000000n, 1n]);
    expect([unit.status, unit.s.ftop]).toEqual([IE | SF, 1]);
    unit.initialize(0x37e);
    expect(unit.call('store80', 1)).toEqual([0n, 0n]);
    expect([unit.status, unit.s.ftop]).toEqual([IE | SF | 0x8080, 0]);
  });

  it('FCMOV copies when the condition holds', () => {
    const unit = new UnitStage();
    unit.pushDouble(2);
    unit.pushDouble(1);
    unit.call('move', 1, 0);
    expect(unit.top).toBe(1);
    unit.call('move', 1, 1);
    expect(unit.top).toBe(2);
  });

  it('FCHS and FABS change the sign of anything', () => {
    const unit = new UnitStage();
    unit.push([0x8000000000000001n, 0x7fff]);
    unit.call('chs');
    expect([unit.st(0), unit.status]).toEqual([[0x8000000000000001n, 0xffff], 0]);
    unit.call('abs');
    expect(unit.st(0)).toEqual([0x8000000000000001n, 0x7fff]);
  });
});
