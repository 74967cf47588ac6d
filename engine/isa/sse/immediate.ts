/** Instructions whose immediate chooses lanes: shuffles, blends, insertions, extractions, byte shifts (SDM vol. 2). */
import { defineInstruction } from '../define.ts';
import type { Emitter, Facts, Int, Operand, Vec } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { enterMmx, readPacked, requireFor, requireSse, writePacked } from '../mmx/state.ts';
import { blend, dwordSelector, laneAt, maskFromBits, minimum, moveBytes, replaceAt, wordSelector } from './vectors.ts';

function define(name: string, forms: readonly string[], run: (e: Emitter, f: Facts) => void): Definition {
  return defineInstruction({ name, forms, flags: { reads: '', writes: '' }, run });
}

/** dst from dst, src and imm. */
function mixed(
  name: string,
  forms: readonly string[],
  run: (e: Emitter, parts: { a: Vec; b: Vec; imm: Int; mmx: boolean }) => Vec,
): Definition {
  return define(name, forms, (e, { dst, src, operands }) => {
    requireFor(e, dst);
    const b = readPacked(e, src);
    const imm = e.read(operands[2] as Operand);
    writePacked(e, dst, run(e, { a: readPacked(e, dst), b, imm, mmx: dst.kind === 'mmx' }));
  });
}

const IDENTITY_LOW = 0x0706050403020100n;
const IDENTITY_HIGH = 0x0f0e0d0c0b0a0908n;
/** Swizzle indexes that give zeros. */
const NOTHING = 0x8080808080808080n;

const shuffles = [
  mixed('pshufd', ['66 0F 70 Vx,Wx,Ib feature:sse2'], (e, { b, imm }) => e.vec('i8x16.swizzle', b, dwordSelector(e, imm))),
  mixed('pshufhw', ['F3 0F 70 Vx,Wx,Ib feature:sse2'], (e, { b, imm }) =>
    e.vec('i8x16.swizzle', b, e.vecFromInts(e.const(IDENTITY_LOW), wordSelector(e, imm, 8))),
  ),
  mixed('pshuflw', ['F2 0F 70 Vx,Wx,Ib feature:sse2'], (e, { b, imm }) =>
    e.vec('i8x16.swizzle', b, e.vecFromInts(wordSelector(e, imm, 0), e.const(IDENTITY_HIGH))),
  ),
  mixed('pshufw', ['NP 0F 70 Pq,Qq,Ib feature:sse'], (e, { b, imm }) =>
    e.vec('i8x16.swizzle', b, e.vecFromInts(wordSelector(e, imm, 0), e.const(NOTHING))),
  ),
  mixed('shufps', ['NP 0F C6 Vps,Wps,Ib feature:sse'], (e, { a, b, imm }) => {
    const selector = dwordSelector(e, imm);
    const from = (source: Vec): Vec => e.vec('i8x16.swizzle', source, selector);
    return e.vecShuffle([0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31], from(a), from(b));
  }),
  mixed('shufpd', ['66 0F C6 Vpd,Wpd,Ib feature:sse2'], (e, { a, b, imm }) => {
    const half = (source: Vec, bit: number): Int => e.select(e.bit(imm, bit), e.vecLane(64, source, 1), e.vecLane(64, source, 0));
    return e.vecFromInts(half(a, 0), half(b, 1));
  }),
  mixed('palignr', ['NP 0F 3A 0F Pq,Qq,Ib feature:ssse3', '66 0F 3A 0F Vx,Wx,Ib feature:ssse3'], (e, { a, b, imm, mmx }) => {
    if (mmx) {
      const both = e.vecFromInts(e.vecLane(64, b, 0), e.vecLane(64, a, 0));
      return moveBytes(e, both, minimum(e, imm, e.const(16)));
    }
    const by = minimum(e, imm, e.const(32));
    return e.vec('v128.or', moveBytes(e, b, by), moveBytes(e, a, e.sub(8, by, e.const(16))));
  }),
  mixed('pblendw', ['66 0F 3A 0E Vx,Wx,Ib feature:sse41'], (e, { a, b, imm }) => blend(e, maskFromBits(e, 16, imm), b, a)),
  mixed('blendps', ['66 0F 3A 0C Vps,Wps,Ib feature:sse41'], (e, { a, b, imm }) => blend(e, maskFromBits(e, 32, imm), b, a)),
  mixed('blendpd', ['66 0F 3A 0D Vpd,Wpd,Ib feature:sse41'], (e, { a, b, imm }) => blend(e, maskFromBits(e, 64, imm), b, a)),
  mixed('mpsadbw', ['66 0F 3A 42 Vx,Wx,Ib feature:sse41'], (e, { a, b, imm }) => {
    // Four bytes of the source against eight windows of the destination, one byte apart.
    const windows = moveBytes(e, a, e.and(imm, e.const(4)));
    const four = laneAt(e, 32, b, e.and(imm, e.const(3)));
    let sum = e.vecConst(0n, 0n);
    for (let byte = 0; byte < 4; byte++) {
      const window = e.vec1('i16x8.extend_low_u', byte === 0 ? windows : moveBytes(e, windows, e.const(byte)));
      const one = e.vecSplat(16, e.trunc(8, e.shr(64, four, e.const(8 * byte))));
      sum = e.vec('i16x8.add', sum, e.vec1('i16x8.abs', e.vec('i16x8.sub', window, one)));
    }
    return sum;
  }),
];

