/**
 * Packed integer arithmetic that exists for MMX and XMM operands alike (SDM vol. 2). MMX operands are zero-extended to a vector, so
 * lane-wise operations need no cases; where lanes meet, the two operands of an MMX form are put side by side first.
 */
import { defineInstruction } from '../define.ts';
import type { Emitter, Int, Vec, VecBinary, VecShift, VecUnary } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { readPacked, requireFor, writePacked } from '../mmx/state.ts';
import { blend, minimum, splatConst, zeroVec } from './vectors.ts';

const noFlags = { reads: '', writes: '' } as const;

/** `mmx` is true when both operands are 64 bits, zero-extended. */
type PackedBody = (e: Emitter, operands: { a: Vec; b: Vec; mmx: boolean }) => Vec;

/** Forms for MMX (with its feature, if there is one) and XMM. */
function packedForms(opcode: string, feature: { mmx?: string; xmm: string }): string[] {
  const xmm = `66 0F ${opcode} Vx,Wx feature:${feature.xmm}`;
  return feature.mmx === undefined ? [xmm] : [`NP 0F ${opcode} Pq,Qq feature:${feature.mmx}`, xmm];
}

function definePacked(name: string, forms: readonly string[], run: PackedBody): Definition {
  return defineInstruction({
    name,
    forms,
    flags: noFlags,
    run(e, { dst, src }) {
      requireFor(e, dst);
      const b = readPacked(e, src);
      writePacked(e, dst, run(e, { a: readPacked(e, dst), b, mmx: dst.kind === 'mmx' }));
    },
  });
}

const MMX = { mmx: 'mmx', xmm: 'sse2' };
const MMX_SSE = { mmx: 'sse', xmm: 'sse2' };
const MMX_SSE2 = { mmx: 'sse2', xmm: 'sse2' };
const SSSE3 = { mmx: 'ssse3', xmm: 'ssse3' };
const SSE41 = { xmm: 'sse41' };
const SSE42 = { xmm: 'sse42' };

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

// ---- horizontal arithmetic ----

const EVEN_WORDS = LOW_WORDS;
const ODD_WORDS = HIGH_WORDS;
const EVEN_LANES32 = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
const ODD_LANES32 = [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31];

/** Both operands side by side when they are 64 bits: then one shuffle of the pair serves for both forms. */
function sideBySide(e: Emitter, { a, b, mmx }: { a: Vec; b: Vec; mmx: boolean }): [Vec, Vec] {
  if (!mmx) return [a, b];
  const both = e.vecFromInts(e.vecLane(64, a, 0), e.vecLane(64, b, 0));
  return [both, both];
}

const horizontal = (name: string, opcode: string, op: VecBinary): Definition =>
  definePacked(name, packedForms(opcode, SSSE3), (e, operands) => {
    const [first, second] = sideBySide(e, operands);
    const wide = op.startsWith('i32x4');
    const even = e.vecShuffle(wide ? EVEN_LANES32 : EVEN_WORDS, first, second);
    return e.vec(op, even, e.vecShuffle(wide ? ODD_LANES32 : ODD_WORDS, first, second));
  });

