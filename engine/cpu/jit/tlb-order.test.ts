/** Regions remember pages they have met, yet walk the page tables exactly as often as the interpreter does. */
import { describe, expect, it } from 'vitest';
import { AT, Stage } from '../testing/stage.ts';
import { type TierCpu, tiers } from '../testing/tiers.ts';

/** Linear addresses 64 MiB apart share their places in both levels of the TLB; both are mapped to the same frame. */
const NEAR = 0x200000;
const FAR = 0x4200000;
const LARGE_PAGE = 0x200087n;

function walksOf(text: string): bigint[] {
  return tiers
    .filter(({ name }) => name !== 'oracle')
    .map((tier) => {
      const stage = new Stage(tier, 'long');
      const { tables } = AT;
      stage.write(tables + 0x2000 + 8 * (FAR >>> 21), LARGE_PAGE);
      stage.run(text, { rbx: NEAR, rsi: FAR, rbp: 40 }, { steps: 1 });
      const cpu: TierCpu = stage.cpu;
      cpu.run(1000);
      expect(stage.s.gpr[5]).toBe(0n);
      return stage.s.tlbMisses;
    });
}

describe('page walks', () => {
  it.each([
    ['two loads', 't: mov eax, [rbx]\nmov ecx, [rsi]\ndec ebp\njnz t\nhlt'],
    ['a load and a store', 't: mov eax, [rbx]\nmov [rsi+8], ecx\ndec ebp\njnz t\nhlt'],
    ['a store and a read-modify-write', 't: mov [rbx+8], eax\nadd [rsi], ecx\ndec ebp\njnz t\nhlt'],
    ['a string', 't: mov eax, [rbx]\npush rsi\nmov edi, esi\nmov ecx, 8\nrep stosb\npop rsi\ndec ebp\njnz t\nhlt'],
  ])('%s that take turns', (_, text) => {
    const [interpreter, jit] = walksOf(text);
    expect(interpreter).toBeGreaterThan(70n);
    expect(jit).toBe(interpreter);
  });
});