/** Shift of the whole register by bytes; 16 and more give zero. */
function byteShift(name: string, form: string, direction: 1 | -1): Definition {
  return define(name, [form], (e, { dst, src }) => {
    requireSse(e);
    const count = minimum(e, e.read(src), e.const(16));
    const by = direction === 1 ? count : e.neg(8, count);
    e.writeVec(dst, moveBytes(e, e.readVec(dst, true), by), true);
  });
}

const byteShifts = [
  byteShift('psrldq', '66 0F 73/3 Ux,Ib feature:sse2', 1),
  byteShift('pslldq', '66 0F 73/7 Ux,Ib feature:sse2', -1),
];

function extract(name: string, form: string, bits: 8 | 16 | 32): Definition {
  return define(name, [form], (e, { dst, src, operands }) => {
    requireSse(e);
    e.write(dst, laneAt(e, bits, e.readVec(src, true), e.read(operands[2] as Operand)));
  });
}

const extractions = [
  extract('pextrb', '66 0F 3A 14 Rd/Mb,Vx,Ib width32 feature:sse41', 8),
  extract('pextrw', '66 0F 3A 15 Rd/Mw,Vx,Ib width32 feature:sse41', 16),
  extract('extractps', '66 0F 3A 17 Ed,Vx,Ib width32 feature:sse41', 32),
  define('pextr{x,d,q}', ['66 0F 3A 16 Ey,Vx,Ib feature:sse41'], (e, { dst, src, operands }) => {
    requireSse(e);
    e.write(dst, laneAt(e, dst.width === 64 ? 64 : 32, e.readVec(src, true), e.read(operands[2] as Operand)));
  }),
  define(
    'pextrw',
    ['NP 0F C5 Gd,Nq,Ib width32 feature:sse', '66 0F C5 Gd,Ux,Ib width32 feature:sse2'],
    (e, { dst, src, operands }) => {
      requireFor(e, src);
      const imm = e.read(operands[2] as Operand);
      const mmx = src.kind === 'mmx';
      const word = laneAt(e, 16, readPacked(e, src), mmx ? e.and(imm, e.const(3)) : imm);
      if (mmx) enterMmx(e);
      e.write(dst, word);
    },
  ),
];

function insert(name: string, forms: readonly string[], bits: 8 | 16): Definition {
  return define(name, forms, (e, { dst, src, operands }) => {
    requireFor(e, dst);
    const value = e.read(src);
    const imm = e.read(operands[2] as Operand);
    const index = dst.kind === 'mmx' ? e.and(imm, e.const(3)) : imm;
    writePacked(e, dst, replaceAt(e, bits, readPacked(e, dst), { index, value: e.trunc(bits, value) }));
  });
}

const insertions = [
  insert('pinsrb', ['66 0F 3A 20 Vx,Rd/Mb,Ib width32 feature:sse41'], 8),
  insert('pinsrw', ['NP 0F C4 Pq,Rd/Mw,Ib width32 feature:sse', '66 0F C4 Vx,Rd/Mw,Ib width32 feature:sse2'], 16),
  define('pinsr{x,d,q}', ['66 0F 3A 22 Vx,Ey,Ib feature:sse41'], (e, { dst, src, operands }) => {
    requireSse(e);
    const value = e.read(src);
    const bits = src.width === 64 ? 64 : 32;
    e.writeVec(dst, replaceAt(e, bits, e.readVec(dst, true), { index: e.read(operands[2] as Operand), value }), true);
  }),
  define(
    'insertps',
    ['66 0F 3A 21 Vx,Ux,Ib feature:sse41', '66 0F 3A 21 Vx,Md,Ib feature:sse41'],
    (e, { dst, src, operands }) => {
      requireSse(e);
      const imm = e.read(operands[2] as Operand);
      const value =
        src.kind === 'mem' ? e.read(src) : laneAt(e, 32, e.readVec(src, true), e.and(e.shr(64, imm, e.const(6)), e.const(3)));
      const placed = replaceAt(e, 32, e.readVec(dst, true), { index: e.and(e.shr(64, imm, e.const(4)), e.const(3)), value });
      e.writeVec(dst, e.vec('v128.andnot', placed, maskFromBits(e, 32, imm)), true);
    },
  ),
];

export const immediateShuffles: readonly Definition[] = [...shuffles, ...byteShifts, ...extractions, ...insertions];
