/** Packed instructions that move lanes: horizontal arithmetic, packing, interleaving, byte shuffle, blends, extensions (SDM vol. 2). */
import { defineInstruction } from '../define.ts';
import type { Emitter, Int, Vec, VecBinary } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { readPacked, requireFor, writePacked } from '../mmx/state.ts';
import { definePacked, MMX, noFlags, packedForms, SSE41, SSSE3 } from './packed-forms.ts';
import { blend, minimum, splatConst, zeroVec } from './vectors.ts';

const LOW_WORDS = [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29];
const HIGH_WORDS = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];

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

export const packedLayouts: readonly Definition[] = [
  ...horizontals,
  ...packs,
  ...unpacks,
  ...unpackFloats,
  shuffleBytes,
  ...blends,
  minimumPosition,
  test,
  ...extensions,
];
