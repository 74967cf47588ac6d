/**
 * Scalar floating point of regions: the host's operation where it can raise nothing but a sticky precision flag, else the exact routine. The
 * conditions are those of engine/cpu/routines/float.ts. Results of operations before are not looked at again: while `mayBeFast` says so,
 * none of them is denormal.
 */
import type { FloatBinary } from '../../isa/emitter.ts';
import type { NumericOp } from '../../wasm/opcodes.ts';
import type { Node } from '../ir/node.ts';
import type { RegionBuilder } from './builder.ts';

type Bits = 32 | 64;
const FORMAT = {
  32: { least: 1n << 23n, infinity: 0x7f800000n, magnitude: 0x7fffffffn },
  64: { least: 1n << 52n, infinity: 0x7ff0000000000000n, magnitude: 0x7fffffffffffffffn },
} as const;
type Exact = () => Node;

export class FastFloats {
  readonly #ir: RegionBuilder;
  readonly #bits: Bits;
  /** What moves the bits of a value to the top of an i64, its sign out of it. */
  readonly #shift: bigint;
  readonly #least: bigint;
  readonly #infinity: bigint;

  constructor(ir: RegionBuilder, bits: Bits) {
    this.#ir = ir;
    this.#bits = bits;
    this.#shift = BigInt(65 - bits);
    this.#least = FORMAT[bits].least << this.#shift;
    this.#infinity = FORMAT[bits].infinity << this.#shift;
  }

  /** Bits, an i64 below 2^width, as a float of the host. */
  #float(bits: Node): Node {
    const ir = this.#ir;
    if (this.#bits === 64) return ir.numeric('f64.reinterpret_i64', bits);
    return ir.numeric('f32.reinterpret_i32', ir.numeric('i32.wrap_i64', bits));
  }

  #bitsOf(float: Node): Node {
    const ir = this.#ir;
    if (this.#bits === 64) return ir.numeric('i64.reinterpret_f64', float);
    return ir.numeric('i64.extend_i32_u', ir.numeric('i32.reinterpret_f32', float));
  }

