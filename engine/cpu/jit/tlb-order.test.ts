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

describe('accesses that go down across the end of a page met before', () => {
  it.each([
    ['two bytes', 't: mov eax, 0\nmov ax, [rsi]\nadd rdx, rax\nsub rsi, 1\ndec ebp\njnz t\nhlt', 40],
    ['eight bytes', 't: add rdx, [rsi]\nsub rsi, 5\ndec ebp\njnz t\nhlt', 8],
    ['sixteen bytes', 't: movdqu xmm0, [rsi]\nmovq rax, xmm0\nadd rdx, rax\nsub rsi, 11\ndec ebp\njnz t\nhlt', 6],
    ['stores', 't: mov [rsi], rbp\nsub rsi, 5\ndec ebp\njnz t\nmov rdx, [rbx+rcx]\nadd rdx, [rbx]\nhlt', 8],
    ['read-modify-write', 't: add [rsi], rbp\nsub rsi, 5\ndec ebp\njnz t\nmov rdx, [rbx+rcx]\nadd rdx, [rbx]\nhlt', 8],
    [
      'stores that pop',
      'fninit\nfild dword [rbx]\nt: fld st0\nfistp qword [rsi]\nsub rsi, 5\ndec ebp\njnz t\nmov rdx, [rbx+rcx]\nhlt',
      8,
    ],
  ])('%s are what they are on every tier', (_, text, rounds) => {
    const sums = tiers.map((tier) => {
      const stage = new Stage(tier, 'long');
      // The page below FAR is the last of the frame FAR is the first of: not the one before it in memory.
      for (const page of [FAR, FAR - 1]) stage.write(AT.tables + 0x2000 + 8 * (page >>> 21), LARGE_PAGE);
      const bytes = Uint8Array.from({ length: 64 }, (_byte, i) => 3 * i + 1);
      for (const at of [NEAR, NEAR + 0x1fffc0, NEAR - 64])
        stage.cpu.machine.dma.write(
          at,
          bytes.map((byte) => byte ^ (at >>> 16)),
        );
      stage.run(text, { rbx: NEAR, rsi: FAR + 20, rbp: rounds, rcx: 0x1ffff8, rdx: 0 }, { steps: 1 });
      stage.cpu.run(1000);
      expect(stage.s.gpr[5]).toBe(0n);
      return `${stage.s.gpr[2]} ${stage.s.ftop}`;
    });
    expect(new Set(sums).size).toBe(1);
  });
});
