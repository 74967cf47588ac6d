/**
 * Scalar floating point of regions: the host's operation where it can raise nothing but a sticky precision flag, else the exact routine.
 * Values are ordinary when their exponent lies in the middle quarter of its range (of floats of 32 bits, the middle half). One look at the
 * bits of all operands that nothing is known of says it. What comes of ordinary values by a few operations is neither denormal nor infinite
 * nor tiny: its range is known, and it is looked at only where the next operation could lead out of the format. All else, zeros too, is left
 * to the routines; where a value is neither zero nor in the range that is taken for granted, the interpreter goes on.
 */
import type { FloatBinary } from '../../isa/emitter.ts';
import type { NumericOp } from '../../wasm/opcodes.ts';
import type { Node } from '../ir/node.ts';
import type { RegionBuilder } from './builder.ts';
import type { FloatRange } from './values.ts';

type Bits = 32 | 64;
/**
 * `normal`: exponents of normal numbers. `ordinary`: exponents of ordinary values, from the one of `start`; bits above `ordinaryBits` are 0 in
 * (value - start), but for the sign, exactly for those.
 */
const FORMAT = {
  32: {
    least: 1n << 23n,
    infinity: 0x7f800000n,
    fraction: 23,
    normal: { least: -126, most: 127 },
    ordinary: { least: -63, most: 65 },
    start: 0x40n << 23n,
    ordinaryBits: 30n,
    above: 1,
  },
  64: {
    least: 1n << 52n,
    infinity: 0x7ff0000000000000n,
    fraction: 52,
    normal: { least: -1022, most: 1023 },
    ordinary: { least: -255, most: 257 },
    start: 0x300n << 52n,
    ordinaryBits: 61n,
    above: 3,
  },
} as const;
const ZERO: FloatRange = { least: Number.POSITIVE_INFINITY, most: Number.NEGATIVE_INFINITY };
/** Of integers of 64 bits. */
const INTEGERS: FloatRange = { least: 0, most: 63 };
/** The routine, of the bits of the operands. */
type Exact = (...operands: Node[]) => Node;

const isWithin = (range: FloatRange, outer: FloatRange): boolean => range.least >= outer.least && range.most <= outer.most;

export class FastFloats {
  readonly #ir: RegionBuilder;
  readonly #bits: Bits;

  constructor(ir: RegionBuilder, bits: Bits) {
    this.#ir = ir;
    this.#bits = bits;
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

  #rangeOf(float: Node): FloatRange | undefined {
    const constant = float.args[0]?.what;
    if (constant?.op === 'const64' && constant.value === 0n) return ZERO;
    return this.#ir.rangeOf(float);
  }

  /** The different ones of which nothing is known. */
  #unknown(floats: readonly Node[]): Node[] {
    return [...new Set(floats)].filter((float) => this.#rangeOf(float) === undefined);
  }

