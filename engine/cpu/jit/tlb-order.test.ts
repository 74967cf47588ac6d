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
    ['two loads of a page and one', 't: mov eax, [rbx]\nmov edx, [rbx+8]\nmov ecx, [rsi]\ndec ebp\njnz t\nhlt'],
    ['two stores to a page and one', 't: mov [rbx], eax\nmov [rbx+8], edx\nmov [rsi+16], ecx\ndec ebp\njnz t\nhlt'],
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

describe('places whose pages change', () => {
  /** In a GiB without large pages: INVLPG there drops one page. */
  const SMALL = 0x40000000;
  const PRESENT = 7n;

  /** A loop that stays inside its region adds up what stands at SMALL; after its first round the page leads to another frame. */
  function sumOf(tier: (typeof tiers)[number], between: string): bigint {
    const stage = new Stage(tier, 'long');
    const [directory, table] = [AT.tables + 0x3000, AT.tables + 0x4000];
    stage.write(AT.tables + 0x1000 + 8, BigInt(directory) | PRESENT);
    stage.write(directory, BigInt(table) | PRESENT);
    stage.write(table, BigInt(NEAR) | PRESENT);
    stage.write(NEAR, 1n);
    stage.write(NEAR + 0x1000, 100n);
    // All pages are met before the loop, so that nothing else makes it look.
    const text = `mov [rsi+8], rax\npush rax\npop rax\no: mov ecx, 30\ni: add rax, [rbx]\ndec ecx\njnz i\n${between}\ndec ebp\njnz o\nhlt`;
    stage.run(text, { rax: 0, rbx: SMALL, rbp: 4, rsi: table, rdx: BigInt(NEAR + 0x1000) | PRESENT }, { steps: 1 });
    stage.cpu.run(2000);
    expect(stage.s.gpr[5]).toBe(0n);
    return stage.s.gpr[0] as bigint;
  }

  it.each([
    ['INVLPG', 'mov [rsi], rdx\ninvlpg [rbx]'],
    ['a write to CR3', 'mov [rsi], rdx\nmov rdi, cr3\nmov cr3, rdi'],
  ])('are looked up again after %s', (_, between) => {
    for (const tier of tiers) expect(sumOf(tier, between), tier.name).toBe(30n + 3n * 30n * 100n);
  });

  it('are left where the page has become one of code', () => {
    const text = [
      'push rax', // the page of the stack is met before
      'pop rax',
      't: mov [rbx+8], rax',
      'dec ecx',
      'jnz t',
      'mov dword [rbx], 0xc3c3ffb0', // mov al, 255; ret
      'call rbx',
      'movzx esi, al',
      'mov ecx, 2',
      'u: mov dword [rbx], 0xc3c311b0', // mov al, 17; ret
      'dec ecx',
      'jnz u',
      'call rbx',
      'movzx edi, al',
      'mov ecx, 20',
      'add rbx, 0x1000', // by then all is in regions
      'dec ebp',
      'jnz t',
      'hlt',
    ];
    for (const tier of tiers) {
      const stage = new Stage(tier, 'long');
      stage.run(text.join('\n'), { rax: 0, rbx: NEAR, rcx: 20, rbp: 3 }, { steps: 1 });
      stage.cpu.run(2000);
      expect([stage.s.gpr[5], stage.s.gpr[6], stage.s.gpr[7]], tier.name).toEqual([0n, 255n, 17n]);
    }
  });
});
