/** The quick forms against the exact routines, which the oracle runs: random values, control words and register stacks. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../testing/random.ts';
import { AT, Stage } from '../../testing/stage.ts';
import { type Tier, tiers } from '../../testing/tiers.ts';

const BINARY = ['fadd', 'fsub', 'fsubr', 'fmul', 'fdiv', 'fdivr'];
const INSTRUCTIONS = [
  ...BINARY.flatMap((name) => [`${name} st0, st2`, `${name} st3, st0`, `${name}p st1, st0`]),
  ...BINARY.flatMap((name) => [`${name} dword [rbx]`, `${name} qword [rbx]`]),
  ...BINARY.map((name) => `fi${name.slice(1)} dword [rbx]`),
  ...['fiadd word [rbx]', 'fsqrt', 'frndint', 'fscale', 'fchs', 'fabs', 'fxam', 'ftst', 'fnop', 'fincstp', 'fdecstp'],
  ...['fcom st2', 'fcomp st1', 'fcompp', 'fucom st1', 'fucompp', 'fcomi st0, st1', 'fucomip st0, st2'],
  ...['fcom dword [rbx]', 'fcomp qword [rbx]', 'ficom word [rbx]', 'ficomp dword [rbx]'],
  ...[
    'fld dword [rbx]',
    'fld qword [rbx]',
    'fld tword [rbx]',
    'fld st1',
    'fild word [rbx]',
    'fild dword [rbx]',
    'fild qword [rbx]',
  ],
  ...['fld1', 'fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2', 'fldz', 'fxch st2', 'fst st4', 'fstp st1', 'ffree st1'],
  ...['fst dword [rbx]', 'fstp dword [rbx]', 'fst qword [rbx]', 'fstp qword [rbx]', 'fstp tword [rbx]', 'fist word [rbx]'],
  ...['fistp dword [rbx]', 'fistp qword [rbx]', 'fisttp word [rbx]', 'fisttp dword [rbx]', 'fisttp qword [rbx]'],
  ...['fcmovb st0, st1', 'fcmovne st0, st1'],
  ...['fsin', 'fcos', 'fsincos', 'fptan', 'fpatan', 'fyl2x', 'fyl2xp1', 'f2xm1'],
  ...['fprem', 'fprem1', 'fxtract', 'fbld [rbx]', 'fbstp [rbx]'],
];

const PATTERNS = [0n, 1n, 0xffffffffffffffffn, 0x8000000000000000n, 0x7fffffffffffffffn, 0x400n, 0x7ffn, 0x8000000000n];

/** Significands with long runs of equal bits meet carries and ties more often than random ones. */
function significand(random: Random): bigint {
  if (random.chance(30)) return random.long();
  const [a, b] = [random.pick(PATTERNS), random.pick(PATTERNS) << BigInt(random.below(64))];
  return BigInt.asUintN(64, random.chance(50) ? a ^ b : a + b);
}

function register(random: Random): [significand: bigint, signExponent: bigint] {
  const sign = random.chance(50) ? 0x8000n : 0n;
  const kind = random.below(20);
  if (kind === 0) return [0n, sign];
  if (kind === 1) return [significand(random), sign | BigInt(random.pick([0, 0x7fff, 0x3fff]))];
  const near = random.chance(85) ? 0x3fff - 70 + random.below(140) : random.pick([1, 2, 0x7ffd, 0x7ffe, random.below(0x7fff)]);
  return [significand(random) | (1n << 63n), sign | BigInt(near)];
}

function memory(random: Random): bigint {
  const kind = random.below(4);
  if (kind === 0) return BigInt(random.below(200_000)) - 100_000n;
  if (kind === 1) return significand(random);
  const exponent64 = BigInt(1023 - 30 + random.below(60)) << 52n;
  const exponent32 = BigInt(127 - 30 + random.below(60)) << 23n;
  return kind === 2 ? exponent64 | (significand(random) >> 12n) : exponent32 | (significand(random) >> 41n);
}

const CONTROLS = [0x37f, 0x27f, 0x7f, 0x77f, 0xb7f, 0xf7f, 0xa7f, 0x47f, 0x35f, 0x17f, 0x340];
const [SCRATCH, ROUNDS] = [0x3000, 40];

function sample(stage: Stage, text: string, seed: number): unknown {
  const random = new Random(seed);
  const { s } = stage;
  const bytes = new DataView(s.fpr.buffer, s.fpr.byteOffset, 128);
  for (let i = 0; i < 8; i++) {
    const [low, high] = register(random);
    bytes.setBigUint64(i * 16, low, true);
    bytes.setBigUint64(i * 16 + 8, high, true);
  }
  s.ftop = random.below(8);
  s.ftag = random.chance(70) ? 0xff & ~(1 << ((s.ftop + 7) & 7)) : Number(random.long() & 0xffn);
  s.fcw = random.pick(CONTROLS);
  s.fsw = random.pick([0, 0x4720, 0x200, 0x20]);
  s.fip = 0n;
  const operand = memory(random);
  stage.write(AT.data, operand, BigInt(random.below(0x10000)));
  const result = stage.run(text, { rbx: AT.data });
  const registers = Array.from({ length: 8 }, (_, i) => [
    bytes.getBigUint64(i * 16, true).toString(16),
    (bytes.getBigUint64(i * 16 + 8, true) & 0xffffn).toString(16),
  ]);
  const { fsw, ftop, ftag, fip, fop } = s;
  return {
    fault: result.fault,
    flags: result.flags,
    memory: stage.read(AT.data, 64),
    high: stage.read(AT.data + 8, 16),
    registers,
    fsw,
    ftop,
    ftag,
    fip,
    fop,
  };
}

describe('quick x87 operations', () => {
  const [oracle, interpreter] = (['oracle', 'interpreter'] as const).map(
    (name) => new Stage(tiers.find((tier) => tier.name === name) as Tier, 'long'),
  ) as [Stage, Stage];

  it.each(INSTRUCTIONS)('%s', (text) => {
    for (let round = 0; round < ROUNDS; round++) {
      const seed = SCRATCH + round * 7919 + text.length * 104_729;
      expect(sample(interpreter, text, seed), `seed ${seed}`).toEqual(sample(oracle, text, seed));
    }
  });
});
