/** The transcendental instructions calculated here against the exact routines, to the last bit and flag, where programs use them. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../testing/random.ts';
import { AT, Stage } from '../../testing/stage.ts';
import { type Tier, tiers } from '../../testing/tiers.ts';

const ROUNDS = Number(process.env['FUZZ_X87'] ?? 120);
const UNTOUCHED = 0x5ca1ab1en;

type Register = readonly [significand: bigint, signExponent: number];
const bits = (random: Random): bigint => {
  const short = random.chance(40) ? BigInt(random.below(63)) : 0n;
  return (((random.long() >> short) << short) | (1n << 63n)) & 0xffffffffffffffffn;
};
const number = (random: Random, least: number, most: number): Register => [
  bits(random),
  0x3fff + least + random.below(most - least + 1) + (random.chance(50) ? 0x8000 : 0),
];
const positive = ([significand, signExponent]: Register): Register => [significand, signExponent & 0x7fff];

/** ST0 and ST1 of each instruction, inside the range of arguments that is usual for it. */
const INSTRUCTIONS: Readonly<Record<string, (random: Random) => readonly [Register, Register]>> = {
  fsin: (r) => [number(r, -36, 28), number(r, 0, 1)],
  fcos: (r) => [number(r, -36, 28), number(r, 0, 1)],
  fsincos: (r) => [number(r, -36, 28), number(r, 0, 1)],
  fptan: (r) => [number(r, -36, 28), number(r, 0, 1)],
  f2xm1: (r) => [number(r, -60, -1), number(r, 0, 1)],
  fyl2x: (r) => [positive(number(r, r.chance(50) ? -2 : -5000, r.chance(50) ? 1 : 5000)), number(r, -100, 100)],
  fyl2xp1: (r) => [number(r, -60, -3), number(r, -100, 100)],
  fpatan: (r) => [number(r, -28, 28), number(r, -28, 28)],
};

function outcome(stage: Stage, text: string, registers: readonly [Register, Register]): { state: unknown; isQuick: boolean } {
  const { s } = stage;
  const bytes = new DataView(s.fpr.buffer, s.fpr.byteOffset, 128);
  registers.forEach(([significand, signExponent], i) => {
    bytes.setBigUint64(((s.ftop + i) & 7) * 16, significand, true);
    bytes.setBigUint64(((s.ftop + i) & 7) * 16 + 8, BigInt(signExponent), true);
  });
  s.ftag = 0xff & ~(1 << ((s.ftop + 7) & 7));
  s.fcw = 0x37f;
  s.fsw = 0x4200;
  s.scratch[0] = UNTOUCHED;
  const { fault } = stage.run(text, { rbx: AT.data });
  const { fsw, ftop, ftag } = s;
  const values = Array.from({ length: 16 }, (_, i) => bytes.getBigUint64(8 * i, true).toString(16));
  return { state: { fault, fsw, ftop, ftag, values }, isQuick: s.scratch[0] === UNTOUCHED };
}

describe('transcendental operations', () => {
  const [exact, quick] = (['oracle', 'interpreter'] as const).map(
    (name) => new Stage(tiers.find((tier) => tier.name === name) as Tier, 'long'),
  ) as [Stage, Stage];

  it.each(Object.keys(INSTRUCTIONS))('%s', (text) => {
    let quickly = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const random = new Random(round * 104_729 + text.length + ROUNDS);
      const registers = (INSTRUCTIONS[text] as (r: Random) => readonly [Register, Register])(random);
      for (const { s } of [exact, quick]) s.ftop = round & 7;
      const found = outcome(quick, text, registers);
      expect(found.state, `round ${round}: ${registers}`).toEqual(outcome(exact, text, registers).state);
      if (found.isQuick) quickly++;
    }
    expect(quickly / ROUNDS).toBeGreaterThan(0.9);
  });
});
