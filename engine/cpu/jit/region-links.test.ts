/** Links from region to region: taken while everything is as it was, made anew after whatever may have changed what they lead to. */
import { describe, expect, it } from 'vitest';
import { FIXED } from '../../memory/index.ts';
import { CPU_LINK_EPOCH, CPU_LINKS, LINK_ENTRIES, LINK_ENTRY, LINK_ENTRY_BYTES } from '../regions.ts';
import { AT, Stage } from '../testing/stage.ts';
import { tiers } from '../testing/tiers.ts';

/** The function's page, in a GiB without large pages; its table, and the frames it may lie in, which are mapped where they are besides. */
const FUNCTION = 0x40000000;
const [DIRECTORY, TABLE] = [AT.tables + 0x3000, AT.tables + 0x4000];
const [FRAME, INSTEAD] = [0x200000, 0x201000];
const SECOND = { root: 0x90000, pointers: 0x91000, directory: 0x92000, table: 0x93000 };
const PRESENT = 7n;
/** `add rax, imm8; ret`, and where its constant is. */
const adding = (n: number): Uint8Array => Uint8Array.of(0x48, 0x83, 0xc0, n, 0xc3);
const CONSTANT = 3;
const CALLS = 30;
const ROUNDS = 6;
const ALL = 20_000;

/** Calls by a register never become one region with what they lead to. */
const program = (between: string): string => `o: mov ecx, ${CALLS}\ni: call rbx\ndec ecx\njnz i\n${between}\ndec ebp\njnz o\nhlt`;

function start(tier: (typeof tiers)[number], between: string) {
  const stage = new Stage(tier, 'long');
  stage.write(AT.tables + 0x1000 + 8, BigInt(DIRECTORY) | PRESENT);
  stage.write(DIRECTORY, BigInt(TABLE) | PRESENT);
  stage.write(TABLE, BigInt(FRAME) | PRESENT);
  stage.write(SECOND.root, BigInt(SECOND.pointers) | PRESENT);
  stage.write(SECOND.pointers, BigInt(AT.tables + 0x2000) | PRESENT, BigInt(SECOND.directory) | PRESENT);
  stage.write(SECOND.directory, BigInt(SECOND.table) | PRESENT);
  stage.write(SECOND.table, BigInt(INSTEAD) | PRESENT);
  const { dma } = stage.cpu.machine;
  dma.write(FRAME, adding(1));
  dma.write(INSTEAD, adding(100));
  const registers = { rax: 0, rbx: FUNCTION, rbp: ROUNDS, rsi: TABLE, rdi: FRAME + CONSTANT, rdx: BigInt(INSTEAD) | PRESENT };
  stage.run(program(between), { ...registers, r8: SECOND.root, r9: BigInt(FRAME) | PRESENT }, { steps: 1 });
  const { u32 } = stage.cpu.machine;
  const { base } = stage.s;
  const word = (at: number): number => u32[at >>> 2] as number;
  /** Links that hold now. */
  const links = (): number => {
    const epoch = (word(FIXED.codeEpoch) + word(base + CPU_LINK_EPOCH)) >>> 0;
    let count = 0;
    for (let i = 0; i < LINK_ENTRIES; i++) {
      const at = base + CPU_LINKS + LINK_ENTRY_BYTES * i;
      if (word(at + LINK_ENTRY.slot) !== 0 && word(at + LINK_ENTRY.epoch) === epoch) count++;
    }
    return count;
  };
  const finish = (): bigint => {
    stage.cpu.run(ALL);
    expect(stage.s.activity).not.toBe(0);
    return stage.s.gpr[0] as bigint;
  };
  return { stage, links, finish, dma };
}

const ONE = BigInt(CALLS);
const REST = BigInt(CALLS * (ROUNDS - 1));

