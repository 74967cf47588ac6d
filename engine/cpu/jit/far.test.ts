/** Regions with code of several pages: what ends them, as the guest sees it. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import { decode } from '../../isa/decode.ts';
import { CPU_LINK_EPOCH } from '../regions.ts';
import { AT, Stage, type StageMode } from '../testing/stage.ts';
import { tierBesideCompiler } from '../testing/tiers.ts';
import type { RegionAnswer, RegionOrder } from './order.ts';
import { RegionCompiler } from './region-compiler.ts';

/** Code is mapped here by 4 KiB pages, in a GiB without large ones: two tables for two address spaces. */
const LINEAR = 0x40400000;
const TABLES = [0x8000, 0x9c000] as const;
const DIRECTORIES = [0xa0000, 0xa1000] as const;
const SECOND = { root: 0x90000, pointers: 0x91000 };
/** Frames of the code's pages, which are no neighbours, and one that may take the place of the second. */
const FRAMES = [0x100000, 0x140000, 0x180000] as const;
const INSTEAD = 0x1c0000;
const FAR = 4096;
const PRESENT = 7n;
const MANY = 2n ** 40n;
/** Instructions of a slice, and slices within which what is hot must have its region. */
const SLICE = 20_000;
const PATIENCE = 2000;
const VECTOR = 0x41;

/** A loop whose function is on the next page. It goes by `special` once where RDI is not 0. */
const CALLS = (special: string): string =>
  `t: call f\ntest rdi, rdi\njnz special\nb: sub rcx, 1\njnz t\nhlt\nspecial: ${special}\nxor edi, edi\njmp b\nalign 4096\nf: add rax, 1\nret`;
/** The same, but the first instruction of the function begins two bytes before the boundary. */
const CALLS_ACROSS = (special: string): string => {
  const [loop = '', f] = CALLS(special).split('align 4096\n');
  const { bytes } = assemble(`${loop}f: nop`, { code: 64, origin: BigInt(LINEAR) });
  return `${loop}${'nop\n'.repeat(FAR - 2 - bytes.length + 1)}${f}`;
};
/** A loop of 16 bytes that lies across the boundary of its pages and begins so many bytes before it. */
const ACROSS = (bytes: number): string =>
  `${'nop\n'.repeat(FAR - bytes)}t: add rax, rbx\nlea rdx, [rdx+rax]\nxor rdx, rbx\nsub rcx, 1\njnz t\nhlt`;

const in32 = (text: string): string => text.replaceAll(/\br(?=[a-d]|di)/g, 'e');

function start(text: string, { mode = 'long', vcpus = 1 }: { mode?: StageMode; vcpus?: 1 | 2 } = {}) {
  const orders: RegionOrder[] = [];
  const answers: RegionAnswer[] = [];
  const port = { post: (order: RegionOrder) => void orders.push(structuredClone(order)), receive: () => answers.shift() };
  const stage = new Stage(tierBesideCompiler(port, {}, vcpus), mode);
  const { cpu, s } = stage;
  const { machine } = cpu;
  const compiler = new RegionCompiler({ decode, memory: machine.u8, now: () => 0 });
  const isLong = mode === 'long';
  const base = isLong ? LINEAR : FRAMES[0];
  const { bytes } = assemble(text, { code: isLong ? 64 : 32, origin: BigInt(base) });
  const frames = isLong ? FRAMES : FRAMES.map((_, i) => base + FAR * i);
  for (let page = 0; page * FAR < bytes.length; page++)
    machine.dma.write(frames[page] as number, Uint8Array.from(bytes.slice(page * FAR, (page + 1) * FAR)));
  if (isLong) {
    const map = (space: 0 | 1, pointers: number): void => {
      stage.write(pointers + 8, BigInt(DIRECTORIES[space]) | PRESENT);
      stage.write(DIRECTORIES[space] + 16, BigInt(TABLES[space]) | PRESENT);
      for (const [page, frame] of FRAMES.entries()) stage.write(TABLES[space] + 8 * page, BigInt(frame) | PRESENT);
    };
    map(0, AT.tables + 0x1000);
    stage.write(SECOND.root, BigInt(SECOND.pointers) | PRESENT);
    stage.write(SECOND.pointers, BigInt(AT.tables + 0x2000) | PRESENT);
    map(1, SECOND.pointers);
  }
  const begin = (offset = 0): void => {
    s.gpr.set([0n, MANY, 0n, 1n, BigInt(AT.stack), 0n, 0n, 0n]);
    s.rip = BigInt(base + offset);
    cpu.changed();
  };
  /** Pass so many slices, with whatever is ordered made. */
  const settle = (slices: number): void => {
    for (let i = 0; i < slices; i++) {
      cpu.run(SLICE);
      if (orders.length > 0) answers.push(compiler.compile(orders.splice(0)));
    }
  };
  /** Entries into regions, and passes of the loop with what each added, in one slice. */
  const slice = (limit = SLICE) => {
    const count = (): number => Number(s.regionEntries + s.regionChains);
    const [entries, rax, rcx] = [count(), s.gpr[0] as bigint, s.gpr[1] as bigint];
    expect(cpu.run(limit).retired).toBe(limit);
    const passes = rcx - (s.gpr[1] as bigint);
    return { entries: count() - entries, passes, added: BigInt.asIntN(64, (s.gpr[0] as bigint) - rax) };
  };
  /** Goes on until the loop stays in its region. */
  const far = (): void => {
    for (let i = 0; i < PATIENCE && cpu.jit?.far === 0; i++) settle(1);
    settle(2);
    expect(cpu.jit?.far).toBeGreaterThan(0);
    expect(slice().entries).toBeLessThan(10);
  };
  return { stage, cpu, s, machine, begin, settle, slice, far, base };
}

