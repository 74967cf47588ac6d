import { describe, expect, it } from 'vitest';
import { GuestFault } from '../context.ts';
import { floatRoutines } from './routines.ts';
import { UnitStage } from './testing/unit-stage.ts';

const AREA = 64;
const HEADER = AREA + 512;
const [X87, SSE] = [1, 2];

/** A unit with a value in every part of the state, in 64-bit mode. */
function filled(): UnitStage {
  const unit = new UnitStage();
  const { s } = unit;
  Object.assign(s, {
    efer: 0x500n,
    csAttr: 0xa09b,
    mxcsr: 0x5fa3,
    xcr0: 3n,
    fop: 0x123,
    fip: 0x1122334455667788n,
    fdp: 0x99aabbccddeeff00n,
  });
  unit.pushDouble(1.5);
  unit.pushDouble(-2.25);
  s.fip = 0x1122334455667788n;
  for (let i = 0; i < 256; i++) s.xmm[i] = i ^ 0x5a;
  return unit;
}

const save = (unit: UnitStage) => ({
  registers: [unit.st(0), unit.st(1)],
  xmm: Buffer.from(unit.s.xmm.slice()).toString('hex'),
  rest: [unit.s.fcw, unit.s.fsw, unit.s.ftop, unit.s.ftag, unit.s.fop, unit.s.fip, unit.s.fdp, unit.s.mxcsr],
});

const call = (unit: UnitStage, name: 'fxsave' | 'fxrstor' | 'xsave' | 'xrstor', wide = 1n): void => {
  floatRoutines[name](unit.context, BigInt(AREA), wide, 0n, 0n);
};

/** Everything the area can hold, changed. */
function scramble(unit: UnitStage): void {
  const { s } = unit;
  s.fpr.fill(0xee);
  s.xmm.fill(0xdd);
  Object.assign(s, { fcw: 0x27f, fsw: 0x4100, ftop: 3, ftag: 0x55, fop: 7, fip: 1n, fdp: 2n, mxcsr: 0x1f80 });
}

describe('FXSAVE and FXRSTOR', () => {
  it('give everything back', () => {
    const unit = filled();
    const before = save(unit);
    call(unit, 'fxsave');
    scramble(unit);
    call(unit, 'fxrstor');
    expect(save(unit)).toEqual(before);
  });

  it('lay the area out as the manual has it', () => {
    const unit = filled();
    call(unit, 'fxsave');
    const { bytes } = unit;
    expect(bytes.getUint16(AREA, true)).toBe(0x37f);
    expect(bytes.getUint16(AREA + 2, true) >> 11).toBe(6);
    expect(bytes.getUint8(AREA + 4)).toBe(0xc0);
    expect(bytes.getUint16(AREA + 6, true)).toBe(0x123);
    expect(bytes.getBigUint64(AREA + 8, true)).toBe(0x1122334455667788n);
    expect(bytes.getUint32(AREA + 24, true)).toBe(0x5fa3);
    expect(bytes.getUint32(AREA + 28, true)).toBe(0xffff);
    expect([bytes.getBigUint64(AREA + 32, true), bytes.getUint16(AREA + 40, true)]).toEqual([9n << 60n, 0xc000]);
    expect(bytes.getUint8(AREA + 160 + 16)).toBe(16 ^ 0x5a);
    expect(bytes.getUint8(AREA + 160 + 255)).toBe(255 ^ 0x5a);
  });

  it('leave XMM8 to XMM15 alone outside 64-bit mode, and keep 32 bits of the pointers', () => {
    const unit = filled();
    unit.s.csAttr = 0xc09b;
    call(unit, 'fxsave', 0n);
    expect(unit.bytes.getUint8(AREA + 160 + 128)).toBe(0);
    expect(unit.bytes.getBigUint64(AREA + 8, true)).toBe(0x55667788n);
    unit.s.xmm.fill(0x77);
    call(unit, 'fxrstor', 0n);
    expect([unit.s.xmm[127], unit.s.xmm[128], unit.s.fip]).toEqual([127 ^ 0x5a, 0x77, 0x55667788n]);
  });

  it('bits MXCSR has not raise #GP before anything changes', () => {
    const unit = filled();
    call(unit, 'fxsave');
    unit.bytes.setUint32(AREA + 24, 0x10000, true);
    scramble(unit);
    const before = save(unit);
    expect(() => call(unit, 'fxrstor')).toThrow(expect.toSatisfy((fault) => fault instanceof GuestFault && fault.vector === 13));
    expect(save(unit)).toEqual(before);
  });
});

describe('XSAVE and XRSTOR', () => {
  const components = (unit: UnitStage, mask: number): void => {
    unit.s.gpr[0] = BigInt(mask);
    unit.s.gpr[2] = 0n;
  };

  it('save what is asked for and say so', () => {
    const unit = filled();
    unit.bytes.setBigUint64(HEADER, 4n, true);
    components(unit, SSE);
    call(unit, 'xsave');
    expect(unit.bytes.getBigUint64(HEADER, true)).toBe(4n | BigInt(SSE));
    expect([unit.bytes.getUint16(AREA, true), unit.bytes.getUint8(AREA + 160)]).toEqual([0, 0x5a]);
  });

  it('a component the area does not have is initialised', () => {
    const unit = filled();
    components(unit, X87 | SSE);
    call(unit, 'xsave');
    unit.bytes.setBigUint64(HEADER, BigInt(X87), true);
    scramble(unit);
    call(unit, 'xrstor');
    expect(unit.st(0)).toEqual([9n << 60n, 0xc000]);
    expect([unit.s.xmm[0], unit.s.xmm[255], unit.s.mxcsr]).toEqual([0, 0, 0x5fa3]);
    unit.bytes.setBigUint64(HEADER, BigInt(SSE), true);
    call(unit, 'xrstor');
    expect([unit.s.fcw, unit.s.ftag, unit.s.xmm[255]]).toEqual([0x37f, 0, 255 ^ 0x5a]);
  });

  it('components not asked for stay', () => {
    const unit = filled();
    components(unit, X87 | SSE);
    call(unit, 'xsave');
    scramble(unit);
    components(unit, X87);
    call(unit, 'xrstor');
    expect([unit.s.fcw, unit.s.xmm[0], unit.s.mxcsr]).toEqual([0x37f, 0xdd, 0x1f80]);
  });

  it.each([
    ['a component XCR0 has not', HEADER, 4n],
    ['a compacted area', HEADER + 8, 1n << 63n],
    ['a reserved part of the header', HEADER + 16, 1n],
  ] as const)('%s raises #GP', (_what, at, value) => {
    const unit = filled();
    components(unit, X87 | SSE);
    call(unit, 'xsave');
    unit.bytes.setBigUint64(at, value, true);
    expect(() => call(unit, 'xrstor')).toThrow(expect.toSatisfy((fault) => fault instanceof GuestFault && fault.vector === 13));
  });
});
