/**
 * Scalar doubles of regions: the host's operation where it can raise nothing but a sticky precision flag, else the exact routine. The
 * conditions are those of engine/cpu/routines/float.ts, asked of doubles instead of their bits.
 */
import type { FloatBinary } from '../../isa/emitter.ts';
import type { Node } from '../ir/node.ts';
import type { RegionBuilder } from './builder.ts';

const LEAST = 0x0010000000000000n;
const INFINITY = 0x7ff0000000000000n;
type Exact = () => Node;

export class FastDoubles {
  readonly #ir: RegionBuilder;

  constructor(ir: RegionBuilder) {
    this.#ir = ir;
  }

  #double(bits: Node): Node {
    return this.#ir.numeric('f64.reinterpret_i64', bits);
  }

  #constant(bits: bigint): Node {
    return this.#double(this.#ir.const64(bits));
  }

  #and(...conditions: Node[]): Node {
    return conditions.reduce((a, b) => this.#ir.numeric('i32.and', a, b));
  }

  #or(a: Node, b: Node): Node {
    return this.#ir.numeric('i32.or', a, b);
  }

  #magnitude(a: Node): Node {
    return this.#ir.numeric('f64.abs', a);
  }

  #isZero(a: Node): Node {
    return this.#ir.numeric('f64.eq', a, this.#constant(0n));
  }

  /** Neither a NaN nor denormal. */
  #plain(a: Node): Node {
    return this.#or(this.#ir.numeric('f64.ge', this.#magnitude(a), this.#constant(LEAST)), this.#isZero(a));
  }

  #finite(a: Node): Node {
    return this.#ir.numeric('f64.lt', this.#magnitude(a), this.#constant(INFINITY));
  }

  /** Normal and above the least binade, where tininess would have to be judged. */
  #safe(a: Node): Node {
    return this.#and(this.#finite(a), this.#ir.numeric('f64.ge', this.#magnitude(a), this.#constant(2n * LEAST)));
  }

  /** `fast` where the condition holds, else what the routine returns; both as bits. */
  #either(condition: Node, fast: Node, exact: Exact): Node {
    const ir = this.#ir;
    const result = ir.fresh('f64');
    ir.if(
      condition,
      () => ir.assign(result, fast),
      () => {
        const bits = exact();
        ir.lookAgain();
        ir.assign(result, this.#double(bits));
      },
    );
    return ir.numeric('i64.reinterpret_f64', ir.valueOf(result));
  }

  binary(op: Exclude<FloatBinary, 'min' | 'max'>, operands: readonly [Node, Node], exact: Exact): Node {
    const [a, b] = operands.map((bits) => this.#double(bits)) as [Node, Node];
    const result = this.#ir.numeric(`f64.${op}`, a, b);
    const operandsFit = a === b ? this.#plain(a) : this.#and(this.#plain(a), this.#plain(b));
    let resultFits: Node;
    if (op === 'add' || op === 'sub') resultFits = this.#finite(result);
    else {
      const zero = op === 'mul' ? this.#or(this.#isZero(a), this.#isZero(b)) : this.#and(this.#isZero(a), this.#finite(b));
      resultFits = this.#or(this.#safe(result), this.#and(this.#isZero(result), zero));
    }
    return this.#either(this.#and(this.#ir.mayBeFast(), operandsFit, resultFits), result, exact);
  }

  squareRoot(bits: Node, exact: Exact): Node {
    const a = this.#double(bits);
    const fits = this.#or(
      this.#and(this.#finite(a), this.#ir.numeric('f64.ge', a, this.#constant(LEAST))),
      this.#positiveZero(bits),
    );
    return this.#either(this.#and(this.#ir.mayBeFast(), fits), this.#ir.numeric('f64.sqrt', a), exact);
  }

  #positiveZero(bits: Node): Node {
    return this.#ir.numeric('i64.eqz', bits);
  }

  /** Bit 0 less, bit 1 equal, bit 2 unordered. */
  compare(operands: readonly [Node, Node], exact: Exact): Node {
    const ir = this.#ir;
    const [a, b] = operands.map((bits) => this.#double(bits)) as [Node, Node];
    const order = ir.fresh('i64');
    const extend = (condition: Node): Node => ir.numeric('i64.extend_i32_u', condition);
    ir.if(
      this.#and(this.#plain(a), this.#plain(b)),
      () => {
        const equal = ir.numeric('i64.shl', extend(ir.numeric('f64.eq', a, b)), ir.const64(1n));
        ir.assign(order, ir.numeric('i64.or', extend(ir.numeric('f64.lt', a, b)), equal));
      },
      () => {
        const bits = exact();
        ir.lookAgain();
        ir.assign(order, bits);
      },
    );
    return ir.valueOf(order);
  }

  /** Exact: no double is lost on a 32-bit integer. */
  fromInt32(value: Node): Node {
    const ir = this.#ir;
    return ir.numeric('i64.reinterpret_f64', ir.numeric('f64.convert_i32_s', ir.numeric('i32.wrap_i64', value)));
  }
}
