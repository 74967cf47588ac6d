/**
 * SSE arithmetic with two paths. Fast: MXCSR rounds to nearest, masks everything, has PE sticky and neither DAZ nor FTZ (`mayBeFast`), and
 * operands and result are such that no flag but PE can arise. Everything else goes to the exact routine, which alone sets flags.
 */
import type { Bool, Int } from '../../isa/emitter.ts';
import { type SseOp, sseIndex } from '../../isa/sse/ops.ts';
import type { NumericOp } from '../../wasm/opcodes.ts';
import { int, node } from '../ir/arithmetic.ts';
import { slowIndex } from '../ir/emitter.ts';
import type { Node } from '../ir/node.ts';
import { offsetOf } from '../state.ts';
import { mayBeFast } from './mxcsr.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

type Bits = 32 | 64;
const FORMAT = {
  32: { exponentMask: 0x7f800000n, least: 1n << 23n, sign: 31 },
  64: { exponentMask: 0x7ff0000000000000n, least: 1n << 52n, sign: 63 },
} as const;

/** Ask the exact routine; MXCSR flags and #XM are its work. */
function exact(r: Routine, op: SseOp, a: Int, b: Int): Int {
  const scratch = offsetOf('scratch');
  for (const [i, value] of [r.const(sseIndex(op)), a, b, r.const(0)].entries()) r.hostStore(64, r.cpu, value, scratch + 8 * i);
  r.call('slow', 'i32', r.cpu, r.i32(0), r.i32(slowIndex('sse')));
  return r.hostLoad(64, r.cpu, scratch + 32);
}

const magnitude = (r: Routine, bits: Bits, a: Int): Int => r.and(a, r.const((1n << BigInt(bits - 1)) - 1n));
const isDenormal = (r: Routine, bits: Bits, a: Int): Bool =>
  r.ltU(r.sub(64, magnitude(r, bits, a), r.const(1)), r.const(FORMAT[bits].least - 1n));
const isFiniteBits = (r: Routine, bits: Bits, a: Int): Bool => r.ltU(magnitude(r, bits, a), r.const(FORMAT[bits].exponentMask));
const isZero = (r: Routine, bits: Bits, a: Int): Bool => r.eq(magnitude(r, bits, a), r.const(0));
const isNanBits = (r: Routine, bits: Bits, a: Int): Bool => r.ltU(r.const(FORMAT[bits].exponentMask), magnitude(r, bits, a));
/** Normal and not the least normal binade, where tininess would have to be judged. */
const isSafe = (r: Routine, bits: Bits, a: Int): Bool => {
  const { exponentMask, least } = FORMAT[bits];
  return r.ltU(r.sub(64, magnitude(r, bits, a), r.const(2n * least)), r.const(exponentMask - 2n * least));
};

function toFloat(r: Routine, bits: Bits, a: Int): Node {
  return bits === 64 ? r.ir.numeric('f64.reinterpret_i64', node(a)) : r.ir.numeric('f32.reinterpret_i32', r.wrap(a));
}

function fromFloat(r: Routine, bits: Bits, a: Node): Int {
  return bits === 64 ? int(r.ir.numeric('i64.reinterpret_f64', a)) : r.unsigned(r.ir.numeric('i32.reinterpret_f32', a));
}

function binary(op: 'add' | 'sub' | 'mul' | 'div', bits: Bits): RoutineDefinition {
  return {
    name: `float.${op}${bits}`,
    parameters: ['i32', 'i64', 'i64'],
    result: 'i64',
    build(r) {
      const [a, b] = [r.parameterInt(1), r.parameterInt(2)];
      r.if(r.andB(mayBeFast(r), r.notB(r.orB(isDenormal(r, bits, a), isDenormal(r, bits, b)))), () => {
        const result = fromFloat(r, bits, r.ir.numeric(`f${bits}.${op}` as NumericOp, toFloat(r, bits, a), toFloat(r, bits, b)));
        const exactZero = op === 'mul' ? r.orB(isZero(r, bits, a), isZero(r, bits, b)) : isZero(r, bits, a);
        const good =
          op === 'add' || op === 'sub'
            ? isFiniteBits(r, bits, result)
            : r.orB(isSafe(r, bits, result), r.andB(r.andB(isZero(r, bits, result), exactZero), isFiniteBits(r, bits, b)));
        r.if(good, () => r.returns(result));
      });
      r.returns(exact(r, `${op}${bits}`, a, b));
    },
  };
}

/** MINxx and MAXxx return the second operand when both are zeros or either is a NaN. */
function choice(op: 'min' | 'max', bits: Bits): RoutineDefinition {
  return {
    name: `float.${op}${bits}`,
    parameters: ['i32', 'i64', 'i64'],
    result: 'i64',
    build(r) {
      const [a, b] = [r.parameterInt(1), r.parameterInt(2)];
      const odd = [a, b].map((x) => r.orB(isDenormal(r, bits, x), isNanBits(r, bits, x)));
      r.if(r.andB(mayBeFast(r), r.notB(r.orB(odd[0] as Bool, odd[1] as Bool))), () => {
        const compare = `f${bits}.${op === 'min' ? 'lt' : 'gt'}` as NumericOp;
        const first = r.ir.numeric(compare, toFloat(r, bits, a), toFloat(r, bits, b));
        r.returns(r.select(r.truth(first), a, b));
      });
      r.returns(exact(r, `${op}${bits}`, a, b));
    },
  };
}