describe('links', () => {
  it.each([
    ['nothing', 'nop', ONE + REST],
    ['INVLPG', 'mov [rsi], rdx\ninvlpg [rbx]', ONE + 100n * REST],
    ['a write to CR3', 'mov [rsi], rdx\nmov r10, cr3\nmov cr3, r10', ONE + 100n * REST],
    ['another address space', 'mov cr3, r8', ONE + 100n * REST],
    ['global pages turned off and on', 'mov [rsi], rdx\nmov r10, cr4\nxor r10, 128\nmov cr4, r10', ONE + 100n * REST],
    ['a store to the code', 'mov byte [rdi], 50', ONE + 50n * REST],
    ['a store to the code by its own address', `mov byte [rbx+${CONSTANT}], 50`, ONE + 50n * REST],
  ])('lead to the code that is there after %s', (_, between, sum) => {
    const sums = tiers.map((tier) => start(tier, between).finish());
    expect(sums).toEqual(sums.map(() => sum));
  });

  it('are taken in address spaces that take turns', () => {
    const between = 'mov r10, cr3\nxchg r8, r10\nmov cr3, r10';
    const sums = tiers.map((tier) => start(tier, between).finish());
    expect(sums).toEqual(sums.map(() => 101n * BigInt((CALLS * ROUNDS) / 2)));
  });

  const jit = tiers.find(({ name }) => name === 'jit') as (typeof tiers)[number];
  /** Runs until there are links, between two calls or in them. */
  const linked = (): ReturnType<typeof start> => {
    const run = start(jit, 'nop');
    run.stage.cpu.run(3 * CALLS);
    expect(run.links()).toBeGreaterThan(0);
    return run;
  };

  it('are taken: most calls find the region by one', () => {
    const run = linked();
    const { regionChains } = run.stage.s;
    run.finish();
    expect(run.stage.s.regionChains - regionChains).toBeGreaterThan(CALLS * (ROUNDS - 2));
    expect(run.links()).toBeGreaterThan(0);
  });

  it.each<[string, (run: ReturnType<typeof start>) => void]>([
    ['the code is written from outside', ({ dma }) => dma.write(FRAME + CONSTANT, Uint8Array.of(7))],
    ['translations are flushed', ({ stage }) => stage.cpu.changed()],
    ['all blocks are forgotten', ({ stage }) => stage.cpu.anew()],
  ])('are all forgotten when %s', (_, what) => {
    const run = linked();
    what(run);
    expect(run.links()).toBe(0);
    run.finish();
  });

  it('lead to new code after a write from outside', () => {
    const run = linked();
    const { gpr } = run.stage.s;
    // Neither in the function nor before its return.
    while (gpr[4] !== BigInt(AT.stack)) run.stage.cpu.run(1);
    const done = gpr[0] as bigint;
    run.dma.write(FRAME + CONSTANT, Uint8Array.of(7));
    expect(run.finish()).toBe(done + 7n * (ONE + REST - done));
  });

  it('are looked behind when a request comes', () => {
    const run = linked();
    const { s, cpu } = run.stage;
    cpu.interrupt(0x41);
    s.sysFlags |= 0x200;
    cpu.modeChanged();
    cpu.run(ALL);
    expect(s.rip).toBe(BigInt(AT.handlers + 0x41 * 16 + 1));
  });

  it('are not taken when a request comes while the region before them runs', () => {
    // The caller's region asks the host for the time in each round, which does not end it, and is left by a link to the function.
    const { stage } = start(jit, '');
    const { cpu, s } = stage;
    const { host } = cpu;
    stage.run('o: inc rbp\nrdtsc\nxor eax, eax\ncall rbx\njmp o', { rbx: FUNCTION, rbp: 0 }, { steps: 1 });
    s.sysFlags |= 0x200;
    cpu.modeChanged();
    cpu.run(ALL);
    const { regionChains, regionRetired } = s;
    cpu.run(ALL);
    expect(s.regionRetired - regionRetired > ALL - 100 && s.regionChains - regionChains > ALL / 10).toBe(true);
    const asked = host.count + 100;
    host.ticks = () => {
      if (host.count === asked) cpu.interrupt(0x41);
      return host.count++;
    };
    const rounds = s.gpr[5] as bigint;
    cpu.run(ALL);
    expect(s.rip).toBe(BigInt(AT.handlers + 0x41 * 16 + 1));
    expect((s.gpr[5] as bigint) - rounds).toBe(101n);
    // What was queued is the function, which has not run.
    expect(s.gpr[0]).toBe(0n);
  });
});
