/**
 * Packed integer arithmetic that exists for MMX and XMM operands alike (SDM vol. 2): lane-wise operations, products, sums, shifts. MMX
 * operands are zero-extended to a vector, so nothing here depends on their size.
 */
import { defineInstruction } from '../define.ts';
import type { Emitter, Int, Vec, VecBinary, VecShift, VecUnary } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { readPacked, requireFor, writePacked } from '../mmx/state.ts';
import {
  definePacked,
  MMX,
  MMX_SSE,
  MMX_SSE2,
  noFlags,
  type PackedBody,
  packedForms,
  SSE41,
  SSE42,
  SSSE3,
} from './packed-forms.ts';
import { minimum, splatConst, zeroVec } from './vectors.ts';

/** One vector operation, destination first. */
const LANEWISE: readonly [name: string, opcode: string, op: VecBinary, feature: { mmx?: string; xmm: string }][] = [
  ['paddb', 'FC', 'i8x16.add', MMX],
  ['paddw', 'FD', 'i16x8.add', MMX],
  ['paddd', 'FE', 'i32x4.add', MMX],
  ['paddq', 'D4', 'i64x2.add', MMX_SSE2],
  ['psubb', 'F8', 'i8x16.sub', MMX],
  ['psubw', 'F9', 'i16x8.sub', MMX],
  ['psubd', 'FA', 'i32x4.sub', MMX],
  ['psubq', 'FB', 'i64x2.sub', MMX_SSE2],
  ['paddsb', 'EC', 'i8x16.add_sat_s', MMX],
  ['paddsw', 'ED', 'i16x8.add_sat_s', MMX],
  ['paddusb', 'DC', 'i8x16.add_sat_u', MMX],
  ['paddusw', 'DD', 'i16x8.add_sat_u', MMX],
  ['psubsb', 'E8', 'i8x16.sub_sat_s', MMX],
  ['psubsw', 'E9', 'i16x8.sub_sat_s', MMX],
  ['psubusb', 'D8', 'i8x16.sub_sat_u', MMX],
  ['psubusw', 'D9', 'i16x8.sub_sat_u', MMX],
  ['pcmpeqb', '74', 'i8x16.eq', MMX],
  ['pcmpeqw', '75', 'i16x8.eq', MMX],
  ['pcmpeqd', '76', 'i32x4.eq', MMX],
  ['pcmpeqq', '38 29', 'i64x2.eq', SSE41],
  ['pcmpgtb', '64', 'i8x16.gt_s', MMX],
  ['pcmpgtw', '65', 'i16x8.gt_s', MMX],
  ['pcmpgtd', '66', 'i32x4.gt_s', MMX],
  ['pcmpgtq', '38 37', 'i64x2.gt_s', SSE42],
  ['pand', 'DB', 'v128.and', MMX],
  ['por', 'EB', 'v128.or', MMX],
  ['pxor', 'EF', 'v128.xor', MMX],
  ['pavgb', 'E0', 'i8x16.avgr_u', MMX_SSE],
  ['pavgw', 'E3', 'i16x8.avgr_u', MMX_SSE],
  ['pminub', 'DA', 'i8x16.min_u', MMX_SSE],
  ['pmaxub', 'DE', 'i8x16.max_u', MMX_SSE],
  ['pminsw', 'EA', 'i16x8.min_s', MMX_SSE],
  ['pmaxsw', 'EE', 'i16x8.max_s', MMX_SSE],
  ['pminsb', '38 38', 'i8x16.min_s', SSE41],
  ['pminsd', '38 39', 'i32x4.min_s', SSE41],
  ['pminuw', '38 3A', 'i16x8.min_u', SSE41],
  ['pminud', '38 3B', 'i32x4.min_u', SSE41],
  ['pmaxsb', '38 3C', 'i8x16.max_s', SSE41],
  ['pmaxsd', '38 3D', 'i32x4.max_s', SSE41],
  ['pmaxuw', '38 3E', 'i16x8.max_u', SSE41],
  ['pmaxud', '38 3F', 'i32x4.max_u', SSE41],
  ['pmullw', 'D5', 'i16x8.mul', MMX],
  ['pmulld', '38 40', 'i32x4.mul', SSE41],
  ['pmaddwd', 'F5', 'i32x4.dot_i16x8_s', MMX],
];

const lanewise = LANEWISE.map(([name, opcode, op, feature]) =>
  definePacked(name, packedForms(opcode, feature), (e, { a, b }) => e.vec(op, a, b)),
);

const ABSOLUTE: readonly [name: string, opcode: string, op: VecUnary][] = [
  ['pabsb', '38 1C', 'i8x16.abs'],
  ['pabsw', '38 1D', 'i16x8.abs'],
  ['pabsd', '38 1E', 'i32x4.abs'],
];
const absolute = ABSOLUTE.map(([name, opcode, op]) =>
  definePacked(name, packedForms(opcode, SSSE3), (e, { b }) => e.vec1(op, b)),
);

// ---- products ----

const HIGH_WORDS = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
const LOW_WORDS = [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29];
const EVEN_DWORDS = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11];

const highProducts =
  (sign: 's' | 'u'): PackedBody =>
  (e, { a, b }) =>
    e.vecShuffle(HIGH_WORDS, e.vec(`i32x4.extmul_low_${sign}`, a, b), e.vec(`i32x4.extmul_high_${sign}`, a, b));

const evenProducts =
  (sign: 's' | 'u'): PackedBody =>
  (e, { a, b }) =>
    e.vec(`i64x2.extmul_low_${sign}`, e.vecShuffle(EVEN_DWORDS, a, a), e.vecShuffle(EVEN_DWORDS, b, b));