  #name(operation: string): NumericOp {
    return `f${this.#bits}.${operation}` as NumericOp;
  }

  #and(...conditions: Node[]): Node {
    return conditions.reduce((a, b) => this.#ir.numeric('i32.and', a, b));
  }

  #unsigned(bits: Node): Node {
    return this.#ir.numeric('i64.shl', bits, this.#ir.const64(this.#shift));
  }

  /** Not denormal: zero wraps around to the top. */
  #plain(bits: Node): Node {
    const ir = this.#ir;
    const below = ir.numeric('i64.sub', this.#unsigned(bits), ir.const64(1n));
    return ir.numeric('i64.le_u', ir.const64(this.#least - 1n), below);
  }

  /** Normal: sums of zeros, which are rare, are the routine's. */
  #normal(bits: Node): Node {
    const ir = this.#ir;
    const above = ir.numeric('i64.sub', this.#unsigned(bits), ir.const64(this.#least));
    return ir.numeric('i64.lt_u', above, ir.const64(this.#infinity - this.#least));
  }

  /** Normal and above the least binade, where tininess would have to be judged. */
  #safe(bits: Node): Node {
    const ir = this.#ir;
    const above = ir.numeric('i64.sub', this.#unsigned(bits), ir.const64(2n * this.#least));
    return ir.numeric('i64.lt_u', above, ir.const64(this.#infinity - 2n * this.#least));
  }

  /** `fast` where the conditions hold, else what the routine returns; both as bits. */
  #either(conditions: readonly Node[], fast: Node, exact: Exact): Node {
    const ir = this.#ir;
    const result = ir.fresh(fast.type);
    ir.expect(
      this.#and(ir.mayBeFast(), ...conditions),
      () => ir.assign(result, fast),
      () => {
        const bits = exact();
        ir.lookAgain(this.#plain(bits));
        ir.assign(result, this.#float(bits));
      },
    );
    const value = ir.valueOf(result);
    ir.results.add(value);
    return this.#bitsOf(value);
  }

  /** Conditions on operands that no operation here has made. */
  #operands(floats: readonly Node[]): Node[] {
    return [...new Set(floats)].filter((float) => !this.#ir.results.has(float)).map((float) => this.#plain(this.#bitsOf(float)));
  }

  binary(op: Exclude<FloatBinary, 'min' | 'max'>, operands: readonly [Node, Node], exact: Exact): Node {
    const [a, b] = operands.map((bits) => this.#float(bits)) as [Node, Node];
    const result = this.#ir.numeric(this.#name(op), a, b);
    const bits = this.#bitsOf(result);
    // Products and quotients of 0 are left to the routine, which is fast with them.
    const fits = op === 'add' || op === 'sub' ? this.#normal(bits) : this.#safe(bits);
    return this.#either([...this.#operands([a, b]), fits], result, exact);
  }

  squareRoot(bits: Node, exact: Exact): Node {
    const ir = this.#ir;
    const { least, infinity } = FORMAT[this.#bits];
    const above = ir.numeric('i64.sub', bits, ir.const64(least));
    const fits = ir.numeric('i64.lt_u', above, ir.const64(infinity - least));
    return this.#either([fits], ir.numeric(this.#name('sqrt'), this.#float(bits)), exact);
  }

  /** Bit 0 less, bit 1 equal, bit 2 unordered. */
  compare(operands: readonly [Node, Node], exact: Exact): Node {
    const ir = this.#ir;
    const [a, b] = operands.map((bits) => this.#float(bits)) as [Node, Node];
    const order = ir.fresh('i64');
    const extend = (condition: Node): Node => ir.numeric('i64.extend_i32_u', condition);
    const ordered = [a, b].map((float) => ir.numeric(this.#name('eq'), float, float));
    ir.expect(
      this.#and(...ordered, ...[a, b].map((float) => this.#plain(this.#bitsOf(float)))),
      () => {
        const equal = ir.numeric('i64.shl', extend(ir.numeric(this.#name('eq'), a, b)), ir.const64(1n));
        ir.assign(order, ir.numeric('i64.or', extend(ir.numeric(this.#name('lt'), a, b)), equal));
      },
      () => ir.assign(order, exact()),
    );
    return ir.valueOf(order);
  }

  /** From the other format. Zeros are the routine's. */
  convert(bits: Node, from: FastFloats, exact: Exact): Node {
    const value = from.#float(bits);
    if (this.#bits === 64) return this.#either([from.#normal(bits)], this.#ir.numeric('f64.promote_f32', value), exact);
    const result = this.#ir.numeric('f32.demote_f64', value);
    return this.#either([...from.#operands([value]), this.#safe(this.#bitsOf(result))], result, exact);
  }

  /** From a signed integer of 64 bits. */
  fromInteger(value: Node, exact: Exact): Node {
    return this.#either([], this.#ir.numeric(this.#name('convert_i64_s'), value), exact);
  }

  /** Exact: no double is lost on a 32-bit integer. */
  fromInt32(value: Node): Node {
    const ir = this.#ir;
    const double = ir.numeric('f64.convert_i32_s', ir.numeric('i32.wrap_i64', value));
    ir.results.add(double);
    return this.#bitsOf(double);
  }

  /** To a signed integer, as bits below 2^width. Whatever is out of range and NaNs are the routine's. */
  toInteger(bits: Node, to: { readonly bits: Bits; readonly nearest: boolean }, exact: Exact): Node {
    const ir = this.#ir;
    const value = this.#float(bits);
    const whole = to.nearest ? ir.numeric(this.#name('nearest'), value) : value;
    const found = ir.saturating(`i64.trunc_sat_f${this.#bits}_s`, whole);
    const narrow = to.bits === 32;
    const moved = ir.numeric('i64.add', found, ir.const64(narrow ? 1n << 31n : (1n << 63n) - 1n));
    // The ends of the range are what others saturate to.
    const inside = ir.numeric('i64.lt_u', moved, ir.const64(narrow ? 1n << 32n : (1n << 64n) - 2n));
    const integer = ir.fresh('i64');
    ir.expect(
      this.#and(ir.mayBeFast(), ir.numeric(this.#name('eq'), value, value), inside),
      () => ir.assign(integer, narrow ? ir.numeric('i64.and', found, ir.const64(0xffffffffn)) : found),
      () => ir.assign(integer, exact()),
    );
    return ir.valueOf(integer);
  }
}
