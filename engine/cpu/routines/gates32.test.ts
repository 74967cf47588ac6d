/** The quick forms of INT n and IRETD in 32-bit protected mode against the general routines, which the oracle runs. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import { deriveMode } from '../derived.ts';
import { Random } from '../testing/random.ts';
import { AT, SEL, Stage } from '../testing/stage.ts';
import { type Tier, tiers } from '../testing/tiers.ts';

const tierOf = (name: 'oracle' | 'interpreter'): Tier => tiers.find((tier) => tier.name === name) as Tier;
const ROUNDS = 60;
const FRAME = 0x2ff00;
const GATE = AT.idt + 0x80 * 8;
const UNTOUCHED = 0x5ca1ab1en;
const FLAGS = [0x2, 0x202, 0x246, 0x3ed7, 0x10202, 0x102, 0x4202, 0x40202, 0x20202, 0x280a97, 0xffffffff];
/** A gate or descriptor with some of its bits changed. */
const twisted = (value: bigint, change: bigint): bigint => BigInt.asUintN(64, value ^ change);
const ACCESSED = 1n << 40n;

/** What the instruction made of the state, and whether no routine of `system/` was asked. */
function outcome(stage: Stage, text: string, at: { readonly esp: number; readonly flags: number }) {
  const { s } = stage;
  s.scratch[0] = UNTOUCHED;
  const result = stage.run(text, { rsp: at.esp, rax: 5, rbp: -1 }, { flags: at.flags });
  const isQuick = s.scratch[0] === UNTOUCHED;
  const segments = (['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const).map((name) =>
    [s[`${name}Selector`], s[`${name}Base`], s[`${name}Limit`], s[`${name}Attr`]].join(' '),
  );
  const tops = [AT.stack0, at.esp >>> 0 < 0x40000 ? Math.max(at.esp, 64) : FRAME];
  const stacks = tops.map((top) => Array.from({ length: 10 }, (_, i) => stage.read(top - 40 + 8 * i, 64)));
  const derived = () => [...s.segLow, ...s.segHigh, s.modeKey, s.fetchBase, s.slowData, s.alignCheck, s.pollMask];
  const kept = derived();
  deriveMode(s);
  const { rip, cpl, cr2, activity, nmiBlocked, debugTraps, sysFlags } = s;
  return {
    state: { result, segments, stacks, rip, cpl, cr2, activity, nmiBlocked, debugTraps, sysFlags },
    isQuick,
    derived: kept,
    again: derived(),
  };
}

function compare(cpl: 0 | 3, body: (stage: Stage, random: Random) => ReturnType<typeof outcome>): void {
  let quick = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const [mine, exact] = (['interpreter', 'oracle'] as const).map((name) =>
      body(new Stage(tierOf(name), 'code32', cpl), new Random(round + 1)),
    ) as [ReturnType<typeof outcome>, ReturnType<typeof outcome>];
    expect(mine.state, `round ${round}`).toEqual(exact.state);
    expect(mine.derived, `round ${round}`).toEqual(mine.again);
    if (mine.isQuick) quick++;
  }
  expect(quick).toBeGreaterThan(ROUNDS / 10);
  expect(quick).toBeLessThan(ROUNDS);
}

