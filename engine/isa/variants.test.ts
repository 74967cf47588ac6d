import { describe, expect, it } from 'vitest';
import { definitions } from './all.ts';
import { type DecodeMode, decode } from './decode.ts';
import { defineInstruction } from './define.ts';
import type { Facts } from './emitter.ts';
import type { Definition, Form } from './form.ts';
import { buildTables, ROWS } from './table.ts';
import { makeVariant, variantKeys } from './variants.ts';

const MODES: readonly DecodeMode[] = [
  { code: 64, stack: 64, kind: 'long', features: -1 },
  { code: 32, stack: 32, kind: 'protected', features: -1 },
  { code: 32, stack: 16, kind: 'protected', features: -1 },
  { code: 16, stack: 32, kind: 'protected', features: -1 },
  { code: 16, stack: 16, kind: 'real', features: -1 },
  { code: 16, stack: 16, kind: 'vm86', features: -1 },
];

/** xorshift32 with a fixed seed. */
function random(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

const factsText = ({ width, addressWidth, stackWidth, mode, rep, lock, cc, operands }: Facts): string =>
  [width, addressWidth, stackWidth, mode, rep, lock, cc, ...operands.map((o) => `${o.kind}${o.width}`)].join();

describe('variants', () => {
  it('include everything the decoder produces from random bytes, and nothing throws', () => {
    const known = new Map<Form, Set<string>>();
    const knownTo = (form: Form): Set<string> => {
      const set = known.get(form) ?? new Set([...variantKeys(form)].map((key) => factsText(makeVariant(form, key).facts)));
      known.set(form, set);
      return set;
    };
    const next = random(0x2545f491);
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    const common = [0x66, 0xf2, 0xf3, 0xf0, 0x0f, 0x48, 0x41, 0x67, 0x2e, 0x64];
    const unknown: string[] = [];
    let decodedCount = 0;
    let longest = 0;
    for (let i = 0; i < 300_000; i++) {
      for (let at = 0; at < 16; at += 4) view.setUint32(at, next(), true);
      // Prefixes and the escape byte are rare among random bytes; half of the samples begin with some.
      for (let at = 0, most = next() & 3; at < most; at++) bytes[at] = common[next() % common.length]!;
      const mode = MODES[i % MODES.length]!;
      const decoded = decode(bytes, 0, 16, mode);
      if (typeof decoded === 'string') continue;
      decodedCount++;
      longest = Math.max(longest, decoded.length);
      const text = factsText(decoded.facts);
      if (!knownTo(decoded.form).has(text)) unknown.push(`${decoded.form.text}: ${text}`);
    }
    expect(unknown).toEqual([]);
    expect(decodedCount).toBeGreaterThan(150_000);
    expect(longest).toBeGreaterThan(11);
    expect(longest).toBeLessThanOrEqual(15);
  });

  it('are one object per combination, so that a handler can be kept on them', () => {
    const mode = MODES[0]!;
    const first = decode(Uint8Array.of(0x01, 0xd8), 0, 2, mode);
    const second = decode(Uint8Array.of(0x01, 0xc1), 0, 2, mode);
    const memory = decode(Uint8Array.of(0x01, 0x01), 0, 2, mode);
    if (typeof first === 'string' || typeof second === 'string' || typeof memory === 'string')
      throw new Error('ADD does not decode');
    expect(first.variant).toBe(second.variant);
    expect(memory.variant).not.toBe(first.variant);
    expect(memory.facts.dst).toMatchObject({ kind: 'mem', width: 32 });
  });
});

describe('forms', () => {
  const define = (...forms: string[]) => defineInstruction({ name: 'test', forms, run: () => undefined });

  it.each([
    ['', 'opcode byte expected'],
    ['0F', 'opcode byte expected'],
    ['01 Ev,Kv', 'operand Kv: unknown'],
    ['01 Ek,Gv', 'operand Ek: unknown size'],
    ['01 Ev,Gv locked', 'attribute locked unknown'],
    ['01 Ev,Gv feature:nothing', 'feature feature:nothing unknown'],
    ['01 Ev,Is', 'unknown immediate'],
    ['0F 01 Mb,Rv', 'register and memory both required'],
  ])('%s is refused', (form, message) => {
    expect(() => define(form).forms).toThrow(message);
  });

  it('give two forms for an alternative operand', () => {
    expect(define('66 0F 3A 14 Rd/Mb,Vdq,Ib').forms.map(({ text, mod }) => [text, mod])).toEqual([
      ['66 0F 3A 14 Rd,Vdq,Ib', 'reg'],
      ['66 0F 3A 14 Mb,Vdq,Ib', 'mem'],
    ]);
  });

  it('may not overlap or disagree about ModRM', () => {
    const every = (forms: readonly Definition[]) => () => {
      for (const table of Object.values(buildTables(forms))) for (let row = 0; row < ROWS; row++) table.at(row);
    };
    expect(every([define('01 Ev,Gv'), define('01 Ev,Gv')])).toThrow('overlap');
    expect(every([define('01 Ev,Gv'), define('01')])).toThrow('disagree about ModRM');
    expect(every([define('0F 01/1 Ev'), define('0F 01 C8')])).not.toThrow();
    expect(every(definitions)).not.toThrow();
  });

  it('belong to definitions whose names are lower case', () => {
    for (const { name, forms } of definitions) {
      expect(name).toMatch(/^[a-z0-9{},: ]+$/);
      expect(forms.length).toBeGreaterThan(0);
    }
  });
});
