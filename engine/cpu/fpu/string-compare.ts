/** The comparison behind PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (SDM vol. 2, 4.1). */

export interface StringOperand {
  readonly low: bigint;
  readonly high: bigint;
  /** Valid elements, or 31 when the first null element ends the string. */
  readonly length: number;
}

export interface StringResult {
  /** Result bit per element. */
  readonly bits: number;
  /** Element number for the index forms. */
  readonly index: number;
  /** C, Z, S and O at their RFLAGS positions; A and P are zero. */
  readonly status: number;
  /** Elements of the operands: 16 bytes or 8 words. */
  readonly count: 8 | 16;
}

const A = new Int32Array(16);
const B = new Int32Array(16);
const half = new BigUint64Array(1);
const halfBytes = new Uint8Array(half.buffer);

/** Elements of an operand, zero- or sign-extended. */
function unpack(operand: StringOperand, to: Int32Array, imm: number): void {
  for (let high = 0; high < 2; high++) {
    half[0] = high === 0 ? operand.low : operand.high;
    for (let i = 0; i < 8; i++) {
      const byte = halfBytes[i] as number;
      if ((imm & 1) === 0) to[high * 8 + i] = (imm & 2) !== 0 ? (byte << 24) >> 24 : byte;
      else if ((i & 1) === 1) {
        const word = (byte << 8) | (halfBytes[i - 1] as number);
        to[high * 4 + (i >> 1)] = (imm & 2) !== 0 ? (word << 16) >> 16 : word;
      }
    }
  }
}

function validLength(values: Int32Array, length: number, count: number): number {
  if (length <= 16) return Math.min(length, count);
  let end = 0;
  while (end < count && values[end] !== 0) end++;
  return end;
}

/** Is element i of the second string selected by the first, under aggregation 0 equal any, 1 ranges, 2 equal each, 3 equal ordered? */
function selected(aggregation: number, i: number, lengths: { a: number; b: number; count: number }): boolean {
  const value = B[i] as number;
  const { a, b, count } = lengths;
  switch (aggregation) {
    case 0:
      if (i < b) for (let j = 0; j < a; j++) if (A[j] === value) return true;
      return false;
    case 1:
      if (i < b) for (let j = 0; j + 1 < a; j += 2) if (value >= (A[j] as number) && value <= (A[j + 1] as number)) return true;
      return false;
    case 2:
      return i < a && i < b ? A[i] === value : i >= a && i >= b;
    default:
      for (let j = 0; i + j < count && j < a; j++) if (i + j >= b || A[j] !== B[i + j]) return false;
      return true;
  }
}

export function compareStrings(first: StringOperand, second: StringOperand, imm: number): StringResult {
  const count = (imm & 1) !== 0 ? 8 : 16;
  unpack(first, A, imm);
  unpack(second, B, imm);
  const lengths = { a: validLength(A, first.length, count), b: validLength(B, second.length, count), count };
  let bits = 0;
  for (let i = 0; i < count; i++) if (selected((imm >> 2) & 3, i, lengths)) bits |= 1 << i;
  if ((imm & 0x10) !== 0) bits ^= (imm & 0x20) !== 0 ? (1 << lengths.b) - 1 : (1 << count) - 1;
  const index = bits === 0 ? count : (imm & 0x40) !== 0 ? 31 - Math.clz32(bits) : 31 - Math.clz32(bits & -bits);
  const status =
    (bits === 0 ? 0 : 1) | (lengths.b < count ? 0x40 : 0) | (lengths.a < count ? 0x80 : 0) | ((bits & 1) === 0 ? 0 : 0x800);
  return { bits, index, status, count };
}
