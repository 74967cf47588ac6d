/** The quick changes of privilege against the general routines, which the oracle runs: common and odd frames, gates and registers. */
import { describe, expect, it } from 'vitest';
import { GENERAL_REGISTERS } from '../state.ts';
import { Random } from '../testing/random.ts';
import { AT, SEL, Stage } from '../testing/stage.ts';
import { type Tier, tiers } from '../testing/tiers.ts';

const tierOf = (name: 'oracle' | 'interpreter' | 'jit'): Tier => tiers.find((tier) => tier.name === name) as Tier;
const ROUNDS = 60;
const STACK = 0x30000;
const FRAME = 0x2ff00;
/** Beyond the two large pages that the stage maps. */
const UNMAPPED = 0x600000n;

/** Everything a change of privilege may touch, and the bytes at both stacks. */
function outcome(stage: Stage, text: string, registers: Parameters<Stage['run']>[1], flags = 0): unknown {
  const { s } = stage;
  const result = stage.run(text, registers, { flags });
  const segments = (['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const).map((name) =>
    [s[`${name}Selector`], s[`${name}Base`], s[`${name}Limit`], s[`${name}Attr`]].join(' '),
  );
  const stacks = [AT.stack0, STACK, FRAME].map((top) => Array.from({ length: 8 }, (_, i) => stage.read(top - 64 + 8 * i, 64)));
  const { rip, cpl, cr2, activity, nmiBlocked, debugTraps, sysFlags } = s;
  const gpr = GENERAL_REGISTERS.map((_, i) => s.gpr[i]);
  return { result, segments, stacks, gpr, rip, cpl, cr2, activity, nmiBlocked, debugTraps, sysFlags };
}

function compare(cpl: 0 | 3, body: (stage: Stage, random: Random) => unknown): void {
  for (let round = 0; round < ROUNDS; round++) {
    const [exact, ...quick] = (['oracle', 'interpreter', 'jit'] as const).map((name) =>
      body(new Stage(tierOf(name), 'long', cpl), new Random(round + 1)),
    );
    for (const mine of quick) expect(mine, `round ${round}`).toEqual(exact);
  }
}

const FLAGS = [0x2, 0x202, 0x246, 0x3ed7, 0x10202, 0x102, 0x4202, 0x40202, 0x20202, 0x280a97, 0xffffffff];

describe('quick changes of privilege', () => {
  it('IRETQ', () => {
    compare(0, (stage, random) => {
      const pairs: readonly (readonly [number, number])[] = [
        [SEL.code3, SEL.data3],
        [SEL.code0, SEL.data0],
        [SEL.code0, 0],
        [SEL.code3_32, SEL.data3],
        [SEL.code0, SEL.data3],
        [SEL.code3, SEL.data0],
        [SEL.code3, 3],
        [SEL.code3 | 4, SEL.data3],
        [0x100, SEL.data0],
        [SEL.data3, SEL.data3],
        [0, 0],
      ];
      const [cs, ss] = random.chance(60) ? random.pick(pairs.slice(0, 3)) : random.pick(pairs);
      const ip = random.chance(85) ? BigInt(AT.code + 0x100) : random.pick([1n << 47n, -1n]);
      const sp = random.pick([0x2f000n, 0x12345678n, 1n << 47n]);
      const image = random.chance(60) ? 0x202 : random.pick(FLAGS);
      stage.write(FRAME, ip, BigInt(cs), BigInt(image), sp, BigInt(ss));
      if (random.chance(30)) stage.write(AT.gdt + 0x18, stage.read(AT.gdt + 0x18, 64) & ~(1n << 40n));
      if (random.chance(20)) stage.s.dsAttr = random.pick([0xc0f3, 0x1c093, 0xc09f]);
      stage.s.nmiBlocked = random.chance(20) ? 1 : 0;
      stage.s.dr7 = random.chance(10) ? 0x401n : 0x400n;
      const rsp = random.chance(80) ? BigInt(FRAME) : random.pick([UNMAPPED, (1n << 47n) - 16n, UNMAPPED - 24n]);
      return outcome(stage, 'iretq', { rsp }, random.chance(80) ? 2 : random.pick([0x40002, 0x4002, 0x10002]));
    });
  });

  it.each([0, 3] as const)('SYSCALL and SYSRET at CPL %i', (cpl) => {
    compare(cpl, (stage, random) => {
      const { s } = stage;
      s.star = random.pick([(0x13n << 48n) | (8n << 32n), (0xfff3n << 48n) | (0xfffbn << 32n), 0n]);
      s.lstar = random.pick([BigInt(AT.code + 0x200), 0xffffffff80000000n]);
      s.sfmask = random.pick([0x47700n, 0n, 0xffffffffn]);
      if (random.chance(10)) s.efer &= ~1n;
      const flags = random.chance(70) ? 0x202 : random.pick(FLAGS) & 0x3cffff;
      const rcx = random.chance(80) ? BigInt(AT.code + 0x300) : random.pick([1n << 47n, -1n]);
      const text = random.pick(['syscall', 'sysretq', 'sysret']);
      return outcome(stage, text, { rcx, r11: random.pick(FLAGS) }, flags);
    });
  });

  it.each([0, 3] as const)('exceptions at CPL %i', (cpl) => {
    compare(cpl, (stage, random) => {
      const { s } = stage;
      const [text, vector] = random.pick([
        ['ud2', 6],
        ['mov eax, [rbx]', 14],
        ['mov [rbx], eax', 14],
        ['mov rax, [rcx]', 13],
        ['div ecx', 0],
      ] as const);
      const gate = AT.idt + vector * 16;
      const [low, high] = [stage.read(gate, 64), stage.read(gate + 8, 64)];
      const change = random.below(12);
      const type = random.chance(50) ? low | (1n << 40n) : low;
      const ist = random.chance(30) ? BigInt(random.below(8)) << 32n : 0n;
      const gates: Record<number, readonly [bigint, bigint]> = {
        0: [low & ~(1n << 47n), high],
        1: [(low & ~0xffff0000n) | (BigInt(SEL.code3) << 16n), high],
        2: [low & ~0xffff0000n, high],
        3: [low, 0x8000n],
        4: [(low & ~0xffff0000n) | (BigInt(SEL.code0_32) << 16n), high],
      };
      const [first, second] = gates[change] ?? [type | ist, high];
      stage.write(gate, first, second);
      for (let i = 1; i < 8; i++) stage.write(AT.tss + 28 + 8 * i, random.pick([0x2e008n, UNMAPPED, 0n, 1n << 47n]));
      if (random.chance(15)) stage.write(AT.tss + 4, random.pick([UNMAPPED, 1n << 47n, 0x400n, 0xf018n]));
      if (random.chance(8)) s.trLimit = random.pick([3, 11, 0x2b]);
      if (random.chance(8)) s.idtrLimit = random.pick([0, 0x6f, 0xdf]);
      if (random.chance(15)) stage.write(AT.gdt + 8, stage.read(AT.gdt + 8, 64) & ~(1n << 40n));
      const registers = {
        rbx: random.pick([UNMAPPED, UNMAPPED + 0xffdn, 0xffffffff80000000n]),
        rcx: 1n << 47n,
        rax: 5n,
        rsp: STACK,
      };
      const fault = random.pick([0x202, 0x2, 0xad7, 0x40202, 0x10202]);
      return outcome(stage, text, text.startsWith('div') ? { ...registers, rcx: 0n } : registers, fault);
    });
  });
});