/** Passes of a slice of `CALLS`, one more or less by where it begins and ends. */
const near = (a: bigint, b: bigint): boolean => a - b <= 1n && b - a <= 1n;

function looping(special = 'nop', options: Parameters<typeof start>[1] = {}) {
  const run = start(CALLS(special), options);
  run.begin();
  run.far();
  return watched(run);
}

function watched(run: ReturnType<typeof start>) {
  const { added, passes } = run.slice();
  expect(near(added, passes)).toBe(true);
  /** The function adds this now; one pass at each end may be another one. Then there is time to be a region again, if it can be. */
  const adds = (what: bigint): void => {
    const { passes, added } = run.slice();
    const wrong = added - passes * what;
    expect(wrong < 20n && wrong > -20n).toBe(true);
    run.settle(3);
  };
  return { ...run, adds, special: () => run.s.gpr.set([1n], 7) };
}

/** `add rax, imm8; ret` */
const adding = (n: number): Uint8Array => Uint8Array.of(0x48, 0x83, 0xc0, n & 0xff, 0xc3);

describe('a region with code of another page', () => {
  it.each(['long', 'code32'] as const)('goes there and back in %s', (mode) => {
    const run = start(mode === 'long' ? CALLS('nop') : in32(CALLS('nop')), { mode });
    run.begin();
    run.far();
    const { added, passes } = run.slice();
    expect([near(added, passes), passes > 2000n]).toEqual([true, true]);
    const { farInUse, farEntries, farLive = 0, live = 0, farLost } = run.cpu.jit ?? {};
    expect([farInUse, farEntries, farLive > 0, farLive < live]).toEqual([1, 1, true, true]);
    // Of the function alone none could be made.
    expect(farLost).toEqual({ written: 0, anew: 0, reset: 0, failed: 1, crowded: 0 });
  });

  it('is held against an interrupt for one instruction after STI, wherever that comes', () => {
    const run = start('t: call f\nsti\nlea rdx, [rdx+1]\nb: cli\nsub rcx, 1\njnz t\nhlt\nalign 4096\nf: add rax, 1\nret');
    run.begin();
    for (let i = 0; i < PATIENCE && run.cpu.jit?.far === 0; i++) run.settle(1);
    run.settle(2);
    expect(run.cpu.jit?.farInUse).toBeGreaterThan(0);
    const { cpu, s, stage, machine } = run;
    machine.dma.write(AT.handlers + VECTOR * 16, assemble('iretq', { code: 64 }).bytes);
    const [b, saved] = [BigInt(run.base) + 5n + 1n + 4n, (AT.stack & ~15) - 40];
    for (let skipped = 1; skipped <= 40; skipped++) {
      run.slice(1000 + skipped);
      stage.write(saved, 0n);
      cpu.interrupt(VECTOR);
      const before = s.regionRetired;
      run.slice(1000);
      expect([skipped, stage.read(saved, 64)]).toEqual([skipped, b]);
      expect(s.regionRetired - before > 900n).toBe(true);
    }
    expect(near((s.gpr[2] as bigint) + (s.gpr[1] as bigint), MANY)).toBe(true);
  });

  it('is left for single steps, which go through its pages one by one', () => {
    const run = looping('pushfq\nor dword [rsp], 256\npopfq');
    const { cpu, s, stage } = run;
    run.special();
    const steps: bigint[] = [];
    while (steps.length < 12) {
      while (s.activity === 0) cpu.run(SLICE);
      // In the handler of #DB: what was saved goes on.
      expect(s.rip).toBe(BigInt(AT.handlers + 16 + 1));
      const frame = Number(s.gpr[4]);
      const [rip, flags, rsp] = [stage.read(frame, 64), stage.read(frame + 16, 64), stage.read(frame + 24, 64)];
      steps.push(rip - BigInt(run.base));
      expect(flags & 0x100n).toBe(0x100n);
      s.rip = rip;
      s.gpr.set([rsp], 4);
      s.activity = 0;
      s.sysFlags |= 0x100;
      cpu.modeChanged();
    }
    // From the jump behind XOR on, which is the first to be stepped.
    const pass = [0n, BigInt(FAR), BigInt(FAR) + 4n, 5n, 8n, 10n, 14n];
    expect(steps).toEqual([28n, 10n, 14n, ...pass, 0n, BigInt(FAR)]);
    s.sysFlags &= ~0x100;
    cpu.modeChanged();
    run.slice();
    run.adds(1n);
    expect(run.slice().entries).toBeLessThan(10);
  });

  it.each([1, 2, 3, 4, 5, 6, 8, 9, 11, 13, 14, 15])('holds a loop that begins %i bytes before the boundary', (bytes) => {
    const run = start(ACROSS(bytes));
    run.begin(FAR - bytes);
    run.far();
    const { s, cpu } = run;
    while (s.rip !== BigInt(run.base + FAR - bytes)) cpu.run(1);
    s.gpr.set([0n, MANY, 0n, 3n]);
    expect(run.slice().passes).toBe(BigInt(SLICE / 5));
    let [rax, rdx] = [0n, 0n];
    for (let i = 0; i < SLICE / 5; i++) {
      rax += 3n;
      rdx = BigInt.asUintN(64, rdx + rax) ^ 3n;
    }
    expect([s.gpr[0], s.gpr[2]]).toEqual([rax, rdx]);
  });

  it('retires what it is asked to, one by one or many', () => {
    const run = looping();
    for (const limit of [1, 2, 3, 1, 7, 100, 6, 257, 1]) run.slice(limit);
    run.adds(1n);
  });

  it('sees that a device has written the function', () => {
    const run = looping();
    run.machine.dma.write(FRAMES[1], adding(3));
    run.adds(3n);
    run.machine.dma.write(FRAMES[1], adding(5));
    run.adds(5n);
    expect(run.cpu.jit?.farLost.written).toBeGreaterThan(0);
    expect(run.cpu.jit?.farEntries).toBeLessThanOrEqual(2);
  });

  it('has no link any more when it was dropped: its slot may be that of another one', () => {
    const run = looping();
    const forgotten = (): number => run.machine.u32[(run.s.base + CPU_LINK_EPOCH) >>> 2] as number;
    const before = forgotten();
    run.machine.dma.write(FRAMES[1], adding(3));
    run.slice(100);
    expect(run.cpu.jit?.farLost.written).toBe(1);
    expect(forgotten()).toBeGreaterThan(before);
  });

  it('stays where a device has written beside the function', () => {
    const run = looping();
    run.stage.write(FRAMES[1] + 0x800, 0n);
    run.adds(1n);
    run.machine.dma.write(FRAMES[1], run.machine.dma.read(FRAMES[1], 8).slice());
    run.adds(1n);
    expect(run.slice().entries).toBeLessThan(10);
    expect(run.cpu.jit?.far).toBe(1);
  });

  it('sees that the guest itself has written the function', () => {
    const run = looping('mov byte [rel f+3], 3');
    run.special();
    run.adds(3n);
  });

  it('sees that another vCPU has written the function', () => {
    const run = looping('nop', { vcpus: 2 });
    const { other } = run.cpu;
    if (other === undefined) throw new RangeError('one vCPU alone');
    const { s } = run;
    for (const name of ['cr0', 'cr3', 'cr4', 'efer'] as const) other.s[name] = s[name];
    for (const segment of ['cs', 'ss', 'ds', 'es'] as const)
      for (const part of ['Selector', 'Limit', 'Attr'] as const) other.s[`${segment}${part}`] = s[`${segment}${part}`];
    const writer = 0x60000;
    run.machine.dma.write(writer, Uint8Array.from(assemble('mov byte [rbx+3], 3\nhlt', { code: 64 }).bytes));
    const write = (at: number): void => {
      other.s.gpr.set([0n, 0n, 0n, BigInt(at)]);
      other.s.rip = BigInt(writer);
      other.s.activity = 0;
      other.changed();
      other.run(2);
    };
    // Its code is decoded, and this vCPU has heard of that.
    write(AT.data);
    run.adds(1n);
    write(LINEAR + FAR);
    expect(run.machine.dma.read(FRAMES[1] + 3, 1)[0]).toBe(3);
    run.adds(3n);
  });

  it('does not go beyond the limit of a code segment', () => {
    const run = start(in32(CALLS('nop')), { mode: 'code32' });
    run.begin();
    run.far();
    // In the function not even its own code could be fetched.
    while (run.s.rip !== BigInt(run.base)) run.cpu.run(1);
    run.s.csLimit = run.base + FAR - 1;
    run.cpu.modeChanged();
    run.cpu.run(100);
    // The call itself is refused.
    expect([run.s.rip < BigInt(run.base), run.s.activity]).toEqual([true, 1]);
    expect(run.stage.read(Number(run.s.gpr[4]) + 4, 32)).toBe(BigInt(run.base));
  });
});

