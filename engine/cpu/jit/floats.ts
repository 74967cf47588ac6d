/**
 * Scalar doubles of regions: the host's operation where it can raise nothing but a sticky precision flag, else the exact routine. The
 * conditions are those of engine/cpu/routines/float.ts. Results of operations before are not looked at again: while `mayBeFast` says so,
 * none of them is denormal.
 */
import type { FloatBinary } from '../../isa/emitter.ts';
import type { Node } from '../ir/node.ts';
import type { RegionBuilder } from './builder.ts';

const LEAST = 0x0010000000000000n;
const INFINITY = 0x7ff0000000000000n;
const MAGNITUDE = 0x7fffffffffffffffn;
type Exact = () => Node;

export class FastDoubles {
  readonly #ir: RegionBuilder;

  constructor(ir: RegionBuilder) {
    this.#ir = ir;
  }

  #double(bits: Node): Node {
    return this.#ir.numeric('f64.reinterpret_i64', bits);
  }

  #bits(double: Node): Node {
    return this.#ir.numeric('i64.reinterpret_f64', double);
  }

  #and(...conditions: Node[]): Node {
    return conditions.reduce((a, b) => this.#ir.numeric('i32.and', a, b));
  }

  #twice(bits: Node): Node {
    return this.#ir.numeric('i64.shl', bits, this.#ir.const64(1n));
  }

  /** Not denormal: zero wraps around to the top. */
  #plain(bits: Node): Node {
    const ir = this.#ir;
    const below = ir.numeric('i64.sub', this.#twice(bits), ir.const64(1n));
    return ir.numeric('i64.le_u', ir.const64(2n * LEAST - 1n), below);
  }

  #finite(bits: Node): Node {
    return this.#ir.numeric('i64.lt_u', this.#twice(bits), this.#ir.const64(2n * INFINITY));
  }

  /** Normal and above the least binade, where tininess would have to be judged. */
  #safe(bits: Node): Node {
    const ir = this.#ir;
    const above = ir.numeric('i64.sub', ir.numeric('i64.and', bits, ir.const64(MAGNITUDE)), ir.const64(2n * LEAST));
    return ir.numeric('i64.lt_u', above, ir.const64(INFINITY - 2n * LEAST));
  }

  /** `fast` where the conditions hold, else what the routine returns; both as bits. */
  #either(conditions: readonly Node[], fast: Node, exact: Exact): Node {
    const ir = this.#ir;
    const result = ir.fresh('f64');
    ir.expect(
      this.#and(ir.mayBeFast(), ...conditions),
      () => ir.assign(result, fast),
      () => {
        const bits = exact();
        ir.lookAgain(this.#plain(bits));
        ir.assign(result, this.#double(bits));
      },
    );
    const value = ir.valueOf(result);
    ir.results.add(value);
    return this.#bits(value);
  }

  /** Conditions on operands that no operation here has made. */
  #operands(doubles: readonly Node[]): Node[] {
    return [...new Set(doubles)]
      .filter((double) => !this.#ir.results.has(double))
      .map((double) => this.#plain(this.#bits(double)));
  }

  binary(op: Exclude<FloatBinary, 'min' | 'max'>, operands: readonly [Node, Node], exact: Exact): Node {
    const [a, b] = operands.map((bits) => this.#double(bits)) as [Node, Node];
    const result = this.#ir.numeric(`f64.${op}`, a, b);
    const bits = this.#bits(result);
    // Products and quotients of 0 are left to the routine, which is fast with them.
    const fits = op === 'add' || op === 'sub' ? [this.#finite(bits), this.#plain(bits)] : [this.#safe(bits)];
    return this.#either([...this.#operands([a, b]), ...fits], result, exact);
  }

  squareRoot(bits: Node, exact: Exact): Node {
    const ir = this.#ir;
    const above = ir.numeric('i64.sub', bits, ir.const64(LEAST));
    const fits = ir.numeric('i64.lt_u', above, ir.const64(INFINITY - LEAST));
    return this.#either([fits], ir.numeric('f64.sqrt', this.#double(bits)), exact);
  }

  /** Bit 0 less, bit 1 equal, bit 2 unordered. */
  compare(operands: readonly [Node, Node], exact: Exact): Node {
    const ir = this.#ir;
    const [a, b] = operands.map((bits) => this.#double(bits)) as [Node, Node];
    const order = ir.fresh('i64');
    const extend = (condition: Node): Node => ir.numeric('i64.extend_i32_u', condition);
    const ordered = [a, b].map((double) => ir.numeric('f64.eq', double, double));
    ir.expect(
      this.#and(...ordered, ...[a, b].map((double) => this.#plain(this.#bits(double)))),
      () => {
        const equal = ir.numeric('i64.shl', extend(ir.numeric('f64.eq', a, b)), ir.const64(1n));
        ir.assign(order, ir.numeric('i64.or', extend(ir.numeric('f64.lt', a, b)), equal));
      },
      () => ir.assign(order, exact()),
    );
    return ir.valueOf(order);
  }

  /** Exact: no double is lost on a 32-bit integer. */
  fromInt32(value: Node): Node {
    const ir = this.#ir;
    const double = ir.numeric('f64.convert_i32_s', ir.numeric('i32.wrap_i64', value));
    ir.results.add(double);
    return this.#bits(double);
  }
}
