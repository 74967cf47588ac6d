/** The x87 stack of regions against the oracle: any instructions, values, tags and controls, in loops as well. */
import { describe, expect, it } from 'vitest';
import { Random } from '../testing/random.ts';
import { AT, Stage } from '../testing/stage.ts';
import { type Tier, tiers } from '../testing/tiers.ts';

const ROUNDS = Number(process.env['FUZZ_X87'] ?? 60);
const CONTROLS = [0x37f, 0x37f, 0x37f, 0x37f, 0x27f, 0x7f, 0xf7f, 0x77f, 0x37e, 0x35f, 0x340];
const PLAIN = ['fchs', 'fabs', 'ftst', 'fxam', 'fsqrt', 'frndint', 'fscale', 'fprem', 'fsin', 'f2xm1', 'fpatan', 'fyl2x', 'fnop'];
const CONSTANTS = ['fld1', 'fldz', 'fldpi', 'fldl2e', 'fincstp', 'fdecstp', 'fnclex', 'fninit', 'fsincos', 'emms', 'fnstsw ax'];
const FROM_MEMORY = [
  'fld dword',
  'fld qword',
  'fild word',
  'fild dword',
  'fild qword',
  'fadd dword',
  'fmul qword',
  'fidiv word',
  'fcomp qword',
];
const TO_MEMORY = ['fstp dword', 'fst qword', 'fistp word', 'fist dword', 'fistp qword', 'fisttp dword', 'fstp dword'];

function significand(random: Random): bigint {
  return random.chance(30) ? 1n << 63n : (1n << 63n) | (random.long() >> 1n);
}

/** Sign with exponent, significand. */
function value(random: Random): readonly [number, bigint] {
  const sign = random.chance(50) ? 0x8000 : 0;
  const kind = random.below(24);
  if (kind === 0) return [sign, 0n];
  if (kind === 1) return [sign | random.pick([0x7fff, 0, 1, 0x7ffe]), random.pick([1n << 63n, 3n << 62n, 1n, (1n << 63n) | 1n])];
  return [sign | (16383 - 6 + random.below(12)), significand(random)];
}

function instruction(random: Random): string {
  const i = random.below(4);
  switch (random.below(12)) {
    case 0:
      return random.pick(PLAIN);
    case 1:
      return random.pick(random.chance(20) ? CONSTANTS : ['fld1', 'fldz']);
    case 2:
      return `${random.pick(FROM_MEMORY)} [rbx+${8 * random.below(3)}]`;
    case 3:
      return `${random.pick(TO_MEMORY)} [rbx+${8 * random.below(3)}]`;
    case 4:
      return random.pick([`fxch st${i}`, `fld st${i}`, `fstp st${i}`, `fst st${i}`, `ffree st${i}`, `fcmovb st0, st${i}`]);
    case 5:
      return random.pick(['fld tword [rbx+32]', 'fstp tword [rbx+48]', 'fldcw word [rbx+64]', 'fnstcw word [rbx+66]']);
    case 6:
      return random.pick([`fcomi st0, st${i}`, `fucomip st0, st${i}`, `fcom st${i}`, 'fcompp', 'fucompp']);
    case 7:
      return `f${random.pick(['add', 'mul', 'subr', 'div'])}p st${i}, st0`;
    case 8:
      return `f${random.pick(['add', 'mul', 'sub', 'divr'])} st${i}, st0`;
    default:
      return `f${random.pick(['add', 'mul', 'sub', 'subr', 'div', 'divr'])} st0, st${i}`;
  }
}

function outcome(stage: Stage, seed: number): unknown {
  const random = new Random(seed);
  const { s } = stage;
  const registers = new DataView(s.fpr.buffer, s.fpr.byteOffset, 128);
  for (let i = 0; i < 8; i++) {
    const [exponent, low] = value(random);
    registers.setBigUint64(16 * i, low, true);
    registers.setBigUint64(16 * i + 8, BigInt(exponent), true);
  }
  const [exponent, low] = value(random);
  const [control, other] = [random.pick(CONTROLS), random.pick(CONTROLS)];
  const double = (): bigint => BigInt(random.pick([0, 0x3ff, 0x400, 0x3fe, 0xc00])) << 52n;
  stage.write(AT.data, double(), random.long() >> 50n, double() | 5n, 0n, low, BigInt(exponent), 0n, 0n, BigInt(other));
  s.fcw = control;
  s.fsw = random.pick([0, 0, 0x20, 0x220, 0x4100]);
  s.ftop = random.below(8);
  s.ftag = random.chance(60) ? 0xff & ~(1 << ((s.ftop + 7) & 7)) & ~(1 << ((s.ftop + 6) & 7)) : random.below(256);
  s.fip = 0n;
  s.fdp = 0n;
  s.ferr = 0;
  const body = Array.from({ length: 3 + random.below(8) }, () => instruction(random)).join('\n');
  const text = random.chance(50) ? body : `mov edi, 3\nagain:\n${body}\ndec edi\njnz again`;
  const { fault, flags, rip, rax } = stage.run(`${text}\nhlt`, { rbx: AT.data }, { steps: 100, together: true });
  const stack = Array.from({ length: 8 }, (_, i) => {
    return `${registers.getUint16(16 * i + 8, true).toString(16)} ${registers.getBigUint64(16 * i, true).toString(16)}`;
  });
  const memory = Array.from({ length: 10 }, (_, i) => stage.read(AT.data + 8 * i, 64).toString(16));
  const { fcw, fsw, ftop, ftag, fip, fdp } = s;
  return { text, fault, flags, rip, rax, stack, memory, fcw, fsw, ftop, ftag, fip, fdp };
}

describe('the x87 stack of regions', () => {
  const [exact, compiled] = (['oracle', 'jit'] as const).map(
    (name) => new Stage(tiers.find((tier) => tier.name === name) as Tier, 'long'),
  ) as [Stage, Stage];

  it('is the oracle’s', () => {
    for (let round = 1; round <= ROUNDS; round++) {
      expect(outcome(compiled, round), `round ${round}`).toEqual(outcome(exact, round));
    }
  });
});
