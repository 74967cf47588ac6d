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

function elements(operand: StringOperand, words: boolean, signed: boolean): number[] {
  const bits = words ? 16 : 8;
  return Array.from({ length: 128 / bits }, (_, i) => {
    const at = i * bits;
    const half = at < 64 ? operand.low : operand.high;
    const value = Number((half >> BigInt(at & 63)) & (words ? 0xffffn : 0xffn));
    return signed && value >= 1 << (bits - 1) ? value - (1 << bits) : value;
  });
}

function validLength(values: readonly number[], length: number): number {
  if (length <= 16) return Math.min(length, values.length);
  const end = values.indexOf(0);
  return end < 0 ? values.length : end;
}

interface Strings {
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly lengthA: number;
  readonly lengthB: number;
}

/** Is element i of the second string selected by the first, under aggregation 0 equal any, 1 ranges, 2 equal each, 3 equal ordered? */
function selected({ a, b, lengthA, lengthB }: Strings, aggregation: number, i: number): boolean {
  const value = b[i] as number;
  switch (aggregation) {
    case 0:
      return i < lengthB && a.slice(0, lengthA).includes(value);
    case 1: {
      if (i >= lengthB) return false;
      for (let j = 0; j + 1 < lengthA; j += 2) if (value >= (a[j] as number) && value <= (a[j + 1] as number)) return true;
      return false;
    }
    case 2:
      return i < lengthA && i < lengthB ? a[i] === value : i >= lengthA && i >= lengthB;
    default:
      for (let j = 0; i + j < b.length && j < lengthA; j++) if (i + j >= lengthB || a[j] !== b[i + j]) return false;
      return true;
  }
}

export function compareStrings(first: StringOperand, second: StringOperand, imm: number): StringResult {
  const words = (imm & 1) !== 0;
  const signed = (imm & 2) !== 0;
  const a = elements(first, words, signed);
  const b = elements(second, words, signed);
  const strings: Strings = { a, b, lengthA: validLength(a, first.length), lengthB: validLength(b, second.length) };
  const count = words ? 8 : 16;
  let bits = 0;
  for (let i = 0; i < count; i++) if (selected(strings, (imm >> 2) & 3, i)) bits |= 1 << i;
  if ((imm & 0x10) !== 0) bits ^= (imm & 0x20) !== 0 ? (1 << strings.lengthB) - 1 : (1 << count) - 1;
  const index = bits === 0 ? count : (imm & 0x40) !== 0 ? 31 - Math.clz32(bits) : 31 - Math.clz32(bits & -bits);
  const status =
    (bits === 0 ? 0 : 1) |
    (strings.lengthB < count ? 0x40 : 0) |
    (strings.lengthA < count ? 0x80 : 0) |
    ((bits & 1) === 0 ? 0 : 0x800);
  return { bits, index, status, count };
}