describe('gates of 32 bits', () => {
  it.each([0, 3] as const)('INT n at CPL %i', (cpl) => {
    compare(cpl, (stage, random) => {
      const gate = stage.read(GATE, 64);
      const changes = [ACCESSED, 1n << 47n, 3n << 45n, 8n << 40n, 2n << 40n, 0x28n << 16n, 0x13n << 16n, 7n << 48n, 4n << 16n];
      if (random.chance(50)) stage.write(GATE, twisted(gate, random.chance(40) ? ACCESSED : random.pick(changes)));
      for (const selector of [SEL.code0_32, SEL.data0, SEL.tss]) {
        const at = AT.gdt + selector;
        if (random.chance(10))
          stage.write(at, twisted(stage.read(at, 64), random.pick([ACCESSED, 4n << 40n, 1n << 16n, 1n << 54n])));
      }
      const [esp0, ss0] = [
        random.pick([AT.stack0, AT.stack0 - 2, 8, 0x7fff_0000]),
        random.pick([SEL.data0, SEL.data3, 0, 0x100]),
      ];
      if (random.chance(20)) stage.write(AT.tss + 4, BigInt(esp0) | (BigInt(ss0) << 32n));
      if (random.chance(8)) stage.s.trLimit = random.pick([3, 9, 11]);
      if (random.chance(8)) stage.s.idtrLimit = random.pick([0, 0x3ff, 0x406, 0x407]);
      if (random.chance(8)) Object.assign(stage.s, { ssBase: 0x1000n });
      const esp = random.chance(85) ? FRAME - random.below(3) : random.pick([8, 12, 20, 0, -4]);
      return outcome(stage, 'int 0x80', { esp, flags: random.chance(70) ? 0x202 : random.pick(FLAGS) & 0x3cfcff });
    });
  });

  it('IRETD', () => {
    compare(0, (stage, random) => {
      const pairs: readonly (readonly [number, number])[] = [
        [SEL.code3_32, SEL.data3],
        [SEL.code0_32, SEL.data0],
        [SEL.code0_32, 0],
        [SEL.code16, SEL.data16],
        [SEL.code3_32, SEL.data0],
        [SEL.code3_32, 3],
        [SEL.code3_32 | 4, SEL.data3],
        [0x100, SEL.data0],
        [SEL.data3, SEL.data3],
        [0, 0],
      ];
      const [cs, ss] = random.chance(60) ? random.pick(pairs.slice(0, 3)) : random.pick(pairs);
      const image = random.chance(60) ? 0x202 : random.pick(FLAGS);
      const words = [AT.code + 0x100, cs, image, 0x2f000, ss].map(BigInt) as [bigint, bigint, bigint, bigint, bigint];
      stage.write(FRAME, words[0] | (words[1] << 32n), words[2] | (words[3] << 32n), words[4]);
      for (const selector of [cs, ss]) {
        const at = AT.gdt + (selector & ~7);
        if (random.chance(10))
          stage.write(at, twisted(stage.read(at, 64), random.pick([ACCESSED, 4n << 40n, 1n << 54n, 2n << 40n])));
      }
      if (random.chance(20)) stage.s.dsAttr = random.pick([0xc0f3, 0x1c093, 0xc09f, 0xc093]);
      if (random.chance(60)) for (const name of ['es', 'ds', 'fs', 'gs'] as const) stage.s[`${name}Attr`] = 0xc0f3;
      stage.s.nmiBlocked = random.chance(10) ? 1 : 0;
      stage.s.dr7 = random.chance(10) ? 0x401n : 0x400n;
      const esp = random.chance(90) ? FRAME : random.pick([0x7fff_0000, 0x600000, 0x7ffffc]);
      return outcome(stage, 'iretd', { esp, flags: random.chance(80) ? 2 : random.pick([0x40002, 0x4002, 0x10002]) });
    });
  });

  it.each([0, 3] as const)('in a loop at CPL %i regions lead to each other', (cpl) => {
    const ROUNDS = 40;
    const [first, ...others] = tiers.map((tier) => {
      const stage = new Stage(tier, 'code32', cpl);
      const { s, cpu } = stage;
      // Once the caller is told to have NT set: that is nothing for the quick form.
      const handler = 'add eax, ecx\ncmp ecx, 7\njne l\nor dword [esp+8], 0x4000\nl: iretd';
      const entry = AT.handlers + 0x1000;
      cpu.machine.dma.write(entry, assemble(handler, { code: 32, origin: BigInt(entry) }).bytes);
      stage.write(GATE, BigInt(entry & 0xffff) | (BigInt(SEL.code0_32) << 16n) | (0xee00n << 32n));
      stage.run('t: int 0x80\ndec ecx\njnz t\nhlt', { rcx: ROUNDS }, { steps: 1000, together: true });
      const { cs, ss } = { cs: s.csSelector, ss: s.ssSelector };
      const { rip, activity, sysFlags, regionEntries } = s;
      const left = { gpr: [...s.gpr], rip, cs, ss, cpl: s.cpl, activity, sysFlags, top: stage.read(AT.stack0 - 8, 64) };
      return { left, regionEntries, name: tier.name };
    });
    for (const { left, regionEntries, name } of others) {
      expect(left).toEqual(first?.left);
      if (name === 'jit') expect(regionEntries < BigInt(ROUNDS)).toBe(true);
    }
  });
});
