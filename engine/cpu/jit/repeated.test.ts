/** Repeated string instructions inside regions: all elements at once, from none to several pages, and what is left to the interpreter. */
import { describe, expect, it } from 'vitest';
import { AT, Stage } from '../testing/stage.ts';
import { tiers } from '../testing/tiers.ts';

const PAGE = 4096;
/** RBX: what is stored and then moved, from RSI on; RDX: elements. */
const LOOP = (store: string, move: string): string =>
  `o: mov rdi, rsi\nmov rax, rbx\nmov rcx, rdx\nrep ${store}\nlea rdi, [rsi+r8]\nmov r9, rsi\nmov rcx, rdx\nrep ${move}\nmov rsi, r9\nadd r10, rdi\nadd rbx, 3\ndec ebp\njnz o\nhlt`;
const PASSES = 12;
const AWAY = 0x8000;
const ALL = 100_000;

const jit = tiers.find(({ name }) => name === 'jit') as (typeof tiers)[number];

function run(tier: (typeof tiers)[number], [store, move]: readonly [string, string], elements: number, from = AT.data) {
  const stage = new Stage(tier, 'long');
  stage.run(
    LOOP(store, move),
    { rbx: 0x0102030405060708n, rsi: from, rdx: elements, r8: AWAY, r10: 0, rbp: PASSES },
    { steps: ALL, together: true },
  );
  // The oracle counts each element.
  while (stage.s.activity === 0) stage.cpu.run(ALL);
  const after = [...stage.s.gpr, stage.s.rip];
  const bytes = stage.cpu.machine.dma.read(from, AWAY + elements * 8 + 8).slice();
  return { stage, after, bytes };
}

describe('rep stos and rep movs in a region', () => {
  const forms = [
    ['stosb', 'movsb'],
    ['stosd', 'movsd'],
    ['stosq', 'movsq'],
  ] as const;
  const cases = forms.flatMap((form) => [0, 1, 2, 600].map((elements) => [form, elements] as const));
  it.each(cases)('%j of %i elements leave what they leave on every tier', (form, elements) => {
    const [first, ...others] = tiers.map((tier) => run(tier, form, elements, AT.data + 40));
    for (const { after, bytes } of others) {
      expect(after).toEqual(first?.after);
      expect(Buffer.compare(bytes, first?.bytes as Uint8Array)).toBe(0);
    }
  });

  it.each(forms)('%s and %s do not leave it', (store, move) => {
    const { stage } = run(jit, [store, move], 1000);
    expect(stage.s.regionEntries < 8n).toBe(true);
    expect(stage.s.regionRetired > BigInt(8 * PASSES)).toBe(true);
  });

  it('go on where an interrupt came, with the registers saying how far they are', () => {
    const { stage } = run(jit, ['stosb', 'movsb'], 10);
    const { s, cpu } = stage;
    const vector = 0x41;
    s.gpr.set([0n, 0n, BigInt(3 * PAGE), 0n, BigInt(AT.stack), 1000n, BigInt(AT.data)]);
    s.rip = BigInt(AT.code);
    s.activity = 0;
    s.sysFlags |= 0x200;
    cpu.modeChanged();
    cpu.run(200);
    expect(s.regionRetired > 0n).toBe(true);
    cpu.interrupt(vector);
    cpu.run(1000);
    expect(s.rip).toBe(BigInt(AT.handlers + vector * 16 + 1));
  });
});
