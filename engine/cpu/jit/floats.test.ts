/** Floating point in regions against the oracle: scalars and vectors of both formats, every kind of value, every control. */
import { describe, expect, it } from 'vitest';
import { CPU_SITES, SITES } from '../regions.ts';
import { Random } from '../testing/random.ts';
import { AT, Stage } from '../testing/stage.ts';
import { type Tier, tiers } from '../testing/tiers.ts';

const ROUNDS = Number(process.env['FUZZ_FLOATS'] ?? 60);
const LENGTH = 6;
const BINARY = ['add', 'sub', 'mul', 'div', 'min', 'max'];
const SUFFIXES = ['ss', 'sd', 'ps', 'pd'] as const;
const CONTROLS = [0x1fa0, 0x1fa0, 0x1fa0, 0x1fa0, 0x1f80, 0x3fa0, 0x5fa0, 0x9fa0, 0x1fe0, 0x1f20, 0x7f80];

function single(random: Random): bigint {
  const sign = random.chance(50) ? 0x80000000n : 0n;
  const kind = random.below(24);
  if (kind === 0) return sign;
  if (kind === 1) return sign | BigInt(random.pick([0x7f800000, 0x7fc00000, 0x7fa00001, 1, 0x7fffff, 0x800000, 0x7f7fffff]));
  const exponent = kind === 2 ? random.below(256) : 127 - 6 + random.below(12);
  return sign | (BigInt(exponent) << 23n) | BigInt(random.chance(30) ? 0 : random.below(1 << 23));
}

function double(random: Random): bigint {
  const sign = random.chance(50) ? 1n << 63n : 0n;
  const kind = random.below(24);
  if (kind === 0) return sign;
  if (kind === 1) return sign | random.pick([0x7ffn << 52n, 0x7ff8n << 48n, 0x7ff4n << 48n, 1n, (1n << 52n) - 1n, 1n << 52n]);
  const exponent = kind === 2 ? random.below(2048) : 1023 - 6 + random.below(12);
  return sign | (BigInt(exponent) << 52n) | (random.chance(30) ? 0n : random.long() >> 12n);
}

function word(random: Random): bigint {
  if (random.chance(50)) return double(random);
  return single(random) | (single(random) << 32n);
}

function instruction(random: Random): string {
  const registers = ['xmm0', 'xmm1', 'xmm2', 'xmm3'];
  const [a, b] = [random.pick(registers), random.pick(registers)];
  const suffix = random.pick(SUFFIXES);
  const source = random.chance(25) ? '[rbx]' : b;
  const kind = random.below(13);
  if (kind === 5) return random.pick([`cvtsi2ss ${a}, rax`, `cvtsi2sd ${a}, rcx`, `cvtsi2ss ${a}, ecx`, `cvtsd2ss ${a}, ${b}`]);
  if (kind === 0) return `sqrt${suffix} ${a}, ${b}`;
  if (kind === 1) return random.pick([`cvttsd2si rax, ${b}`, `cvtsd2si ecx, ${b}`, `cvttss2si eax, ${b}`, `cvtss2si rcx, ${b}`]);
  if (kind === 2)
    return random.pick([`cvtps2dq ${a}, ${b}`, `cvttps2dq ${a}, ${b}`, `cvtdq2ps ${a}, ${b}`, `cvtdq2pd ${a}, ${b}`]);
  if (kind === 3) return random.pick([`movss ${a}, ${b}`, `movsd ${a}, ${b}`, `shufps ${a}, ${b}, 0x1b`, `xorps ${a}, ${a}`]);
  if (kind === 4) return random.pick([`ucomiss ${a}, ${b}`, `comisd ${a}, ${b}`, `cmpps ${a}, ${b}, 1`, `cvtss2sd ${a}, ${b}`]);
  return `${random.pick(BINARY)}${suffix} ${a}, ${source}`;
}

function outcome(stage: Stage, seed: number): unknown {
  const random = new Random(seed);
  const { s } = stage;
  const vectors = new DataView(s.xmm.buffer, s.xmm.byteOffset, 64);
  for (let i = 0; i < 8; i++) vectors.setBigUint64(8 * i, word(random), true);
  stage.write(AT.data, word(random), word(random));
  s.mxcsr = random.pick(CONTROLS);
  const body = Array.from({ length: LENGTH }, () => instruction(random)).join('\n');
  // What is known of registers before a loop has to hold in it.
  const text = random.chance(50) ? body : `mov edi, 3\nagain:\n${body}\ndec edi\njnz again`;
  const { fault, flags, rip, rax, rcx } = stage.run(`${text}\nhlt`, { rbx: AT.data }, { steps: 100, together: true });
  const registers = Array.from({ length: 8 }, (_, i) => vectors.getBigUint64(8 * i, true).toString(16));
  return { text, fault, flags, rip, rax, rcx, registers, mxcsr: s.mxcsr };
}

/** Times regions were left for floats that they do not compute with. */
function setOdd({ cpu, s }: Stage, times: number): void {
  cpu.machine.u32[(s.base + CPU_SITES + SITES.odd) >>> 2] = times;
}

describe.each([
  ['', 0],
  ['of any size ', 1_000_000],
])('floating point %sin regions', (_name, odd) => {
  const [exact, compiled] = (['oracle', 'jit'] as const).map(
    (name) => new Stage(tiers.find((tier) => tier.name === name) as Tier, 'long'),
  ) as [Stage, Stage];

  it('is the oracle’s', () => {
    for (let round = 1; round <= ROUNDS; round++) {
      setOdd(compiled, odd);
      expect(outcome(compiled, round), `round ${round}`).toEqual(outcome(exact, round));
    }
    expect(compiled.cpu.jit?.resets).toBe(odd === 0 ? 0 : 1);
  });
});
