import { describe, expect, it } from 'vitest';
import { UnitStage } from '../testing/unit-stage.ts';

const AT = 16;
const [REAL, PROTECTED] = [0, 1];

function prepared(): UnitStage {
  const unit = new UnitStage();
  unit.push([1n << 63n, 0x3fff], [0n, 0], [1n << 62n, 0x7fff]);
  Object.assign(unit.s, { fip: 0x12345n, fdp: 0xabcden, fop: 0x5a5, fsw: 0x0101 });
  return unit;
}

const units = (unit: UnitStage, width: 16 | 32): number[] =>
  Array.from({ length: 7 }, (_, i) =>
    width === 16 ? unit.bytes.getUint16(AT + i * 2, true) : unit.bytes.getUint32(AT + i * 4, true),
  );

const STATUS = 0x0101 | (5 << 11);
/** ST0 valid in physical register 5, a zero in 6, something special in 7. */
const TAGS = 0b10_01_00_11_11_11_11_11;

describe('images of the environment', () => {
  it.each([
    [
      '32 bits, protected',
      32,
      PROTECTED,
      [0xffff037f, 0xffff0000 + STATUS, 0xffff0000 + TAGS, 0x12345, 0x5a50000, 0xabcde, 0xffff0000],
    ],
    ['32 bits, real', 32, REAL, [0xffff037f, 0xffff0000 + STATUS, 0xffff0000 + TAGS, 0xffff2345, 0x15a5, 0xffffbcde, 0xa000]],
    ['16 bits, protected', 16, PROTECTED, [0x37f, STATUS, TAGS, 0x2345, 0, 0xbcde, 0]],
    ['16 bits, real', 16, REAL, [0x37f, STATUS, TAGS, 0x2345, 0x15a5, 0xbcde, 0xa000]],
  ] as const)('%s', (_name, width, layout, expected) => {
    const unit = prepared();
    unit.call('storeEnvironment', AT, width, layout);
    expect(units(unit, width)).toEqual(expected);
    expect(unit.s.fcw).toBe(0x37f);
  });

  it('FNSTENV masks everything afterwards, FLDENV brings masks and pending exceptions back', () => {
    const unit = prepared();
    Object.assign(unit.s, { fcw: 0x37e, fsw: 0x8081 });
    unit.call('storeEnvironment', AT, 32, PROTECTED);
    expect([unit.s.fcw, unit.s.fsw]).toEqual([0x37f, 0x0001]);
    unit.initialize();
    unit.call('loadEnvironment', AT, 32, PROTECTED);
    expect([unit.s.fcw, unit.s.fsw, unit.s.ftop, unit.s.ftag]).toEqual([0x37e, 0x8081, 5, 0xe0]);
  });

  it.each([
    [16, REAL],
    [16, PROTECTED],
    [32, REAL],
    [32, PROTECTED],
  ] as const)('FNSAVE initialises, FRSTOR gives back: %d bits, layout %d', (width, layout) => {
    const unit = prepared();
    const before = [unit.st(0), unit.st(1), unit.st(2), unit.s.ftag, unit.s.ftop, unit.s.fsw];
    unit.call('saveState', AT, width, layout);
    expect([unit.s.ftag, unit.s.ftop, unit.s.fsw, unit.s.fcw]).toEqual([0, 0, 0, 0x37f]);
    unit.s.fpr.fill(0x11);
    unit.call('restoreState', AT, width, layout);
    expect([unit.st(0), unit.st(1), unit.st(2), unit.s.ftag, unit.s.ftop, unit.s.fsw]).toEqual(before);
    if (layout === REAL) expect(unit.s.fip).toBe(0x12345n);
  });
});