/** Of the function alone; the loop, which would take it in later, is a region of its own. */
const crossing = (special = 'nop') => {
  const run = start(CALLS_ACROSS(special));
  run.begin();
  for (let i = 0; i < PATIENCE && run.cpu.jit?.far === 0; i++) run.settle(1);
  run.settle(3);
  expect(run.cpu.jit?.farInUse).toBe(1);
  const { s } = run;
  /** Nothing is left to the interpreter. */
  const holds = (): void => {
    const { regionMissing, regionChains } = s;
    const { added, passes } = run.slice();
    expect([near(added, passes), passes > 2000n, s.regionMissing - regionMissing < 5n]).toEqual([true, true, true]);
    expect(s.regionChains - regionChains > passes).toBe(true);
  };
  holds();
  return { ...watched(run), holds };
};
const rest = (n: number): Uint8Array => adding(n).slice(2);

describe('a region whose first instruction lies on two pages', () => {
  it('goes on after the code of its first page was decoded anew', () => {
    const run = crossing();
    run.machine.dma.write(FRAMES[0], run.machine.dma.read(FRAMES[0], 8).slice());
    run.settle(20);
    run.holds();
    expect(run.cpu.jit?.farEntries).toBe(1);
  });

  it('sees that a device has written the second page, or the first', () => {
    const run = crossing();
    run.machine.dma.write(FRAMES[1], rest(3));
    run.adds(3n);
    expect(run.cpu.jit?.farLost.written).toBe(1);
    run.machine.dma.write(FRAMES[1], rest(5));
    run.adds(5n);
    // SUB instead of ADD.
    run.machine.dma.write(FRAMES[1], Uint8Array.of(0xe8));
    run.adds(-5n);
    run.machine.dma.write(FRAMES[0] + FAR - 2, Uint8Array.of(0x40));
    run.settle(1);
    expect((run.s.gpr[0] as bigint) >> 32n).toBe(0n);
  });

  it('sees that the guest itself has written it', () => {
    const run = crossing('mov byte [rel f+3], 3');
    run.special();
    run.adds(3n);
  });
});