function squareRoot(bits: Bits): RoutineDefinition {
  return {
    name: `float.sqrt${bits}`,
    parameters: ['i32', 'i64'],
    result: 'i64',
    build(r) {
      const a = r.parameterInt(1);
      const plain = r.andB(isFiniteBits(r, bits, a), r.notB(r.orB(isDenormal(r, bits, a), r.bit(a, FORMAT[bits].sign))));
      r.if(r.andB(mayBeFast(r), plain), () => {
        r.returns(fromFloat(r, bits, r.ir.numeric(`f${bits}.sqrt`, toFloat(r, bits, a))));
      });
      r.returns(exact(r, `sqrt${bits}`, a, r.const(0)));
    },
  };
}

/** (cpu, a, b) → bit 0 less, bit 1 equal, bit 2 unordered. */
function compare(bits: Bits, quiet: boolean): RoutineDefinition {
  return {
    name: `compare${quiet ? '.quiet' : ''}${bits}`,
    parameters: ['i32', 'i64', 'i64'],
    result: 'i64',
    build(r) {
      const [a, b] = [r.parameterInt(1), r.parameterInt(2)];
      const odd = [a, b].map((x) => r.orB(isDenormal(r, bits, x), isNanBits(r, bits, x)));
      r.if(r.notB(r.orB(odd[0] as Bool, odd[1] as Bool)), () => {
        const [x, y] = [toFloat(r, bits, a), toFloat(r, bits, b)];
        const less = r.unsigned(r.ir.numeric(`f${bits}.lt`, x, y));
        const equal = r.unsigned(r.ir.numeric(`f${bits}.eq`, x, y));
        r.returns(r.or(less, r.shl(64, equal, r.const(1))));
      });
      r.returns(exact(r, `${quiet ? 'compareQuiet' : 'compare'}${bits}`, a, b));
    },
  };
}

function fromInteger(to: Bits, from: Bits): RoutineDefinition {
  const kind = `f${to}.i${from}` as const;
  return {
    name: `convert.${kind}`,
    parameters: ['i32', 'i64'],
    result: 'i64',
    build(r) {
      const a = r.parameterInt(1);
      r.if(mayBeFast(r), () => {
        const convert: NumericOp = to === 64 ? 'f64.convert_i64_s' : 'f32.convert_i64_s';
        r.returns(fromFloat(r, to, r.ir.numeric(convert, node(r.sext(from, a)))));
      });
      r.returns(exact(r, kind, a, r.const(0)));
    },
  };
}

function toInteger(to: Bits, from: Bits, how: 'trunc' | 'round'): RoutineDefinition {
  const kind = `i${to}.f${from}.${how}` as const;
  return {
    name: `convert.${kind}`,
    parameters: ['i32', 'i64'],
    result: 'i64',
    build(r) {
      const a = r.parameterInt(1);
      r.if(r.andB(mayBeFast(r), isFiniteBits(r, from, a)), () => {
        const value = toFloat(r, from, a);
        const whole = how === 'round' ? r.ir.numeric(`f${from}.nearest`, value) : value;
        const result = int(r.ir.saturating(`i64.trunc_sat_f${from}_s`, whole));
        const inside =
          to === 32
            ? r.eq(r.sext(32, result), result)
            : r.andB(r.ne(result, r.const(1n << 63n)), r.ne(result, r.const((1n << 63n) - 1n)));
        r.if(inside, () => r.returns(r.trunc(to, result)));
      });
      r.returns(exact(r, kind, a, r.const(0)));
    },
  };
}

const widen: RoutineDefinition = {
  name: 'convert.f64.f32',
  parameters: ['i32', 'i64'],
  result: 'i64',
  build(r) {
    const a = r.parameterInt(1);
    r.if(r.andB(isFiniteBits(r, 32, a), r.notB(isDenormal(r, 32, a))), () => {
      r.returns(fromFloat(r, 64, r.ir.numeric('f64.promote_f32', toFloat(r, 32, a))));
    });
    r.returns(exact(r, 'f64.f32', a, r.const(0)));
  },
};

const narrow: RoutineDefinition = {
  name: 'convert.f32.f64',
  parameters: ['i32', 'i64'],
  result: 'i64',
  build(r) {
    const a = r.parameterInt(1);
    r.if(r.andB(mayBeFast(r), r.notB(isDenormal(r, 64, a))), () => {
      const result = fromFloat(r, 32, r.ir.numeric('f32.demote_f64', toFloat(r, 64, a)));
      r.if(r.orB(isSafe(r, 32, result), isZero(r, 64, a)), () => r.returns(result));
    });
    r.returns(exact(r, 'f32.f64', a, r.const(0)));
  },
};

const BITS: readonly Bits[] = [32, 64];

export const floatRoutines: readonly RoutineDefinition[] = [
  ...BITS.flatMap((bits) => [
    ...(['add', 'sub', 'mul', 'div'] as const).map((op) => binary(op, bits)),
    ...(['min', 'max'] as const).map((op) => choice(op, bits)),
    squareRoot(bits),
    compare(bits, false),
    compare(bits, true),
    ...BITS.flatMap((other) => [fromInteger(bits, other), toInteger(bits, other, 'trunc'), toInteger(bits, other, 'round')]),
  ]),
  widen,
  narrow,
];
