/**
 * Scalar floating point of regions: the host's operation where it can raise nothing but a sticky precision flag, else the exact routine.
 * Values are ordinary when their exponent lies in the middle half of its range: neither they nor what comes of them by rounding is zero,
 * denormal, infinite or no number. One bit of (value - start of that range) says it, so that values are judged together. All else, zeros
 * too, is left to the routines, which have conditions of their own. Results of operations before are not looked at again: while `notFast`
 * is 0, none of them is denormal.
 */
import type { FloatBinary } from '../../isa/emitter.ts';
import type { NumericOp } from '../../wasm/opcodes.ts';
import type { Node } from '../ir/node.ts';
import type { RegionBuilder } from './builder.ts';

type Bits = 32 | 64;
const FORMAT = {
  32: { least: 1n << 23n, infinity: 0x7f800000n, ordinary: 0x40n << 23n },
  64: { least: 1n << 52n, infinity: 0x7ff0000000000000n, ordinary: 0x200n << 52n },
} as const;
/** The routine, of the bits of the operands. */
type Exact = (...operands: Node[]) => Node;

export class FastFloats {
  readonly #ir: RegionBuilder;
  readonly #bits: Bits;
  /** What moves the bits of a value to the top of an i64, its sign out of it. */
  readonly #shift: bigint;
  readonly #least: bigint;

  constructor(ir: RegionBuilder, bits: Bits) {
    this.#ir = ir;
    this.#bits = bits;
    this.#shift = BigInt(65 - bits);
    this.#least = FORMAT[bits].least << this.#shift;
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

  /** i64 whose bit below the sign, in the width of the format, is set where one of the values is not ordinary. */
  #odd(values: readonly Node[]): Node | undefined {
    const ir = this.#ir;
    const [first, ...rest] = values.map((bits) => ir.numeric('i64.sub', bits, ir.const64(FORMAT[this.#bits].ordinary)));
    return first && rest.reduce((a, b) => ir.numeric('i64.or', a, b), first);
  }

  /** Is that bit clear in all of these? */
  #none(words: readonly (Node | undefined)[]): Node {
    const ir = this.#ir;
    const all = words.filter((word) => word !== undefined).reduce((a, b) => ir.numeric('i64.or', a, b));
    return ir.numeric('i64.le_s', ir.const64(0n), ir.numeric('i64.shl', all, ir.const64(this.#shift)));
  }

  /** `fast` where nothing is odd, else what the routine returns; both as bits. */
  #either(odd: readonly (Node | undefined)[], fast: Node, exact: () => Node): Node {
    const ir = this.#ir;
    const result = ir.fresh(fast.type);
    ir.expect(
      this.#none([ir.notFast(), ...odd]),
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

  /** Bits of operands that no operation here has made. */
  #unknown(floats: readonly Node[]): Node[] {
    return [...new Set(floats)].filter((float) => !this.#ir.results.has(float)).map((float) => this.#bitsOf(float));
  }

  binary(op: Exclude<FloatBinary, 'min' | 'max'>, operands: readonly [Node, Node], exact: Exact): Node {
    const [a, b] = operands.map((bits) => this.#float(bits)) as [Node, Node];
    const result = this.#ir.numeric(this.#name(op), a, b);
    const odd = this.#odd([...this.#unknown([a, b]), this.#bitsOf(result)]);
    return this.#either([odd], result, () => exact(this.#bitsOf(a), this.#bitsOf(b)));
  }

  squareRoot(bits: Node, exact: Exact): Node {
    const ir = this.#ir;
    const value = this.#float(bits);
    const same = this.#bitsOf(value);
    const negative = ir.numeric('i64.shr_u', same, ir.const64(1n));
    return this.#either([this.#odd([same]), negative], ir.numeric(this.#name('sqrt'), value), () => exact(same));
  }

  /** Bit 0 less, bit 1 equal, bit 2 unordered. */
  compare(operands: readonly [Node, Node], exact: Exact): Node {
    const ir = this.#ir;
    const [a, b] = operands.map((bits) => this.#float(bits)) as [Node, Node];
    const order = ir.fresh('i64');
    const extend = (condition: Node): Node => ir.numeric('i64.extend_i32_u', condition);
    const unknown = [...new Set(operands)].filter((bits) => !this.#isNumber(bits));
    ir.expect(
      unknown.length === 0 ? ir.const32(1) : this.#none([this.#odd(unknown)]),
      () => {
        const equal = ir.numeric('i64.shl', extend(ir.numeric(this.#name('eq'), a, b)), ir.const64(1n));
        ir.assign(order, ir.numeric('i64.or', extend(ir.numeric(this.#name('lt'), a, b)), equal));
      },
      () => {
        const found = exact(...operands);
        ir.lookAgain();
        ir.assign(order, found);
      },
    );
    return ir.valueOf(order);
  }

  /** A constant that compares without exceptions. */
  #isNumber({ what }: Node): boolean {
    if (what.op !== 'const64') return false;
    const { least, infinity } = FORMAT[this.#bits];
    const magnitude = what.value & ((1n << BigInt(this.#bits - 1)) - 1n);
    return magnitude === 0n || (magnitude >= least && magnitude <= infinity);
  }

  /** From the other format: the shorter value is ordinary, which the longer one is then. */
  convert(bits: Node, from: FastFloats, exact: Exact): Node {
    const ir = this.#ir;
    const value = from.#float(bits);
    const again = (): Node => exact(bits);
    if (this.#bits === 64) return this.#either([widened(ir, from.#odd([bits]))], ir.numeric('f64.promote_f32', value), again);
    const result = ir.numeric('f32.demote_f64', value);
    return this.#either([this.#odd([this.#bitsOf(result)])], result, again);
  }

  /** From a signed integer of 64 bits. */
  fromInteger(value: Node, exact: Exact): Node {
    return this.#either([], this.#ir.numeric(this.#name('convert_i64_s'), value), () => exact(value));
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
      () => {
        const found = exact(bits);
        ir.lookAgain();
        ir.assign(integer, found);
      },
    );
    return ir.valueOf(integer);
  }
}

/** What `#odd` says of floats of 32 bits, where it is looked for in 64. */
const widened = (ir: RegionBuilder, odd: Node | undefined): Node | undefined =>
  odd && ir.numeric('i64.shl', odd, ir.const64(32n));
