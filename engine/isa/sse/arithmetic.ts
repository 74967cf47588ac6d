/** SSE to SSE4.1 floating-point arithmetic, logic, comparison and rounding (SDM vol. 2). */
import { defineInstruction } from '../define.ts';
import type { Emitter, FloatBinary, Int, Operand, Vec } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { requireSse } from '../mmx/state.ts';
import { exact, exactHalves, exactParts } from './exact.ts';
import type { SseOp } from './ops.ts';
import { maskFromBits, splatConst, zeroVec } from './vectors.ts';

const noFlags = { reads: '', writes: '' } as const;

function define(name: string, form: string, run: (e: Emitter, dst: Operand, src: Operand, imm: Operand) => void): Definition {
  return defineInstruction({
    name,
    forms: [form],
    flags: noFlags,
    run(e, { dst, src, operands }) {
      requireSse(e);
      run(e, dst, src, operands[2] as Operand);
    },
  });
}

/** The four forms of an arithmetic instruction: PS, SS, PD, SD. */
function family(name: string, opcode: string, op: FloatBinary): Definition[] {
  const packed = (suffix: string, form: string, bits: 32 | 64): Definition =>
    define(name + suffix, form, (e, dst, src) => {
      const b = e.readVec(src, true);
      e.writeVec(dst, e.vecFloat(op, bits, e.readVec(dst, true), b), true);
    });
  const scalar = (suffix: string, form: string, bits: 32 | 64): Definition =>
    define(name + suffix, form, (e, dst, src) => {
      const b = e.read(src);
      e.write(dst, e.float(op, bits, e.read(dst), b));
    });
  return [
    packed('ps', `NP 0F ${opcode} Vps,Wps feature:sse`, 32),
    scalar('ss', `F3 0F ${opcode} Vss,Wss feature:sse`, 32),
    packed('pd', `66 0F ${opcode} Vpd,Wpd feature:sse2`, 64),
    scalar('sd', `F2 0F ${opcode} Vsd,Wsd feature:sse2`, 64),
  ];
}

const families = [
  ...family('add', '58', 'add'),
  ...family('mul', '59', 'mul'),
  ...family('sub', '5C', 'sub'),
  ...family('min', '5D', 'min'),
  ...family('div', '5E', 'div'),
  ...family('max', '5F', 'max'),
];

const roots = [
  define('sqrtps', 'NP 0F 51 Vps,Wps feature:sse', (e, dst, src) =>
    e.writeVec(dst, e.vecFloat1('sqrt', 32, e.readVec(src, true)), true),
  ),
  define('sqrtss', 'F3 0F 51 Vss,Wss feature:sse', (e, dst, src) => e.write(dst, e.float1('sqrt', 32, e.read(src)))),
  define('sqrtpd', '66 0F 51 Vpd,Wpd feature:sse2', (e, dst, src) =>
    e.writeVec(dst, e.vecFloat1('sqrt', 64, e.readVec(src, true)), true),
  ),
  define('sqrtsd', 'F2 0F 51 Vsd,Wsd feature:sse2', (e, dst, src) => e.write(dst, e.float1('sqrt', 64, e.read(src)))),
];

/** RCPPS and RSQRTPS report no exceptions, so their halves need no common commit. */
function approximation(name: 'rcp' | 'rsqrt', opcode: string): Definition[] {
  return [
    define(`${name}ps`, `NP 0F ${opcode} Vps,Wps feature:sse`, (e, dst, src) => {
      const a = e.readVec(src, true);
      const half = (which: 0 | 1): Int => exact(e, `${name}32x2`, e.vecLane(64, a, which));
      const low = half(0);
      e.writeVec(dst, e.vecFromInts(low, half(1)), true);
    }),
    define(`${name}ss`, `F3 0F ${opcode} Vss,Wss feature:sse`, (e, dst, src) => e.write(dst, exact(e, `${name}32`, e.read(src)))),
  ];
}

