/** Links from region to region: taken while everything is as it was, made anew after whatever may have changed what they lead to. */
import { describe, expect, it } from 'vitest';
import { FIXED } from '../../memory/index.ts';
import { CPU_LINK_EPOCH, CPU_LINKS, LINK_ENTRIES, LINK_ENTRY, LINK_ENTRY_BYTES } from '../regions.ts';
import { ALL, CALLS, CHANGES, CONSTANT, callingFar, FRAME, FUNCTION, ONE, REST } from '../testing/far-function.ts';
import { AT } from '../testing/stage.ts';
import { tiers } from '../testing/tiers.ts';

/** Calls by a register never become one region with what they lead to. */
function start(tier: (typeof tiers)[number], between: string) {
  const { stage, dma, finish } = callingFar(tier, between);
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
  return { stage, links, finish, dma };
}

describe('links', () => {
  it.each(CHANGES)('lead to the code that is there after %s', (_, between, sum) => {
    const sums = tiers.map((tier) => start(tier, between).finish());
    expect(sums).toEqual(sums.map(() => sum));
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
    expect(run.stage.s.regionChains - regionChains).toBeGreaterThan(Number(REST) - CALLS);
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