const horizontals = [
  horizontal('phaddw', '38 01', 'i16x8.add'),
  horizontal('phaddd', '38 02', 'i32x4.add'),
  horizontal('phaddsw', '38 03', 'i16x8.add_sat_s'),
  horizontal('phsubw', '38 05', 'i16x8.sub'),
  horizontal('phsubd', '38 06', 'i32x4.sub'),
  horizontal('phsubsw', '38 07', 'i16x8.sub_sat_s'),
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

// ---- packing and interleaving ----

type Narrow = Extract<VecBinary, `${string}.narrow_${string}`>;

const pack = (name: string, opcode: string, what: { op: Narrow; feature: { mmx?: string; xmm: string } }): Definition =>
  definePacked(name, packedForms(opcode, what.feature), (e, operands) => {
    const [first, second] = sideBySide(e, operands);
    return e.vec(what.op, first, second);
  });

const packs = [
  pack('packsswb', '63', { op: 'i8x16.narrow_i16x8_s', feature: MMX }),
  pack('packuswb', '67', { op: 'i8x16.narrow_i16x8_u', feature: MMX }),
  pack('packssdw', '6B', { op: 'i16x8.narrow_i32x4_s', feature: MMX }),
  pack('packusdw', '38 2B', { op: 'i16x8.narrow_i32x4_u', feature: SSE41 }),
];

/** Byte numbers that interleave lanes of `size` bytes of two vectors, beginning with byte `from`. */
function interleaved(size: number, from: number): number[] {
  return Array.from({ length: 16 }, (_, i) => {
    const lane = Math.floor(i / (2 * size));
    return from + lane * size + (i % size) + (Math.floor(i / size) % 2) * 16;
  });
}

function unpack(name: string, what: { opcode: string; size: number; high: boolean }): Definition {
  const { opcode, size, high } = what;
  // The low forms of MMX read 32 bits of memory.
  const forms = [`NP 0F ${opcode} Pq,Q${high ? 'q' : 'd'} feature:mmx`, `66 0F ${opcode} Vx,Wx feature:sse2`];
  return definePacked(name, size === 8 ? forms.slice(1) : forms, (e, { a, b, mmx }) =>
    e.vecShuffle(interleaved(size, high ? (mmx ? 4 : 8) : 0), a, b),
  );
}

const unpacks = [
  unpack('punpcklbw', { opcode: '60', size: 1, high: false }),
  unpack('punpcklwd', { opcode: '61', size: 2, high: false }),
  unpack('punpckldq', { opcode: '62', size: 4, high: false }),
  unpack('punpcklqdq', { opcode: '6C', size: 8, high: false }),
  unpack('punpckhbw', { opcode: '68', size: 1, high: true }),
  unpack('punpckhwd', { opcode: '69', size: 2, high: true }),
  unpack('punpckhdq', { opcode: '6A', size: 4, high: true }),
  unpack('punpckhqdq', { opcode: '6D', size: 8, high: true }),
];

const unpackFloats = (['ps', 'pd'] as const).flatMap((suffix) => {
  const [prefix, size, feature] = suffix === 'ps' ? ['NP', 4, 'sse'] : ['66', 8, 'sse2'];
  return [false, true].map((high) =>
    definePacked(
      `unpck${high ? 'h' : 'l'}${suffix}`,
      [`${prefix} 0F ${high ? '15' : '14'} Vx,Wx feature:${feature}`],
      (e, { a, b }) => e.vecShuffle(interleaved(Number(size), high ? 8 : 0), a, b),
    ),
  );
});

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

// ---- byte shuffle ----

const shuffleBytes = definePacked('pshufb', packedForms('38 00', SSSE3), (e, { a, b, mmx }) =>
  // Index bits above the vector are ignored, bit 7 asks for zero; wasm gives zero for any index of 16 or more.
  e.vec('i8x16.swizzle', a, e.vec('v128.and', b, splatConst(e, 8, mmx ? 0x87n : 0x8fn))),
);

// ---- blends by a mask register, minimum position ----

/** Lanes of the source where the sign of XMM0's lane is set. */
function variableBlend(name: string, opcode: string, shape: 'i8x16' | 'i32x4' | 'i64x2'): Definition {
  return defineInstruction({
    name,
    forms: [`66 0F 38 ${opcode} Vx,Wx,XMM0 feature:sse41`],
    flags: noFlags,
    run(e, { dst, src }) {
      requireFor(e, dst);
      const b = readPacked(e, src);
      const mask = e.vec(`${shape}.gt_s`, zeroVec(e), e.xmm(0));
      writePacked(e, dst, blend(e, mask, b, readPacked(e, dst)));
    },
  });
}

const blends = [
  variableBlend('pblendvb', '10', 'i8x16'),
  variableBlend('blendvps', '14', 'i32x4'),
  variableBlend('blendvpd', '15', 'i64x2'),
];

const minimumPosition = definePacked('phminposuw', packedForms('38 41', SSE41), (e, { b }) => {
  // Word and number in one value, so that the smallest word with the smallest number wins.
  const keyed = (lane: number): Int => e.or(e.shl(64, e.vecLane(16, b, lane), e.const(16)), e.const(lane));
  let best = keyed(0);
  for (let lane = 1; lane < 8; lane++) best = minimum(e, best, keyed(lane));
  const word = e.shr(64, best, e.const(16));
  return e.vecFromInts(e.or(word, e.shl(64, e.and(best, e.const(7)), e.const(16))), e.const(0));
});

const test = defineInstruction({
  name: 'ptest',
  forms: ['66 0F 38 17 Vx,Wx feature:sse41'],
  flags: { reads: '', writes: 'OSZAPC' },
  run(e, { dst, src }) {
    requireFor(e, dst);
    const b = readPacked(e, src);
    const a = readPacked(e, dst);
    const isZero = (v: Vec) => e.eq(e.or(e.vecLane(64, v, 0), e.vecLane(64, v, 1)), e.const(0));
    const no = e.false();
    e.flags({ Z: isZero(e.vec('v128.and', a, b)), C: isZero(e.vec('v128.andnot', b, a)), O: no, S: no, A: no, P: no });
  },
});

// ---- extensions ----

function extension(
  suffix: string,
  code: number,
  what: { size: 'q' | 'd' | 'w'; steps: ('i16x8' | 'i32x4' | 'i64x2')[] },
): Definition[] {
  return (['s', 'u'] as const).map((kind) => {
    const opcode = (code + (kind === 's' ? 0x20 : 0x30)).toString(16).toUpperCase();
    return defineInstruction({
      name: `pmov${kind === 's' ? 's' : 'z'}x${suffix}`,
      forms: [`66 0F 38 ${opcode} Vx,W${what.size} feature:sse41`],
      flags: noFlags,
      run(e, { dst, src }) {
        requireFor(e, dst);
        const narrow = e.vecFromInts(e.read(src), e.const(0));
        const wide = what.steps.reduce((v, shape) => e.vec1(`${shape}.extend_low_${kind}`, v), narrow);
        e.writeVec(dst, wide, true);
      },
    });
  });
}

const extensions = [
  ...extension('bw', 0, { size: 'q', steps: ['i16x8'] }),
  ...extension('bd', 1, { size: 'd', steps: ['i16x8', 'i32x4'] }),
  ...extension('bq', 2, { size: 'w', steps: ['i16x8', 'i32x4', 'i64x2'] }),
  ...extension('wd', 3, { size: 'q', steps: ['i32x4'] }),
  ...extension('wq', 4, { size: 'd', steps: ['i32x4', 'i64x2'] }),
  ...extension('dq', 5, { size: 'q', steps: ['i64x2'] }),
];

export const packedIntegers: readonly Definition[] = [
  ...lanewise,
  ...absolute,
  ...products,
  ...sums,
  ...horizontals,
  ...signs,
  ...packs,
  ...unpacks,
  ...unpackFloats,
  ...shifts,
  shuffleBytes,
  ...blends,
  minimumPosition,
  test,
  ...extensions,
];