function bitwise(name: string, opcode: string, run: (e: Emitter, a: Vec, b: Vec) => Vec): Definition[] {
  const one = (suffix: string, form: string): Definition =>
    define(name + suffix, form, (e, dst, src) => {
      const b = e.readVec(src, true);
      e.writeVec(dst, run(e, e.readVec(dst, true), b), true);
    });
  return [one('ps', `NP 0F ${opcode} Vps,Wps feature:sse`), one('pd', `66 0F ${opcode} Vpd,Wpd feature:sse2`)];
}

const logic = [
  ...bitwise('and', '54', (e, a, b) => e.vec('v128.and', a, b)),
  ...bitwise('andn', '55', (e, a, b) => e.vec('v128.andnot', b, a)),
  ...bitwise('or', '56', (e, a, b) => e.vec('v128.or', a, b)),
  ...bitwise('xor', '57', (e, a, b) => e.vec('v128.xor', a, b)),
];

const EVEN32 = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
const ODD32 = [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31];
const EVEN64 = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const ODD64 = [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31];

function horizontal(name: string, form: string, what: { op: 'add' | 'sub'; bits: 32 | 64 }): Definition {
  return define(name, form, (e, dst, src) => {
    const b = e.readVec(src, true);
    const a = e.readVec(dst, true);
    const [even, odd] = what.bits === 32 ? [EVEN32, ODD32] : [EVEN64, ODD64];
    e.writeVec(dst, e.vecFloat(what.op, what.bits, e.vecShuffle(even, a, b), e.vecShuffle(odd, a, b)), true);
  });
}

const SWAP_PAIRS = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];
const SWAP_HALVES = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];

const sse3 = [
  define('addsubps', 'F2 0F D0 Vps,Wps feature:sse3', (e, dst, src) => {
    const b = e.readVec(src, true);
    e.writeVec(dst, exactHalves(e, 'addsub32x2', e.readVec(dst, true), { b }), true);
  }),
  define('addsubpd', '66 0F D0 Vpd,Wpd feature:sse3', (e, dst, src) => {
    const b = e.readVec(src, true);
    const a = e.readVec(dst, true);
    const [low, high] = exactParts(e, [
      { op: 'sub64', a: e.vecLane(64, a, 0), b: e.vecLane(64, b, 0) },
      { op: 'add64', a: e.vecLane(64, a, 1), b: e.vecLane(64, b, 1) },
    ]) as [Int, Int];
    e.writeVec(dst, e.vecFromInts(low, high), true);
  }),
  horizontal('haddps', 'F2 0F 7C Vps,Wps feature:sse3', { op: 'add', bits: 32 }),
  horizontal('haddpd', '66 0F 7C Vpd,Wpd feature:sse3', { op: 'add', bits: 64 }),
  horizontal('hsubps', 'F2 0F 7D Vps,Wps feature:sse3', { op: 'sub', bits: 32 }),
  horizontal('hsubpd', '66 0F 7D Vpd,Wpd feature:sse3', { op: 'sub', bits: 64 }),
];

/**
 * Products chosen by imm[7:4], summed in pairs, written to the lanes of imm[3:0]. Exceptions of products and of each sum are reported
 * in turn. The operand order of the sums, which decides between NaNs, was observed on an Intel processor.
 */
const dotProducts = [
  define('dpps', '66 0F 3A 40 Vps,Wps,Ib feature:sse41', (e, dst, src, imm) => {
    const control = e.read(imm);
    const used = maskFromBits(e, 32, e.shr(64, control, e.const(4)));
    const b = e.vec('v128.and', e.readVec(src, true), used);
    const products = e.vecFloat('mul', 32, e.vec('v128.and', e.readVec(dst, true), used), b);
    const pairs = e.vecFloat('add', 32, e.vecShuffle(SWAP_PAIRS, products, products), products);
    const sum = e.vecFloat('add', 32, pairs, e.vecShuffle(SWAP_HALVES, pairs, pairs));
    e.writeVec(dst, e.vec('v128.and', sum, maskFromBits(e, 32, control)), true);
  }),
  define('dppd', '66 0F 3A 41 Vpd,Wpd,Ib feature:sse41', (e, dst, src, imm) => {
    const control = e.read(imm);
    const used = maskFromBits(e, 64, e.shr(64, control, e.const(4)));
    const b = e.vec('v128.and', e.readVec(src, true), used);
    const products = e.vecFloat('mul', 64, e.vec('v128.and', e.readVec(dst, true), used), b);
    const sum = e.vecFloat('add', 64, products, e.vecShuffle(SWAP_HALVES, products, products));
    e.writeVec(dst, e.vec('v128.and', sum, maskFromBits(e, 64, control)), true);
  }),
];

