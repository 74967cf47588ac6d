/** Vector operations of the oracle: 128-bit values as BigInt, each operation by lanes with wasm's meaning (core specification, 4.4). */
import type { VecBinary, VecShift, VecUnary } from '../../isa/emitter.ts';

const MASK128 = (1n << 128n) - 1n;

/** Split into lanes of `bits`, lane 0 first, unsigned. */
export function split(bits: number, value: bigint): bigint[] {
  const lanes: bigint[] = [];
  for (let at = 0; at < 128; at += bits) lanes.push(BigInt.asUintN(bits, value >> BigInt(at)));
  return lanes;
}

/** Put lanes of `bits` together; each is truncated to the lane. */
export function join(bits: number, lanes: readonly bigint[]): bigint {
  return lanes.reduce((all, lane, index) => all | (BigInt.asUintN(bits, lane) << BigInt(index * bits)), 0n);
}

const signed = (bits: number, value: bigint): bigint => BigInt.asIntN(bits, value);
const clamp = (low: bigint, high: bigint, value: bigint): bigint => (value < low ? low : value > high ? high : value);
const clampSigned = (bits: number, value: bigint): bigint =>
  clamp(-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n, value);
const clampUnsigned = (bits: number, value: bigint): bigint => clamp(0n, (1n << BigInt(bits)) - 1n, value);

type LaneOp = (bits: number, a: bigint, b: bigint) => bigint;

/** Operations that make each lane from the same lane of both operands. */
const LANEWISE: Readonly<Record<string, LaneOp>> = {
  add: (_bits, a, b) => a + b,
  sub: (_bits, a, b) => a - b,
  mul: (_bits, a, b) => a * b,
  eq: (_bits, a, b) => (a === b ? -1n : 0n),
  gt_s: (bits, a, b) => (signed(bits, a) > signed(bits, b) ? -1n : 0n),
  add_sat_s: (bits, a, b) => clampSigned(bits, signed(bits, a) + signed(bits, b)),
  add_sat_u: (bits, a, b) => clampUnsigned(bits, a + b),
  sub_sat_s: (bits, a, b) => clampSigned(bits, signed(bits, a) - signed(bits, b)),
  sub_sat_u: (bits, a, b) => clampUnsigned(bits, a - b),
  avgr_u: (_bits, a, b) => (a + b + 1n) / 2n,
  min_s: (bits, a, b) => (signed(bits, a) < signed(bits, b) ? a : b),
  min_u: (_bits, a, b) => (a < b ? a : b),
  max_s: (bits, a, b) => (signed(bits, a) > signed(bits, b) ? a : b),
  max_u: (_bits, a, b) => (a > b ? a : b),
};

function shapeOf(op: string): { bits: number; name: string } {
  const [shape = '', name = ''] = op.split('.');
  return { bits: shape === 'v128' ? 128 : Number(shape.slice(1, shape.indexOf('x'))), name };
}

const halves = (bits: number, value: bigint, half: string): bigint[] => {
  const lanes = split(bits / 2, value);
  return half === 'low' ? lanes.slice(0, lanes.length / 2) : lanes.slice(lanes.length / 2);
};

const extend = (bits: number, lanes: bigint[], sign: string): bigint[] =>
  sign === 's' ? lanes.map((lane) => signed(bits / 2, lane)) : lanes;

function bitwise(name: string, a: bigint, b: bigint): bigint {
  switch (name) {
    case 'and':
      return a & b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'andnot':
      return a & (b ^ MASK128);
    default:
      throw new Error(`the oracle has no vector operation ${name}`);
  }
}

export function binary(op: VecBinary, a: bigint, b: bigint): bigint {
  const { bits, name } = shapeOf(op);
  if (bits === 128) return bitwise(name, a, b);
  const lanewise = LANEWISE[name];
  if (lanewise) {
    const right = split(bits, b);
    return join(
      bits,
      split(bits, a).map((lane, index) => lanewise(bits, lane, right[index] ?? 0n)),
    );
  }
  if (name === 'swizzle') {
    const source = split(8, a);
    return join(
      8,
      split(8, b).map((index) => source[Number(index)] ?? 0n),
    );
  }
  if (name === 'dot_i16x8_s') {
    const left = split(16, a).map((lane) => signed(16, lane));
    const products = split(16, b).map((lane, index) => signed(16, lane) * (left[index] ?? 0n));
    return join(
      32,
      [0, 2, 4, 6].map((index) => (products[index] ?? 0n) + (products[index + 1] ?? 0n)),
    );
  }
  if (name.startsWith('narrow_')) {
    const limit = name.endsWith('_s') ? clampSigned : clampUnsigned;
    const wide = [...split(bits * 2, a), ...split(bits * 2, b)];
    return join(
      bits,
      wide.map((lane) => limit(bits, signed(bits * 2, lane))),
    );
  }
  const [, half, sign] = /^extmul_(low|high)_([su])$/.exec(name) ?? [];
  if (half === undefined || sign === undefined) throw new Error(`the oracle has no vector operation ${op}`);
  const right = extend(bits, halves(bits, b, half), sign);
  return join(
    bits,
    extend(bits, halves(bits, a, half), sign).map((lane, index) => lane * (right[index] ?? 0n)),
  );
}

export function unary(op: VecUnary, a: bigint): bigint {
  const { bits, name } = shapeOf(op);
  if (name === 'not') return a ^ MASK128;
  if (name === 'abs') {
    return join(
      bits,
      split(bits, a).map((lane) => (signed(bits, lane) < 0n ? -signed(bits, lane) : lane)),
    );
  }
  const [, half, sign] = /^extend_(low|high)_([su])$/.exec(name) ?? [];
  if (half === undefined || sign === undefined) throw new Error(`the oracle has no vector operation ${op}`);
  return join(bits, extend(bits, halves(bits, a, half), sign));
}

/** Count modulo the lane size, as wasm has it. */
export function shift(op: VecShift, a: bigint, count: bigint): bigint {
  const { bits, name } = shapeOf(op);
  const by = count % BigInt(bits);
  return join(
    bits,
    split(bits, a).map((lane) => (name === 'shl' ? lane << by : name === 'shr_u' ? lane >> by : signed(bits, lane) >> by)),
  );
}

export function shuffle(lanes: readonly number[], a: bigint, b: bigint): bigint {
  const source = [...split(8, a), ...split(8, b)];
  return join(
    8,
    lanes.map((lane) => source[lane] ?? 0n),
  );
}