  /** i32: are all of them ordinary? */
  #areOrdinary(floats: readonly Node[]): Node {
    const ir = this.#ir;
    const { start, ordinaryBits, above } = FORMAT[this.#bits];
    const moved = floats.map((float) => ir.numeric('i64.sub', this.#bitsOf(float), ir.const64(start)));
    const all = moved.reduce((a, b) => ir.numeric('i64.or', a, b));
    const top = ir.numeric('i32.wrap_i64', ir.numeric('i64.shr_u', all, ir.const64(ordinaryBits)));
    return ir.numeric('i32.eqz', ir.numeric('i32.and', top, ir.const32(above)));
  }

  /**
   * i32: may the range of ordinary values be taken for granted for all of them? Not asked in the words of `#areOrdinary`, so that nobody keeps
   * the answer of that.
   */
  #areGood(floats: readonly Node[]): Node {
    const ir = this.#ir;
    const { start, ordinaryBits, above } = FORMAT[this.#bits];
    const shift = ir.const64(BigInt(65 - this.#bits));
    const outside = ir.const64(BigInt(above) << ordinaryBits);
    const each = floats.map((float) => {
      const bits = this.#bitsOf(float);
      const isZero = ir.numeric('i64.eqz', ir.numeric('i64.shl', bits, shift));
      const odd = ir.numeric('i64.and', ir.numeric('i64.sub', bits, ir.const64(start)), outside);
      return ir.numeric('i32.or', isZero, ir.numeric('i64.eqz', odd));
    });
    return each.length === 0 ? ir.const32(1) : this.#and(...each);
  }

  /** The interpreter goes on unless this is an operand to compute with. */
  require(float: Node): void {
    const ir = this.#ir;
    if (this.#rangeOf(float) !== undefined) return;
    ir.require(this.#areGood([float]));
    ir.noteRange(float, FORMAT[this.#bits].ordinary);
  }

  /**
   * `fast`, or what the routine returns where one of `operands` is not ordinary; as bits. Where `range` is undefined the result has to be
   * ordinary as well.
   */
  #either(operands: readonly Node[], fast: Node, what: { range: FloatRange | undefined; exact: () => Node }): Node {
    const ir = this.#ir;
    if (ir.anyFloat) return this.#any(this.#areOrdinary([...operands, fast]), fast, what.exact);
    const { ordinary } = FORMAT[this.#bits];
    const looked = what.range === undefined ? [...operands, fast] : operands;
    const range = what.range ?? ordinary;
    ir.requireFast();
    if (looked.length === 0) {
      ir.noteRange(fast, range);
      return this.#bitsOf(fast);
    }
    const result = ir.fresh(fast.type);
    ir.expect(
      this.#areOrdinary(looked),
      () => ir.assign(result, fast),
      () => {
        const found = this.#float(what.exact());
        ir.lookAgain(this.#areGood(what.range === undefined ? [...operands, found] : operands));
        ir.assign(result, found);
      },
    );
    for (const operand of operands) ir.noteRange(operand, ordinary);
    const value = ir.valueOf(result);
    ir.noteRange(value, range);
    return this.#bitsOf(value);
  }

  /** The same where nothing is taken for granted. */
  #any(isPlain: Node, fast: Node, exact: () => Node): Node {
    const ir = this.#ir;
    const result = ir.fresh(fast.type);
    ir.requireFast();
    ir.expect(
      isPlain,
      () => ir.assign(result, fast),
      () => {
        const found = this.#float(exact());
        ir.lookAgain();
        ir.assign(result, found);
      },
    );
    return this.#bitsOf(ir.valueOf(result));
  }

  /** Where the result lies, undefined where that is not certain to be among the normal numbers. */
  #rangeAfter(op: Exclude<FloatBinary, 'min' | 'max'>, a: FloatRange, b: FloatRange): FloatRange | undefined {
    const { fraction, normal } = FORMAT[this.#bits];
    if (op === 'div') return undefined; // a divisor may be zero
    // A sum is a multiple of the last place of the smaller one, and exact where it is small.
    const range =
      op === 'mul'
        ? { least: a.least + b.least, most: a.most + b.most }
        : { least: Math.min(a.least, b.least) - fraction, most: Math.max(a.most, b.most) + 1 };
    return isWithin(range, normal) ? range : undefined;
  }

  binary(op: Exclude<FloatBinary, 'min' | 'max'>, operands: readonly [Node, Node], exact: Exact): Node {
    const [a, b] = operands.map((bits) => this.#float(bits)) as [Node, Node];
    const { ordinary } = FORMAT[this.#bits];
    const range = this.#rangeAfter(op, this.#rangeOf(a) ?? ordinary, this.#rangeOf(b) ?? ordinary);
    const result = this.#ir.numeric(this.#name(op), a, b);
    return this.#either(this.#unknown([a, b]), result, { range, exact: () => exact(this.#bitsOf(a), this.#bitsOf(b)) });
  }

  /** The root of what is negative, denormal, infinite or no number is not ordinary. */
  squareRoot(bits: Node, exact: Exact): Node {
    const value = this.#float(bits);
    const root = this.#ir.numeric(this.#name('sqrt'), value);
    return this.#either([], root, { range: undefined, exact: () => exact(this.#bitsOf(value)) });
  }

  /** How the host compares them. Numbers but denormals raise nothing; with others the interpreter goes on. */
  compare(operands: readonly [Node, Node]): { less: Node; equal: Node; lessOrEqual: Node } {
    const ir = this.#ir;
    const [a, b] = operands.map((bits) => this.#float(bits)) as [Node, Node];
    const unknown = this.#unknown([a, b].filter((_, i) => !this.#isNumber(operands[i] as Node)));
    if (unknown.length > 0) {
      ir.expect(
        this.#areOrdinary(unknown),
        () => undefined,
        () => ir.require(this.#and(...unknown.map((float) => this.#isPlain(float)))),
      );
    }
    const [less, equal, lessOrEqual] = (['lt', 'eq', 'le'] as const).map((name) => ir.numeric(this.#name(name), a, b));
    return { less, equal, lessOrEqual } as { less: Node; equal: Node; lessOrEqual: Node };
  }

  /** i32: neither denormal nor no number. */
  #isPlain(float: Node): Node {
    const ir = this.#ir;
    const { least, infinity } = FORMAT[this.#bits];
    const magnitude = ir.numeric('i64.and', this.#bitsOf(float), ir.const64((1n << BigInt(this.#bits - 1)) - 1n));
    const below = ir.numeric('i64.sub', magnitude, ir.const64(1n)); // zero wraps around to the top
    return this.#and(
      ir.numeric('i64.le_u', ir.const64(least - 1n), below),
      ir.numeric('i64.le_u', magnitude, ir.const64(infinity)),
    );
  }

  /** A constant that compares without exceptions. */
  #isNumber({ what }: Node): boolean {
    if (what.op !== 'const64') return false;
    const { least, infinity } = FORMAT[this.#bits];
    const magnitude = what.value & ((1n << BigInt(this.#bits - 1)) - 1n);
    return magnitude === 0n || (magnitude >= least && magnitude <= infinity);
  }

  /** From the other format. */
  convert(bits: Node, from: FastFloats, exact: Exact): Node {
    const ir = this.#ir;
    const value = from.#float(bits);
    const known = from.#rangeOf(value);
    if (this.#bits === 64) {
      const result = ir.numeric('f64.promote_f32', value);
      if (ir.anyFloat) return this.#any(from.#areOrdinary([value]), result, () => exact(bits));
      if (known !== undefined) {
        ir.noteRange(result, known);
        return this.#bitsOf(result);
      }
      return this.#widen(value, result, { from, exact: () => exact(bits) });
    }
    const range = known && isWithin(known, FORMAT[32].normal) ? known : undefined;
    return this.#either([], ir.numeric('f32.demote_f64', value), { range, exact: () => exact(bits) });
  }

  /** A shorter value that nothing is known of, and it as this format says it. */
  #widen(value: Node, wide: Node, { from, exact }: { from: FastFloats; exact: () => Node }): Node {
    const ir = this.#ir;
    const result = ir.fresh('f64');
    ir.expect(
      from.#areOrdinary([value]),
      () => ir.assign(result, wide),
      () => {
        const found = this.#float(exact());
        ir.lookAgain(from.#areGood([value]));
        ir.assign(result, found);
      },
    );
    const { ordinary } = FORMAT[32];
    ir.noteRange(value, ordinary);
    const found = ir.valueOf(result);
    ir.noteRange(found, ordinary);
    return this.#bitsOf(found);
  }

  /** From a signed integer of 64 bits. */
  fromInteger(value: Node): Node {
    const ir = this.#ir;
    const float = ir.numeric(this.#name('convert_i64_s'), value);
    ir.requireFast();
    ir.noteRange(float, INTEGERS);
    return this.#bitsOf(float);
  }

  /** Exact: no double is lost on a 32-bit integer. */
  fromInt32(value: Node): Node {
    const ir = this.#ir;
    const double = ir.numeric('f64.convert_i32_s', ir.numeric('i32.wrap_i64', value));
    ir.noteRange(double, INTEGERS);
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
    ir.requireFast();
    ir.expect(
      this.#and(ir.numeric(this.#name('eq'), value, value), inside),
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