/** Bits less 1, equal 2, unordered 4, greater 8 for which predicates 0 to 7 hold, four bits each from the bottom. */
const PREDICATES = 0xbced4312;

/** CMPSS and CMPSD: LT, LE, NLT and NLE signal for quiet NaNs, the other predicates do not. */
function scalarCompare(name: string, form: string, bits: 32 | 64): Definition {
  return define(name, form, (e, dst, src, imm) => {
    const b = e.read(src);
    const a = e.read(dst);
    const which = e.and(e.read(imm), e.const(7));
    const relation = e.var(e.const(0));
    const compare = (quiet: boolean): void => {
      const { less, equal, unordered } = e.floatCompare(bits, a, b, quiet);
      const greater = e.notB(e.orB(less, e.orB(equal, unordered)));
      const bit = (value: Int, at: number): Int => e.shl(64, value, e.const(at));
      e.set(relation, e.or(e.or(e.int(less), bit(e.int(equal), 1)), e.or(bit(e.int(unordered), 2), bit(e.int(greater), 3))));
    };
    const turned = e.and(e.add(64, which, e.const(1)), e.const(3)); // EQ 1, LT 2, LE 3, UNORD 0
    e.if(
      e.bit(turned, 1),
      () => compare(false),
      () => compare(true),
    );
    const wanted = e.shr(64, e.const(PREDICATES), e.shl(64, which, e.const(2)));
    const holds = e.ne(e.and(e.and(wanted, e.const(15)), e.get(relation)), e.const(0));
    e.write(dst, e.select(holds, e.const(bits === 32 ? 0xffffffffn : 0xffffffffffffffffn), e.const(0)));
  });
}

const FORMATS = {
  32: { shape: 'i32x4', magnitude: 0x7fffffffn, infinity: 0x7f800000n, least: 0x00800000n, sign: 31 },
  64: { shape: 'i64x2', magnitude: (1n << 63n) - 1n, infinity: 0x7ff0000000000000n, least: 1n << 52n, sign: 63 },
} as const;

/** Lanes that are NaNs or denormals: comparing any others raises nothing, whatever MXCSR says. */
function specialLanes(e: Emitter, bits: 32 | 64, a: Vec): Vec {
  const { shape, magnitude, infinity, least } = FORMATS[bits];
  const size = e.vec('v128.and', a, splatConst(e, bits, magnitude));
  const nan = e.vec(`${shape}.gt_s`, size, splatConst(e, bits, infinity));
  const isSmall = e.vec(`${shape}.gt_s`, splatConst(e, bits, least), size);
  return e.vec('v128.or', nan, e.vec('v128.andnot', isSmall, e.vec(`${shape}.eq`, size, zeroVec(e))));
}

/** Lanes as integers that are in the order of the numbers; both zeros give 0. */
function ordered(e: Emitter, bits: 32 | 64, a: Vec): Vec {
  const { shape, sign } = FORMATS[bits];
  const negative = e.vecShift(`${shape}.shr_s`, a, e.const(sign));
  return e.vec(`${shape}.sub`, e.vec('v128.xor', a, e.vecShift(`${shape}.shr_u`, negative, e.const(1))), negative);
}

