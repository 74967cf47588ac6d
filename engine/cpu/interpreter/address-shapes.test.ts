/** Handlers of the loop for simple addresses do what the general ones do, and addresses are recognized for what they are. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { definitions } from '../../isa/all.ts';
import { decode } from '../../isa/decode.ts';
import { Decoded } from '../../isa/decoded.ts';
import { DECODE_MODES, FuzzPair } from '../testing/fuzz-pair.ts';
import { tierOfLoop, tiers } from '../testing/tiers.ts';
import { addressShape } from './address-shapes.ts';
import { generateInterpreter } from './generate.ts';

const PROGRAMS = 60;
/** Those of the interpreter as it is built. */
const hot = JSON.parse(readFileSync(new URL('./hot.json', import.meta.url), 'utf8')) as string[];

function shapeOf(bytes: number[]): string {
  const decoded = decode(Uint8Array.from(bytes), 0, bytes.length, DECODE_MODES.long);
  if (!(decoded instanceof Decoded)) throw new Error(String(decoded));
  return addressShape(decoded);
}

describe('the shape of an address', () => {
  it.each([
    ['mov rax, [rbx+8]', [0x48, 0x8b, 0x43, 0x08], 'plain'],
    ['mov rax, [disp32]', [0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0x80], 'plain'],
    ['mov rax, [rip+16]', [0x48, 0x8b, 0x05, 0x10, 0, 0, 0], 'plain'],
    ['mov rax, [rip+2^31-1]', [0x48, 0x8b, 0x05, 0xff, 0xff, 0xff, 0x7f], 'general'],
    ['mov rax, [rbx+rcx*8]', [0x48, 0x8b, 0x04, 0xcb], 'indexed'],
    ['mov rax, fs:[rbx]', [0x64, 0x48, 0x8b, 0x03], 'general'],
    ['mov rax, es:[rbx]', [0x26, 0x48, 0x8b, 0x03], 'plain'],
    ['mov rax, [ebx]', [0x67, 0x48, 0x8b, 0x03], 'general'],
  ])('%s', (_text, bytes, shape) => {
    expect(shapeOf(bytes)).toBe(shape);
  });
});

describe('random programs in a loop with handlers for simple addresses', () => {
  const loop = tierOfLoop(hot);

  it('has them', () => {
    const { names, shaped } = generateInterpreter(definitions, hot);
    for (const shape of ['plain', 'indexed'] as const) {
      const others = shaped[shape].filter((handler, i) => handler !== i);
      expect(others.length).toBeGreaterThan(10);
      expect(Math.max(...others)).toBeLessThan(names.length + 3);
    }
  });

  it.each([
    ['long', 0],
    ['long', 3],
    ['code32', 0],
  ] as const)(
    'in %s at CPL %i',
    (mode, cpl) => {
      const pair = new FuzzPair(mode, cpl, [tiers[0] as (typeof tiers)[number], loop]);
      const wrong: string[] = [];
      for (let seed = 1; seed <= PROGRAMS && wrong.length < 5; seed++) {
        const found = pair.run(seed);
        if (found !== undefined) wrong.push(found);
      }
      expect(wrong).toEqual([]);
    },
    600_000,
  );
});
