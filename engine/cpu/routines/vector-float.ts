/** Packed SSE arithmetic: lanes at once on the fast path, otherwise lane by lane with the exceptions of all lanes committed together. */
import type { Int, LaneBits, Vec } from '../../isa/emitter.ts';
import { COLLECT, type SseOp, sseIndex } from '../../isa/sse/ops.ts';
import type { SimdOp } from '../../wasm/opcodes.ts';
import { node, vec } from '../ir/arithmetic.ts';
import { slowIndex } from '../ir/emitter.ts';
import { offsetOf } from '../state.ts';
import { mayBeFast } from './mxcsr.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

type Bits = 32 | 64;
type Operation = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'sqrt';

const FORMAT = {
  32: { exponentMask: 0x7f800000n, least: 1n << 23n, magnitude: 0x7fffffffn, shape: 'i32x4' },
  64: { exponentMask: 0x7ff0000000000000n, least: 1n << 52n, magnitude: 0x7fffffffffffffffn, shape: 'i64x2' },
} as const;

const everyLane = (r: Routine, bits: Bits, value: bigint): Vec => {
  const low = bits === 64 ? value : value | (value << 32n);
  return r.vecConst(low, low);
};

/** Lanes (all ones or zeros) whose values the fast path must not see. */
class Lanes {
  readonly #r: Routine;
  readonly #bits: Bits;

  constructor(r: Routine, bits: Bits) {
    this.#r = r;
    this.#bits = bits;
  }

  magnitude(a: Vec): Vec {
    return this.#r.vec('v128.and', a, everyLane(this.#r, this.#bits, FORMAT[this.#bits].magnitude));
  }

  above(a: Vec, value: bigint): Vec {
    return this.#r.vec(`${FORMAT[this.#bits].shape}.gt_s`, a, everyLane(this.#r, this.#bits, value));
  }

  below(a: Vec, value: bigint): Vec {
    return this.#r.vec(`${FORMAT[this.#bits].shape}.gt_s`, everyLane(this.#r, this.#bits, value), a);
  }

  zero(a: Vec): Vec {
    return this.#r.vec(`${FORMAT[this.#bits].shape}.eq`, this.magnitude(a), this.#r.vecConst(0n, 0n));
  }

  denormal(a: Vec): Vec {
    return this.#r.vec('v128.andnot', this.below(this.magnitude(a), FORMAT[this.#bits].least), this.zero(a));
  }

  notFinite(a: Vec): Vec {
    return this.above(this.magnitude(a), FORMAT[this.#bits].exponentMask - 1n);
  }

  nan(a: Vec): Vec {
    return this.above(this.magnitude(a), FORMAT[this.#bits].exponentMask);
  }

  /** Zero, subnormal or in the least normal binade. */
  small(a: Vec): Vec {
    return this.below(this.magnitude(a), 2n * FORMAT[this.#bits].least);
  }

  negative(a: Vec): Vec {
    return this.#r.vec(`${FORMAT[this.#bits].shape}.gt_s`, this.#r.vecConst(0n, 0n), a);
  }

  or(a: Vec, b: Vec): Vec {
    return this.#r.vec('v128.or', a, b);
  }
}

function badLanes(r: Routine, op: Operation, bits: Bits, operands: readonly Vec[], result: Vec): Vec {
  const lanes = new Lanes(r, bits);
  const [a, b = a] = operands as [Vec, Vec?];
  const denormal = b === a ? lanes.denormal(a) : lanes.or(lanes.denormal(a), lanes.denormal(b));
  switch (op) {
    case 'min':
    case 'max':
      return lanes.or(denormal, lanes.or(lanes.nan(a), lanes.nan(b)));
    case 'sqrt':
      return lanes.or(denormal, lanes.or(lanes.notFinite(a), lanes.negative(a)));
    case 'add':
    case 'sub':
      return lanes.or(denormal, lanes.notFinite(result));
    default: {
      const zeroOperand = op === 'mul' ? lanes.or(lanes.zero(a), lanes.zero(b)) : lanes.zero(a);
      const exactZero = r.vec('v128.and', lanes.zero(result), r.vec('v128.andnot', zeroOperand, lanes.notFinite(b)));
      return lanes.or(denormal, lanes.or(lanes.notFinite(result), r.vec('v128.andnot', lanes.small(result), exactZero)));
    }
  }
}

function exactLanes(r: Routine, op: SseOp, bits: Bits, operands: readonly Vec[]): Vec {
  const scratch = offsetOf('scratch');
  const ask = (index: number, a: Int, b: Int): void => {
    for (const [i, value] of [r.const(index), a, b, r.const(0)].entries()) r.hostStore(64, r.cpu, value, scratch + 8 * i);
    r.call('slow', 'i32', r.cpu, r.i32(0), r.i32(slowIndex('sse')));
  };
  const flags = r.var(r.const(0));
  let result = r.vecConst(0n, 0n);
  for (let lane = 0; lane < 128 / bits; lane++) {
    const [a, b] = [0, 1].map((i) => (operands[i] ? r.vecLane(bits as LaneBits, operands[i], lane) : r.const(0))) as [Int, Int];
    ask(sseIndex(op) + COLLECT, a, b);
    result = r.vecReplace(bits as LaneBits, result, lane, r.hostLoad(64, r.cpu, scratch + 32));
    r.set(flags, r.or(r.get(flags), r.hostLoad(64, r.cpu, scratch + 40)));
  }
  ask(sseIndex('commit'), r.get(flags), r.const(0));
  return result;
}

function packed(op: Operation, bits: Bits): RoutineDefinition {
  const unary = op === 'sqrt';
  return {
    name: `vecFloat.${op}${bits}`,
    parameters: unary ? ['i32', 'v128'] : ['i32', 'v128', 'v128'],
    result: 'v128',
    build(r) {
      const operands = (unary ? [1] : [1, 2]).map((i) => vec(r.parameter(i)));
      r.if(mayBeFast(r), () => {
        const name = (op === 'min' || op === 'max' ? `f${bits}x${128 / bits}.p${op}` : `f${bits}x${128 / bits}.${op}`) as SimdOp;
        const order = op === 'min' || op === 'max' ? [...operands].reverse() : operands;
        const result = vec(r.ir.simd(name, 'v128', ...order.map(node)));
        const bad = r.ir.simd('v128.any_true', 'i32', node(badLanes(r, op, bits, operands, result)));
        r.if(r.notB(r.truth(bad)), () => r.returns(node(result)));
      });
      r.returns(node(exactLanes(r, `${op}${bits}` as SseOp, bits, operands)));
    },
  };
}

export const vectorFloatRoutines: readonly RoutineDefinition[] = ([32, 64] as const).flatMap((bits) =>
  (['add', 'sub', 'mul', 'div', 'min', 'max', 'sqrt'] as const).map((op) => packed(op, bits)),
);