/** CMPPS and CMPPD: in integers, unless an operand is such that MXCSR must be looked at. */
function packedCompare(name: string, form: string, bits: 32 | 64): Definition {
  const { shape } = FORMATS[bits];
  return define(name, form, (e, dst, src, imm) => {
    const b = e.readVec(src, true);
    const a = e.readVec(dst, true);
    const which = e.read(imm);
    const special = e.vec('v128.or', specialLanes(e, bits, a), specialLanes(e, bits, b));
    e.if(
      e.ne(e.or(e.vecLane(64, special, 0), e.vecLane(64, special, 1)), e.const(0)),
      () => e.writeVec(dst, exactHalves(e, bits === 32 ? 'cmp32x2' : 'cmp64', a, { b, imm: which }), true),
      () => {
        const [x, y] = [ordered(e, bits, a), ordered(e, bits, b)];
        // EQ 0 and LE 2 hold for equal lanes, LT 1 and LE 2 for smaller ones, 4 and above are the negations.
        const wanted = (bit: Int): Vec => e.vecSplat(64, e.neg(64, e.and(bit, e.const(1))));
        const equal = e.vec('v128.and', e.vec(`${shape}.eq`, x, y), wanted(e.not(64, which)));
        const less = e.vec('v128.and', e.vec(`${shape}.gt_s`, y, x), wanted(e.shr(64, e.add(64, which, e.const(1)), e.const(1))));
        e.writeVec(dst, e.vec('v128.xor', e.vec('v128.or', equal, less), wanted(e.shr(64, which, e.const(2)))), true);
      },
    );
  });
}

function compareFlags(name: string, form: string, what: { bits: 32 | 64; quiet: boolean }): Definition {
  return defineInstruction({
    name,
    forms: [form],
    flags: { reads: '', writes: 'OSZAPC' },
    run(e, { dst, src }) {
      requireSse(e);
      const b = e.read(src);
      const { less, equal, unordered } = e.floatCompare(what.bits, e.read(dst), b, what.quiet);
      const no = e.false();
      e.flags({ Z: e.orB(equal, unordered), P: unordered, C: e.orB(less, unordered), O: no, S: no, A: no });
    },
  });
}

const compares = [
  packedCompare('cmpps', 'NP 0F C2 Vps,Wps,Ib feature:sse', 32),
  packedCompare('cmppd', '66 0F C2 Vpd,Wpd,Ib feature:sse2', 64),
  scalarCompare('cmpss', 'F3 0F C2 Vss,Wss,Ib feature:sse', 32),
  scalarCompare('cmpsd', 'F2 0F C2 Vsd,Wsd,Ib feature:sse2', 64),
  compareFlags('ucomiss', 'NP 0F 2E Vss,Wss feature:sse', { bits: 32, quiet: true }),
  compareFlags('ucomisd', '66 0F 2E Vsd,Wsd feature:sse2', { bits: 64, quiet: true }),
  compareFlags('comiss', 'NP 0F 2F Vss,Wss feature:sse', { bits: 32, quiet: false }),
  compareFlags('comisd', '66 0F 2F Vsd,Wsd feature:sse2', { bits: 64, quiet: false }),
];

function packedRound(name: string, form: string, op: SseOp): Definition {
  return define(name, form, (e, dst, src, imm) => {
    e.writeVec(dst, exactHalves(e, op, e.readVec(src, true), { imm: e.read(imm) }), true);
  });
}

function scalarRound(name: string, form: string, op: SseOp): Definition {
  return define(name, form, (e, dst, src, imm) => e.write(dst, exact(e, op, e.read(src), { imm: e.read(imm) })));
}

const rounds = [
  packedRound('roundps', '66 0F 3A 08 Vps,Wps,Ib feature:sse41', 'round32x2'),
  packedRound('roundpd', '66 0F 3A 09 Vpd,Wpd,Ib feature:sse41', 'round64'),
  scalarRound('roundss', '66 0F 3A 0A Vss,Wss,Ib feature:sse41', 'round32'),
  scalarRound('roundsd', '66 0F 3A 0B Vsd,Wsd,Ib feature:sse41', 'round64'),
];

export const floatArithmetic: readonly Definition[] = [
  ...families,
  ...roots,
  ...approximation('rcp', '53'),
  ...approximation('rsqrt', '52'),
  ...logic,
  ...sse3,
  ...dotProducts,
  ...compares,
  ...rounds,
];
