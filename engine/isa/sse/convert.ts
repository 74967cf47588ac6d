/** Conversions between integers and the two floating-point formats (SDM vol. 2, CVTxx2xx). */
import { defineInstruction } from '../define.ts';
import type { Emitter, Facts, FloatConvert, Int, Vec } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { enterMmx, requireMmx, requireSse } from '../mmx/state.ts';
import { exact, exactHalves, exactParts } from './exact.ts';
import type { SseOp } from './ops.ts';

function define(name: string, form: string, run: (e: Emitter, f: Facts) => void): Definition {
  return defineInstruction({ name, forms: [form], flags: { reads: '', writes: '' }, run });
}

const between = (name: string, form: string, kind: FloatConvert): Definition =>
  define(name, form, (e, { dst, src }) => {
    requireSse(e);
    e.write(dst, e.floatConvert(kind, e.read(src)));
  });

const toFloat = (name: string, form: string, format: 'f32' | 'f64'): Definition =>
  define(name, form, (e, { dst, src }) => {
    requireSse(e);
    e.write(dst, e.floatConvert(src.width === 64 ? `${format}.i64` : `${format}.i32`, e.read(src)));
  });

const toInteger = (name: string, form: string, what: { from: 'f32' | 'f64'; how: 'trunc' | 'round' }): Definition =>
  define(name, form, (e, { dst, src }) => {
    requireSse(e);
    const to = dst.width === 64 ? 'i64' : 'i32';
    e.write(dst, e.floatConvert(`${to}.${what.from}.${what.how}`, e.read(src)));
  });

const scalars = [
  toFloat('cvtsi2ss', 'F3 0F 2A Vss,Ey feature:sse', 'f32'),
  toFloat('cvtsi2sd', 'F2 0F 2A Vsd,Ey feature:sse2', 'f64'),
  toInteger('cvttss2si', 'F3 0F 2C Gy,Wss feature:sse', { from: 'f32', how: 'trunc' }),
  toInteger('cvttsd2si', 'F2 0F 2C Gy,Wsd feature:sse2', { from: 'f64', how: 'trunc' }),
  toInteger('cvtss2si', 'F3 0F 2D Gy,Wss feature:sse', { from: 'f32', how: 'round' }),
  toInteger('cvtsd2si', 'F2 0F 2D Gy,Wsd feature:sse2', { from: 'f64', how: 'round' }),
  between('cvtss2sd', 'F3 0F 5A Vsd,Wss feature:sse2', 'f64.f32'),
  between('cvtsd2ss', 'F2 0F 5A Vss,Wsd feature:sse2', 'f32.f64'),
];

const lowLane = (e: Emitter, value: Int): Int => e.trunc(32, value);
const highLane = (e: Emitter, value: Int): Int => e.shr(64, value, e.const(32));
const pair = (e: Emitter, low: Int, high: Int): Int => e.or(low, e.shl(64, high, e.const(32)));

/** Two binary64 lanes to two 32-bit lanes. */
function narrowed(e: Emitter, op: SseOp, a: Vec): Int {
  const [low, high] = exactParts(e, [
    { op, a: e.vecLane(64, a, 0) },
    { op, a: e.vecLane(64, a, 1) },
  ]) as [Int, Int];
  return pair(e, low, high);
}

/** While all exceptions are masked lanes may be converted one by one; otherwise those of all lanes are reported together. */
function whenMasked(e: Emitter, lanes: () => void, together: () => void): void {
  const masks = e.const(0x1f80);
  e.if(e.eq(e.and(e.field('mxcsr'), masks), masks), lanes, together);
}

const packed = [
  define('cvtps2pd', 'NP 0F 5A Vpd,Wq feature:sse2', (e, { dst, src }) => {
    requireSse(e);
    const a = e.read(src);
    const [first, second] = [lowLane(e, a), highLane(e, a)];
    whenMasked(
      e,
      () => {
        const low = e.floatConvert('f64.f32', first);
        e.writeVec(dst, e.vecFromInts(low, e.floatConvert('f64.f32', second)), true);
      },
      () => {
        const [low, high] = exactParts(e, [
          { op: 'f64.f32', a: first },
          { op: 'f64.f32', a: second },
        ]) as [Int, Int];
        e.writeVec(dst, e.vecFromInts(low, high), true);
      },
    );
  }),
  // Only PE can arise, so the first lane that raises it reports all there is.
  define('cvtdq2ps', 'NP 0F 5B Vps,Wx feature:sse2', (e, { dst, src }) => {
    requireSse(e);
    e.writeVec(dst, lanes32(e, 'f32.i32', e.readVec(src, true)), true);
  }),
  // An integer of 32 bits is exact in binary64: no exception can arise.
  define('cvtdq2pd', 'F3 0F E6 Vpd,Wq feature:sse2', (e, { dst, src }) => {
    requireSse(e);
    const a = e.read(src);
    const low = e.floatConvert('f64.i32', lowLane(e, a));
    e.writeVec(dst, e.vecFromInts(low, e.floatConvert('f64.i32', highLane(e, a))), true);
  }),
];