const products = [
  definePacked('pmulhw', packedForms('E5', MMX), highProducts('s')),
  definePacked('pmulhuw', packedForms('E4', MMX_SSE), highProducts('u')),
  definePacked('pmuludq', packedForms('F4', MMX_SSE2), evenProducts('u')),
  definePacked('pmuldq', packedForms('38 28', SSE41), evenProducts('s')),
  definePacked('pmulhrsw', packedForms('38 0B', SSSE3), (e, { a, b }) => {
    const half = splatConst(e, 32, 0x4000n);
    const rounded = (which: 'low' | 'high'): Vec =>
      e.vecShift('i32x4.shr_s', e.vec('i32x4.add', e.vec(`i32x4.extmul_${which}_s`, a, b), half), e.const(15));
    const low = rounded('low');
    return e.vecShuffle(LOW_WORDS, low, rounded('high'));
  }),
  // unsigned bytes of the destination times signed bytes of the source, added in pairs with saturation
  definePacked('pmaddubsw', packedForms('38 04', SSSE3), (e, { a, b }) => {
    const part = (half: 'low' | 'high'): Vec =>
      e.vec('i16x8.mul', e.vec1(`i16x8.extend_${half}_u`, a), e.vec1(`i16x8.extend_${half}_s`, b));
    const [low, high] = [part('low'), part('high')];
    return e.vec('i16x8.add_sat_s', e.vecShuffle(LOW_WORDS, low, high), e.vecShuffle(HIGH_WORDS, low, high));
  }),
];

// ---- sums of absolute differences ----

const sums = [
  definePacked('psadbw', packedForms('F6', MMX_SSE), (e, { a, b }) => {
    const differences = e.vec('v128.or', e.vec('i8x16.sub_sat_u', a, b), e.vec('i8x16.sub_sat_u', b, a));
    const words = e.vec(
      'i16x8.add',
      e.vec('v128.and', differences, splatConst(e, 16, 0xffn)),
      e.vecShift('i16x8.shr_u', differences, e.const(8)),
    );
    const dwords = e.vec('i32x4.dot_i16x8_s', words, splatConst(e, 16, 1n));
    const sum = e.vec('i64x2.add', dwords, e.vecShift('i64x2.shr_u', dwords, e.const(32)));
    return e.vec('v128.and', sum, splatConst(e, 64, 0xffffn));
  }),
];

// ---- signs, and-not ----

const sign = (name: string, opcode: string, shape: 'i8x16' | 'i16x8' | 'i32x4'): Definition =>
  definePacked(name, packedForms(opcode, SSSE3), (e, { a, b }) => {
    const zero = zeroVec(e);
    const negative = e.vec(`${shape}.gt_s`, zero, b);
    const signed = e.vec(`${shape}.sub`, e.vec('v128.xor', a, negative), negative);
    return e.vec('v128.andnot', signed, e.vec(`${shape}.eq`, b, zero));
  });

const signs = [
  sign('psignb', '38 08', 'i8x16'),
  sign('psignw', '38 09', 'i16x8'),
  sign('psignd', '38 0A', 'i32x4'),
  definePacked('pandn', packedForms('DF', MMX), (e, { a, b }) => e.vec('v128.andnot', b, a)),
];

// ---- shifts ----

const SHAPE_BITS = { i16x8: 16, i32x4: 32, i64x2: 64 } as const;

/** All lanes by one count: beyond the lane everything is zero, or sign for arithmetic shifts. */
function shifted(e: Emitter, op: VecShift, a: Vec, count: Int): Vec {
  const bits = SHAPE_BITS[op.slice(0, 5) as keyof typeof SHAPE_BITS];
  if (op.endsWith('shr_s')) return e.vecShift(op, a, minimum(e, count, e.const(bits - 1)));
  return e.vecSelect(e.ltU(count, e.const(bits)), e.vecShift(op, a, e.and(count, e.const(bits - 1))), zeroVec(e));
}

function shift(name: string, what: { opcode: string; immediate: string; op: VecShift }): Definition[] {
  const { opcode, immediate, op } = what;
  return [
    definePacked(name, packedForms(opcode, MMX), (e, { a, b }) => shifted(e, op, a, e.vecLane(64, b, 0))),
    defineInstruction({
      name,
      forms: [`NP 0F ${immediate} Nq,Ib feature:mmx`, `66 0F ${immediate} Ux,Ib feature:sse2`],
      flags: noFlags,
      run(e, { dst, src }) {
        requireFor(e, dst);
        writePacked(e, dst, shifted(e, op, readPacked(e, dst), e.read(src)));
      },
    }),
  ];
}

const shifts = [
  ...shift('psrlw', { opcode: 'D1', immediate: '71/2', op: 'i16x8.shr_u' }),
  ...shift('psrld', { opcode: 'D2', immediate: '72/2', op: 'i32x4.shr_u' }),
  ...shift('psrlq', { opcode: 'D3', immediate: '73/2', op: 'i64x2.shr_u' }),
  ...shift('psraw', { opcode: 'E1', immediate: '71/4', op: 'i16x8.shr_s' }),
  ...shift('psrad', { opcode: 'E2', immediate: '72/4', op: 'i32x4.shr_s' }),
  ...shift('psllw', { opcode: 'F1', immediate: '71/6', op: 'i16x8.shl' }),
  ...shift('pslld', { opcode: 'F2', immediate: '72/6', op: 'i32x4.shl' }),
  ...shift('psllq', { opcode: 'F3', immediate: '73/6', op: 'i64x2.shl' }),
];

export const packedIntegers: readonly Definition[] = [...lanewise, ...absolute, ...products, ...sums, ...signs, ...shifts];
