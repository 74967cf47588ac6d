import { describe, expect, it } from 'vitest';
import { packPixels, unpackPixels } from './screen-pixels.ts';

const P = 0xff00_0000;

/** A picture out of letters, one for each colour. */
function picture(...lines: string[]) {
  const width = lines[0]?.length ?? 0;
  return { width, height: lines.length, pixels: Uint32Array.from(lines.join(''), (letter) => P + letter.charCodeAt(0)) };
}

function packed(of: ReturnType<typeof picture>, rectangle = { x: 0, y: 0, width: of.width, height: of.height }): Uint32Array {
  const words = new Uint32Array(rectangle.width * rectangle.height);
  return words.subarray(0, packPixels(of, rectangle, { words, at: 0 }));
}

/** The same numbers on every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}

describe('packed pixels', () => {
  it.each([
    ['one colour', picture('aaaaaaaa', 'aaaaaaaa'), 3],
    ['lines that differ', picture('abcdefgh', 'abcdefgh', 'abcdefgh'), 10],
    ['a cursor on text', picture('abcabcab', 'abcaxcab'), 11],
    ['what repeats nothing', picture('abcdefgh', 'hgfedcba'), 16],
  ])('of %s are few words', (_what, of, words) => {
    const found = packed(of);
    expect(found.length).toBe(words);
    const back = new Uint32Array(of.pixels.length);
    expect(unpackPixels({ words: found, at: 0 }, of, back)).toBe(words);
    expect(back).toEqual(of.pixels);
  });

  it('come back as they were, whatever they are, and are never more words than pixels', () => {
    const next = numbers(7);
    for (let round = 0; round < 400; round++) {
      const [pitch, lines] = [1 + (next() % 70), 1 + (next() % 9)];
      const colours = round % 3 === 0 ? 60_000 : 1 + (next() % 5);
      // Every fourth line is even among rough ones.
      const colour = (i: number): number => P + (Math.floor(i / pitch) % 4 === 3 ? 1 : next() % colours);
      const of = { width: pitch, height: lines, pixels: Uint32Array.from({ length: pitch * lines }, (_, i) => colour(i)) };
      const [x, y] = [next() % pitch, next() % lines];
      const rectangle = { x, y, width: 1 + (next() % (pitch - x)), height: 1 + (next() % (lines - y)) };
      const words = packed(of, rectangle);
      expect(words.length).toBeLessThanOrEqual(rectangle.width * rectangle.height);
      const back = new Uint32Array(rectangle.width * rectangle.height);
      expect(unpackPixels({ words, at: 0 }, rectangle, back)).toBe(words.length);
      for (let i = 0; i < back.length; i++) {
        const [line, column] = [Math.floor(i / rectangle.width), i % rectangle.width];
        expect(back[i]).toBe(of.pixels[(y + line) * pitch + x + column]);
      }
    }
  });

  it.each([
    ['fewer than the rectangle has', [P, P, P]],
    ['a run at the beginning of a line', [4, P, P, P]],
    ['a run over the end of a line', [P, 4, P, P, P, P]],
    ['a run of nothing', [P, 0, P, P, P]],
    ['a copy of the line above the first', [0x0100_0004, P, P, P, P]],
    ['a copy over the end of a line', [P, 3, P, 0x0100_0004]],
    ['a word of no kind', [P, 0x0200_0003, P, P, P, P]],
  ])('are refused with %s', (_what, words) => {
    const from = { words: Uint32Array.from(words), at: 0 };
    expect(() => unpackPixels(from, { width: 4, height: 2 }, new Uint32Array(8))).toThrow(RangeError);
  });
});