/** Four lanes of 32 bits, one by one. */
function lanes32(e: Emitter, kind: FloatConvert, a: Vec): Vec {
  const half = (first: number): Int => {
    const low = e.floatConvert(kind, e.vecLane(32, a, first));
    return pair(e, low, e.floatConvert(kind, e.vecLane(32, a, first + 1)));
  };
  const low = half(0);
  return e.vecFromInts(low, half(2));
}

const narrowing = (name: string, form: string, op: FloatConvert): Definition =>
  define(name, form, (e, { dst, src }) => {
    requireSse(e);
    const a = e.readVec(src, true);
    whenMasked(
      e,
      () => {
        const low = e.floatConvert(op, e.vecLane(64, a, 0));
        const high = e.floatConvert(op, e.vecLane(64, a, 1));
        e.writeVec(dst, e.vecFromInts(pair(e, low, high), e.const(0)), true);
      },
      () => e.writeVec(dst, e.vecFromInts(narrowed(e, op, a), e.const(0)), true),
    );
  });

const lanewise = (name: string, form: string, how: 'trunc' | 'round'): Definition =>
  define(name, form, (e, { dst, src }) => {
    requireSse(e);
    const a = e.readVec(src, true);
    whenMasked(
      e,
      () => e.writeVec(dst, lanes32(e, `i32.f32.${how}`, a), true),
      () => e.writeVec(dst, exactHalves(e, `i32x2.f32x2.${how}`, a), true),
    );
  });

const packedOthers = [
  narrowing('cvtpd2ps', '66 0F 5A Vps,Wpd feature:sse2', 'f32.f64'),
  narrowing('cvttpd2dq', '66 0F E6 Vx,Wpd feature:sse2', 'i32.f64.trunc'),
  narrowing('cvtpd2dq', 'F2 0F E6 Vx,Wpd feature:sse2', 'i32.f64.round'),
  lanewise('cvtps2dq', '66 0F 5B Vx,Wps feature:sse2', 'round'),
  lanewise('cvttps2dq', 'F3 0F 5B Vx,Wps feature:sse2', 'trunc'),
];

/**
 * Checks of the forms with an MMX operand: SSE first, then MMX with a pending x87 exception. The MMX state is entered before #XM can be
 * raised, and not at all for a source in memory (observed on an Intel processor).
 */
function requireBoth(e: Emitter): void {
  requireSse(e);
  requireMmx(e);
}

const mmx = [
  define('cvtpi2ps', 'NP 0F 2A Vq,Qq feature:sse', (e, { dst, src }) => {
    requireBoth(e);
    const a = e.read(src);
    if (src.kind === 'mmx') enterMmx(e);
    e.write(dst, exact(e, 'f32x2.i32x2', a));
  }),
  define('cvtpi2pd', '66 0F 2A Vpd,Qq feature:sse2', (e, { dst, src }) => {
    requireBoth(e);
    const a = e.read(src);
    const low = e.floatConvert('f64.i32', lowLane(e, a));
    const high = e.floatConvert('f64.i32', highLane(e, a));
    if (src.kind === 'mmx') enterMmx(e);
    e.writeVec(dst, e.vecFromInts(low, high), true);
  }),
  ...(['trunc', 'round'] as const).flatMap((how) => {
    const [name, opcode] = how === 'trunc' ? ['cvtt', '2C'] : ['cvt', '2D'];
    return [
      define(`${name}ps2pi`, `NP 0F ${opcode} Pq,Wq feature:sse`, (e, { dst, src }) => {
        requireBoth(e);
        const a = e.read(src);
        enterMmx(e);
        e.write(dst, exact(e, `i32x2.f32x2.${how}`, a));
      }),
      define(`${name}pd2pi`, `66 0F ${opcode} Pq,Wpd feature:sse2`, (e, { dst, src }) => {
        requireBoth(e);
        const a = e.readVec(src, true);
        enterMmx(e);
        e.write(dst, narrowed(e, `i32.f64.${how}`, a));
      }),
    ];
  }),
];

export const conversions: readonly Definition[] = [...scalars, ...packed, ...packedOthers, ...mmx];
