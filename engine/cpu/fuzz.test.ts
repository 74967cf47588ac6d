/** Random programs in every mode and privilege: the interpreter and the oracle must leave the same registers and memory. */
import { describe, expect, it } from 'vitest';
import { DECODE_MODES, FuzzPair } from './testing/fuzz-pair.ts';

/** Programs per mode; more are a matter of `FUZZ_PROGRAMS=100000 vitest run engine/cpu/fuzz.test.ts`. */
const PROGRAMS = Number(process.env.FUZZ_PROGRAMS ?? 40);
/** `FUZZ_SEED=7` starts elsewhere. */
const FIRST = Number(process.env.FUZZ_SEED ?? 1);

describe.each(Object.keys(DECODE_MODES) as (keyof typeof DECODE_MODES)[])('random programs in %s', (mode) => {
  it.each(mode === 'real' ? ([0] as const) : mode === 'vm86' ? ([3] as const) : ([0, 3] as const))(
    'at CPL %i',
    (cpl) => {
      const pair = new FuzzPair(mode, cpl);
      const wrong: string[] = [];
      for (let seed = FIRST; seed < FIRST + PROGRAMS && wrong.length < 5; seed++) {
        const found = pair.run(seed);
        if (found !== undefined) wrong.push(found);
      }
      expect(wrong).toEqual([]);
    },
    600_000,
  );
});
