/** Random programs of blocks, loops, calls and computed jumps: oracle, interpreter, JIT and random promotion must agree. */
import { describe, expect, it } from 'vitest';
import { FuzzPair } from './testing/fuzz-pair.ts';
import { Random } from './testing/random.ts';
import { shuffled, tiers } from './testing/tiers.ts';

/** Programs per mode and privilege; `LOOP_PROGRAMS=10000 LOOP_SEED=77 vitest run engine/cpu/loops.test.ts` runs others. */
const PROGRAMS = Number(process.env.LOOP_PROGRAMS ?? 25);
const FIRST = Number(process.env.LOOP_SEED ?? 1);

describe.each(['code32', 'long'] as const)('random loops in %s', (mode) => {
  it.each([0, 3] as const)(
    'at CPL %i leave the same state on every tier',
    (cpl) => {
      const pair = new FuzzPair(mode, cpl, [...tiers, shuffled(new Random(FIRST))]);
      const wrong: string[] = [];
      for (let seed = FIRST; seed < FIRST + PROGRAMS && wrong.length < 3; seed++) {
        const found = pair.runLoops(seed);
        if (found !== undefined) wrong.push(found);
      }
      expect(wrong).toEqual([]);
      expect(pair.farRegions).toBeGreaterThan(0);
    },
    600_000,
  );
});
