/** Page faults delivered by the dispatch loop against the oracle: rings, gates, flags, stacks, and what a monitor wants to see. */
import { describe, expect, it } from 'vitest';
import { GENERAL_REGISTERS } from '../state.ts';
import { Random } from '../testing/random.ts';
import { AT, SEL, Stage } from '../testing/stage.ts';
import { type Tier, tiers } from '../testing/tiers.ts';

const ROUNDS = 120;
/** Beyond the two large pages that the stage maps. */
const UNMAPPED = 0x600000;
const PROGRAMS = [
  'mov [rbx], rax',
  'mov rax, [rbx]\nnop',
  'nop\nadd qword [rbx + 8], 5',
  'sti\nmov rax, [rbx]',
  'push rax\nmov rcx, [rbx]\nnop',
  'rep stosb',
  'movups xmm0, [rbx]',
  'call [rbx]',
];
const GATES = [0x8e00n, 0xee00n, 0x8f00n, 0x8e01n, 0x0e00n, 0x8e02n];
const FLAGS = [0x2, 0x202, 0x246, 0x40202, 0x102, 0x10202, 0x3202];

function outcome(stage: Stage, seed: number): unknown {
  const random = new Random(seed);
  const { s } = stage;
  s.cr3 = BigInt(AT.tables);
  s.cr2 = 0n;
  stage.cpu.changed(); // the round before may have ended in a shutdown
  const handler = AT.handlers + 14 * 16;
  // The handler is code of more than one instruction.
  stage.cpu.machine.dma.write(handler, Uint8Array.of(0x50, 0x90, 0xf4));
  const gate = random.chance(60) ? 0x8e00n : random.pick(GATES);
  const selector = BigInt(random.chance(90) ? SEL.code0 : random.pick([SEL.data0, 0, 0x100]));
  stage.write(AT.idt + 14 * 16, BigInt(handler & 0xffff) | (selector << 16n) | (gate << 32n), 0n);
  stage.write(AT.tss + 4, BigInt(random.chance(90) ? AT.stack0 + random.below(16) : UNMAPPED));
  stage.write(AT.tss + 36, BigInt(AT.stack0 - 0x400), BigInt(UNMAPPED));
  const text = random.pick(PROGRAMS);
  const rbx = random.chance(85) ? UNMAPPED + random.below(4096) : AT.data;
  const steps = 1 + random.below(6);
  const result = stage.run(text, { rbx, rdi: rbx, rcx: 3, rax: random.long() }, { flags: random.pick(FLAGS), steps });
  const { rip, cpl: ring, cr2, activity, debugTraps, sysFlags, shadow } = s;
  const segments = (['cs', 'ss'] as const).map((name) => [s[`${name}Selector`], s[`${name}Base`], s[`${name}Attr`]].join(' '));
  const stacks = [AT.stack0, AT.stack0 - 0x400, AT.stack].map((top) =>
    Array.from({ length: 10 }, (_, i) => stage.read(top - 72 + 8 * i, 64)),
  );
  const gpr = GENERAL_REGISTERS.map((_, i) => s.gpr[i]);
  return { text, result, rip, ring, cr2, activity, debugTraps, sysFlags, shadow, segments, stacks, gpr };
}

describe.each([0, 3] as const)('page faults in ring %i', (cpl) => {
  it('are delivered as by the general routine', () => {
    const [exact, quick] = (['oracle', 'interpreter'] as const).map(
      (name) => new Stage(tiers.find((tier) => tier.name === name) as Tier, 'long', cpl),
    ) as [Stage, Stage];
    for (let round = 1; round <= ROUNDS; round++) {
      expect(outcome(quick, round), `round ${round}`).toEqual(outcome(exact, round));
    }
  });
});
