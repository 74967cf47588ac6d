/**
 * Packed floating point of regions: all lanes by the host's operation where none of them can raise anything but a sticky precision flag, else
 * the exact routine. As in floats.ts, arithmetic is done here on ordinary values; the conditions of MIN, MAX and roots are those of
 * engine/cpu/routines/vector-float.ts. No result is denormal.
 */
import type { FloatBinary } from '../../isa/emitter.ts';
import type { SimdOp } from '../../wasm/opcodes.ts';
import type { Node } from '../ir/node.ts';
import type { RegionBuilder } from './builder.ts';

type Bits = 32 | 64;
/** Bits of the least normal number, infinity, the largest magnitude, and where exponents begin to be ordinary (floats.ts). */
function words(bits: Bits, fraction: number, ordinary: number) {
  const [one, at] = [1n, BigInt(fraction)];
  const magnitude = (one << BigInt(bits - 1)) - one;
  return { least: one << at, infinity: magnitude - ((one << at) - one), magnitude, ordinary: BigInt(ordinary) << at };
}

const FORMAT = {
  32: { ...words(32, 23, 0x40), shape: 'i32x4', floats: 'f32x4' },
  64: { ...words(64, 52, 0x200), shape: 'i64x2', floats: 'f64x2' },
} as const;

export class FastLanes {
  readonly #ir: RegionBuilder;

  constructor(ir: RegionBuilder) {
    this.#ir = ir;
  }

  #every(bits: Bits, value: bigint): Node {
    const word = bits === 64 ? value : value | (value << 32n);
    return this.#ir.constV(word, word);
  }

  #vector(name: SimdOp, ...args: Node[]): Node {
    return this.#ir.simd(name, 'v128', ...args);
  }

  #magnitude(bits: Bits, a: Node): Node {
    return this.#vector('v128.and', a, this.#every(bits, FORMAT[bits].magnitude));
  }

  /** Lanes, as numbers without sign, outside of from ≤ lane < to. */
  #outside(bits: Bits, lanes: Node, range: { from: bigint; to: bigint }): Node {
    const { from, to } = range;
    if (bits === 32) {
      const moved = this.#vector('i32x4.sub', lanes, this.#every(32, from));
      return this.#vector('i32x4.ge_u', moved, this.#every(32, to - from));
    }
    const below = this.#vector('i64x2.gt_s', this.#every(64, from), lanes);
    if (to > FORMAT[64].magnitude) return below;
    return this.#vector('v128.or', below, this.#vector('i64x2.gt_s', lanes, this.#every(64, to - 1n)));
  }

  #zeros(bits: Bits, lanes: Node): Node {
    return this.#vector(`${FORMAT[bits].shape}.eq`, lanes, this.#every(bits, 0n));
  }

  /** Lanes that are denormal; with `nan`, or no number. Nothing where that is known: results are not denormal, but may be no number. */
  #odd(bits: Bits, operands: readonly Node[], nan: boolean): Node[] {
    const { least, infinity, magnitude } = FORMAT[bits];
    const to = nan ? infinity + 1n : magnitude + 1n;
    return [...new Set(operands)]
      .filter((a) => !this.#isPlainConstant(bits, a))
      .flatMap((a) => {
        const isResult = this.#ir.laneResults.get(a) === bits;
        if (isResult && !nan) return [];
        const lanes = this.#magnitude(bits, a);
        const outside = this.#outside(bits, lanes, { from: isResult ? 0n : least, to });
        return [isResult ? outside : this.#vector('v128.andnot', outside, this.#zeros(bits, lanes))];
      });
  }

  #isPlainConstant(bits: Bits, a: Node): boolean {
    if (a.op !== 'constV') return false;
    const { least, infinity, magnitude } = FORMAT[bits];
    const all = a.what.low | (a.what.high << 64n);
    for (let at = 0n; at < 128n; at += BigInt(bits)) {
      const lane = (all >> at) & magnitude;
      if (lane !== 0n && (lane < least || lane > infinity)) return false;
    }
    return true;
  }

  #none(lanes: readonly Node[]): Node {
    const ir = this.#ir;
    const [first, ...rest] = lanes;
    if (first === undefined) return ir.const32(1);
    const all = rest.reduce((a, b) => this.#vector('v128.or', a, b), first);
    return ir.numeric('i32.eqz', ir.simd('v128.any_true', 'i32', all));
  }

  #either(bits: Bits, good: Node, fast: Node, exact: () => Node): Node {
    const ir = this.#ir;
    const result = ir.fresh('v128');
    ir.requireFast();
    ir.expect(
      good,
      () => ir.assign(result, fast),
      () => {
        const lanes = exact();
        ir.lookAgain(this.#none(this.#odd(bits, [lanes], false)));
        ir.assign(result, lanes);
      },
    );
    const value = ir.valueOf(result);
    ir.laneResults.set(value, bits);
    return value;
  }

  /** i32: is every lane of these vectors ordinary? */
  #ordinary(bits: Bits, vectors: readonly Node[]): Node {
    const ir = this.#ir;
    const { shape, ordinary } = FORMAT[bits];
    const moved = vectors.map((lanes) => this.#vector(`${shape}.sub`, lanes, this.#every(bits, ordinary)));
    const all = moved.reduce((a, b) => this.#vector('v128.or', a, b));
    const signs = ir.simd(`${shape}.shl`, 'v128', all, ir.const32(1));
    return ir.numeric('i32.eqz', ir.simd(`${shape}.bitmask`, 'i32', signs));
  }

  binary(op: FloatBinary, bits: Bits, operands: readonly [Node, Node], exact: () => Node): Node {
    const { floats } = FORMAT[bits];
    if (op === 'min' || op === 'max') {
      const [a, b] = operands;
      return this.#either(bits, this.#none(this.#odd(bits, [a, b], true)), this.#vector(`${floats}.p${op}`, b, a), exact);
    }
    const result = this.#vector(`${floats}.${op}`, ...operands);
    const unknown = [...new Set(operands)].filter((a) => this.#ir.laneResults.get(a) !== bits);
    return this.#either(bits, this.#ordinary(bits, [...unknown, result]), result, exact);
  }

  squareRoot(bits: Bits, a: Node, exact: () => Node): Node {
    const { floats, least, infinity } = FORMAT[bits];
    const outside = this.#outside(bits, a, { from: least, to: infinity });
    const bad = this.#vector('v128.andnot', outside, this.#zeros(bits, a));
    return this.#either(bits, this.#none([bad]), this.#vector(`${floats}.sqrt`, a), exact);
  }
}
