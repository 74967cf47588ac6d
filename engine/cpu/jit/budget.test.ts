/** How long loops of regions stay inside: to the instruction where the budget ends, and not long after somebody asked for something. */
import { describe, expect, it } from 'vitest';
import { AT, Stage } from '../testing/stage.ts';
import { type Tier, tiers } from '../testing/tiers.ts';
import { POLL_INSTRUCTIONS } from './builder.ts';

const tierOf = (name: Tier['name']): Tier => tiers.find((tier) => tier.name === name) as Tier;
const BUDGETS = [100, POLL_INSTRUCTIONS - 1, POLL_INSTRUCTIONS, POLL_INSTRUCTIONS + 1, 2 * POLL_INSTRUCTIONS + 5, 10_001];
const LOOPS = {
  'one loop': 't: add rax, rcx\nsub rcx, 1\njnz t\nhlt',
  'a loop in a loop': 'o: mov rdx, 7\nt: add rax, rdx\nsub rdx, 1\njnz t\nsub rcx, 1\njnz o\nhlt',
  'a loop with a call': 't: call f\nsub rcx, 1\njnz t\nhlt\nf: add rax, rcx\nret',
};

describe.each(Object.entries(LOOPS))('the budget of %s', (_, text) => {
  it.each(BUDGETS)('of %i instructions is used up to the last', (steps) => {
    const [interpreted, compiled] = (['interpreter', 'jit'] as const).map((name) => {
      const stage = new Stage(tierOf(name), 'long');
      // The second pass meets regions that the first has made.
      return [0, 1].map(() => {
        const { rax, rcx, rip } = stage.run(text, { rax: 0, rcx: 50_000 }, { steps, together: true });
        return { rax, rcx, rip };
      });
    });
    expect(compiled).toEqual(interpreted);
    expect(compiled?.[1]?.rax).not.toBe(0n);
  });
});

it('an interrupt ends a loop within the instructions between two looks', () => {
  const stage = new Stage(tierOf('jit'), 'long');
  const { host } = stage.cpu;
  const RAISED = 3000;
  let looks = 0;
  host.ticks = () => {
    if (++looks === RAISED) stage.cpu.interrupt(0x41);
    return looks;
  };
  const text = 'sti\nt: rdtsc\nadd rbx, 1\nsub rcx, 1\njnz t\nhlt';
  stage.run(text, { rbx: 0, rcx: 50_000 }, { steps: 60_000, together: true });
  for (let i = 0; i < 2 && stage.s.rip >= BigInt(AT.code); i++) stage.cpu.run(1);
  expect(stage.s.rip >> 4n).toBe(BigInt(AT.handlers + 0x41 * 16) >> 4n);
  const late = Number(stage.s.gpr[3]) - RAISED;
  expect(late).toBeGreaterThanOrEqual(-1);
  expect(late).toBeLessThan(POLL_INSTRUCTIONS / 4 + 2);
});
