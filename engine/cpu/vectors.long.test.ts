/** Replays the golden vectors on every tier: the interpreter executes all of them, the oracle (40 times slower) every eighth. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decode } from '../isa/decode.ts';
import { differencesOf, sandboxState } from './testing/compare.ts';
import { MODES, Sandbox } from './testing/sandbox.ts';
import { type TierCpu, tiers } from './testing/tiers.ts';
import { decodeVectors, type VectorFile, type VectorGroup } from './testing/vector-file.ts';

const FIXTURES = join(import.meta.dirname, '../../assets/fixtures');
const MOST_BYTES = 8 * 2 ** 20;
const LEAST_CASES = 100_000;
/** On the JIT each vector is a module of its own, which takes 1 ms: a part is 45 s of processor time, within a limit for busy hosts. */
const PARTS = 4;

const manifest = JSON.parse(readFileSync(join(FIXTURES, 'vectors.json'), 'utf8')) as {
  cases: number;
  bytes: number;
  sha256: string;
  processor: { name: string };
};
const packed = readFileSync(join(FIXTURES, 'vectors.bin'));
const file: VectorFile = decodeVectors(brotliDecompressSync(packed));

/** What disagrees, at most a few examples per group. */
function replay(cpu: TierCpu, groups: readonly VectorGroup[], every: number): { executed: number; wrong: string[] } {
  const sandbox = new Sandbox(cpu);
  const wrong: string[] = [];
  let executed = 0;
  for (const group of groups) {
    let shown = 0;
    for (let i = executed % every; i < group.cases.length; i += every) {
      const vector = group.cases[i];
      if (vector === undefined) continue;
      const { input } = vector;
      const decoded = decode(input.code, 0, input.code.length, { ...MODES[input.mode], features: -1 });
      const before = sandboxState(file, vector);
      const outcome = sandbox.execute(before);
      const what = {
        name: group.name,
        form: group.form,
        before,
        vector,
        decoded: typeof decoded === 'string' ? undefined : decoded,
      };
      const found = differencesOf(what, outcome);
      executed++;
      if (found.length > 0 && shown++ < 3) {
        wrong.push(`${group.name} ${group.form} [${Buffer.from(input.code).toString('hex')}]: ${found.slice(0, 4).join('; ')}`);
      }
    }
  }
  return { executed, wrong };
}

describe('golden vectors', () => {
  it('are the recorded ones, enough of them in little space', () => {
    expect(createHash('sha256').update(packed).digest('hex')).toBe(manifest.sha256);
    expect(packed.length).toBeLessThanOrEqual(MOST_BYTES);
    const cases = file.groups.reduce((sum, group) => sum + group.cases.length, 0);
    expect(cases).toBe(manifest.cases);
    expect(cases).toBeGreaterThanOrEqual(LEAST_CASES);
  });

  it.each(tiers.flatMap(({ name, create }) => Array.from({ length: PARTS }, (_, part) => ({ name, create, part: part + 1 }))))(
    `agree with the $name, part $part of ${PARTS}`,
    ({ name, create, part }) => {
      const groups = file.groups.filter((_, i) => i % PARTS === part - 1);
      const { executed, wrong } = replay(create(), groups, name === 'oracle' ? 8 : 1);
      console.log(`${executed} vectors of ${manifest.processor.name} on the ${name}, ${wrong.length} shown as wrong`);
      expect(wrong).toEqual([]);
    },
    240_000,
  );

  it('tell a wrong result from a right one', () => {
    const [tier] = tiers;
    const cpu = tier?.create();
    const group = file.groups.find(({ name, form }) => name === 'add' && form.startsWith('01 '));
    const vector = group?.cases.find(({ output }) => output.vector === 255 && output.gpr.length > 0);
    if (cpu === undefined || group === undefined || vector === undefined) throw new Error('there are no vectors of ADD');
    const before = sandboxState(file, vector);
    const outcome = new Sandbox(cpu).execute(before);
    const what = { name: group.name, form: group.form, before, vector, decoded: undefined };
    expect(differencesOf(what, outcome)).toEqual([]);
    const [register] = vector.output.gpr[0] ?? [0];
    const spoiled = { ...outcome, gpr: outcome.gpr.with(register, (outcome.gpr[register] ?? 0n) ^ 1n), flags: outcome.flags ^ 1 };
    expect(differencesOf(what, spoiled)).toHaveLength(2);
  });
});
