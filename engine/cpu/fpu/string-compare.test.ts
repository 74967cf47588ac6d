import { describe, expect, it } from 'vitest';
import { compareStrings, type StringOperand } from './string-compare.ts';

const IMPLICIT = 31;
const text = (value: string, length = IMPLICIT): StringOperand => {
  const bytes = Buffer.alloc(16);
  bytes.write(value, 'latin1');
  return { low: bytes.readBigUInt64LE(0), high: bytes.readBigUInt64LE(8), length };
};
const [ANY, RANGES, EACH, ORDERED] = [0, 4, 8, 12];
const [NEGATE, NEGATE_VALID, LAST] = [0x10, 0x30, 0x40];
const [C, Z, S, O] = [1, 0x40, 0x80, 0x800];

describe('string comparison', () => {
  it.each([
    // first, second, imm, index, status, why this row
    ['aeiou', 'rhythm and', ANY, 7, C | Z | S, 'first vowel'],
    ['aeiou', 'rhythms', ANY, 16, Z | S, 'none: index is the element count, no carry'],
    ['aeiou', 'alea', ANY | LAST, 3, C | Z | S | O, 'last vowel'],
    ['az', 'ABCdEF', RANGES, 3, C | Z | S, 'first lower-case letter'],
    ['az', 'abcDef', RANGES | NEGATE_VALID, 3, C | Z | S, 'first that is not, inside the string only'],
    ['az', 'abcdef', RANGES | NEGATE, 6, C | Z | S, 'without the limit the end counts'],
    ['same', 'sane', EACH | NEGATE, 2, C | Z | S, 'first difference'],
    ['same', 'same', EACH | NEGATE, 16, Z | S, 'equal strings: ends agree too'],
    ['needle', 'find a needle', ORDERED, 7, C | Z | S, 'substring'],
    ['needle', 'haystack of nee', ORDERED, 16, Z | S, 'a part before the end of the string is no match'],
    ['needle', '..and..hay...nee', ORDERED, 13, C | S, 'a part at the end of a full register is one'],
  ] as const)('%s in %s with %i', (first, second, imm, index, status, _why) => {
    expect(compareStrings(text(first), text(second), imm)).toMatchObject({ index, status });
  });

  it('takes explicit lengths, null elements included', () => {
    expect(compareStrings(text('b', 1), text('a\0b', 3), ANY)).toMatchObject({ index: 2 });
    expect(compareStrings(text('b', 0), text('b', 1), ANY)).toMatchObject({ index: 16, status: Z | S });
  });

  it('compares words and signed ranges', () => {
    const words = (...values: number[]): StringOperand => {
      const bytes = Buffer.alloc(16);
      for (const [i, value] of values.entries()) bytes.writeInt16LE(value, i * 2);
      return { low: bytes.readBigUInt64LE(0), high: bytes.readBigUInt64LE(8), length: values.length };
    };
    expect(compareStrings(words(-5, 5), words(-9, 9, -1), RANGES | 3)).toMatchObject({ index: 2, count: 8 });
    expect(compareStrings(words(5, -5), words(1, 0x7fff), RANGES | 1)).toMatchObject({ index: 1 });
  });
});
