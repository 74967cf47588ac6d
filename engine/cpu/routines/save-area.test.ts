/** The quick forms of FXSAVE, FXRSTOR, XSAVE and XRSTOR against the general routines, which the oracle runs. */
import { describe, expect, it } from 'vitest';
import { Random } from '../testing/random.ts';
import { AT, Stage } from '../testing/stage.ts';
import { type Tier, tiers } from '../testing/tiers.ts';

const ROUNDS = 40;
const UNTOUCHED = 0x5ca1ab1en;
const WORDS = 576 / 8;
const CROSSING = 0x1000 - 512 + 64;

function outcome(stage: Stage, text: string, random: Random): { state: unknown; isQuick: boolean } {
  const { s } = stage;
  const at = AT.data + (random.chance(20) ? CROSSING : 64 * random.below(8));
  for (let i = 0; i < WORDS; i++) stage.write(at + 8 * i, random.long());
  stage.write(at, (random.long() & ~0x3f_0000n) | BigInt(random.chance(20) ? 0x10_0040 : 0x20_0020));
  stage.write(at + 24, BigInt(random.chance(15) ? 0x11f80 : random.below(0x10000)) | (0xffffn << 32n));
  const header = random.pick([3n, 3n, 3n, 3n, 0n, 1n, 2n, 7n]);
  stage.write(at + 512, header, random.chance(10) ? 1n : 0n, 0n);
  for (let i = 0; i < s.fpr.length; i++) s.fpr[i] = i % 16 < 10 ? random.below(256) : 0;
  for (let i = 0; i < s.xmm.length; i++) s.xmm[i] = random.below(256);
  Object.assign(s, { fcw: 0x37f, fsw: random.chance(20) ? 0x8081 : 0x4100, ftop: random.below(8), ftag: random.below(256) });
  Object.assign(s, { fop: random.below(0x800), fip: random.long(), fdp: random.long(), fcs: 0, fds: 0, mxcsr: 0x1fa0 });
  s.xcr0 = 3n;
  s.cr4 |= 1n << 18n;
  s.scratch[0] = UNTOUCHED;
  const { fault, error, rip } = stage.run(text, { rbx: at, rax: random.pick([-1, -1, -1, 3, 1, 2, 0]), rdx: -1 });
  const { fcw, fsw, ftop, ftag, fop, fip, fdp, fcs, fds, mxcsr } = s;
  const area = Array.from({ length: WORDS + 8 }, (_, i) => stage.read(at + 8 * i, 64).toString(16));
  const registers = [Buffer.from(s.fpr.slice()).toString('hex'), Buffer.from(s.xmm.slice()).toString('hex')];
  return {
    state: { fault, error, rip, area, registers, fcw, fsw, ftop, ftag, fop, fip, fdp, fcs, fds, mxcsr },
    isQuick: s.scratch[0] === UNTOUCHED,
  };
}

describe('save areas', () => {
  const [exact, quick] = (['oracle', 'interpreter'] as const).map(
    (name) => new Stage(tiers.find((tier) => tier.name === name) as Tier, 'long'),
  ) as [Stage, Stage];

  it.each(['fxsave', 'fxsave64', 'fxrstor', 'fxrstor64', 'xsave', 'xsave64', 'xrstor', 'xrstor64'])('%s', (name) => {
    let quickly = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const seed = 1 + round * 104_729 + name.length;
      const found = outcome(quick, `${name} [rbx]`, new Random(seed));
      expect(found.state, `seed ${seed}`).toEqual(outcome(exact, `${name} [rbx]`, new Random(seed)).state);
      if (found.isQuick) quickly++;
    }
    expect(quickly).toBeGreaterThan(0);
    // Only what is loaded may be unusual, and what is asked for.
    if (!name.startsWith('fxsave')) expect(quickly).toBeLessThan(ROUNDS);
  });
});