describe.each([
  { what: 'a region with code of another page', begin: looping, at: 0 },
  { what: 'a region whose first instruction lies on two pages', begin: crossing, at: 2 },
])('$what', ({ begin, at }) => {
  /** Of the function, what is on the second page. */
  const second = (n: number): Uint8Array => adding(n).slice(at);
  const invalidate = `invlpg byte [rel f+${at}]`;

  it('sees that the second page is mapped elsewhere and invalidated', () => {
    const run = begin(invalidate);
    run.machine.dma.write(INSTEAD, second(7));
    run.stage.write(TABLES[0] + 8, BigInt(INSTEAD) | PRESENT);
    run.adds(1n);
    run.special();
    run.adds(7n);
    run.stage.write(TABLES[0] + 8, BigInt(FRAMES[1]) | PRESENT);
    run.special();
    run.adds(1n);
  });

  it('sees that another address space has another page there', () => {
    const run = begin('xchg r8, r9\nmov cr3, r8');
    run.machine.dma.write(INSTEAD, second(-2));
    run.stage.write(TABLES[1] + 8, BigInt(INSTEAD) | PRESENT);
    run.s.gpr.set([BigInt(AT.tables), BigInt(SECOND.root)], 8);
    for (let round = 0; round < 4; round++) {
      run.special();
      run.adds(round % 2 === 0 ? -2n : 1n);
    }
    expect(run.cpu.jit?.farElsewhere).toBeGreaterThan(0);
  });

  it('faults where the second page is gone', () => {
    const run = begin(invalidate);
    run.stage.write(TABLES[0] + 8, 0n);
    run.special();
    run.cpu.run(100);
    expect([run.s.cr2, run.s.activity]).toEqual([BigInt(LINEAR + FAR), 1]);
    expect(run.stage.read(Number(run.s.gpr[4]) + 8, 64)).toBe(BigInt(LINEAR + FAR - at));
  });
});
