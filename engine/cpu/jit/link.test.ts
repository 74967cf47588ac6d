/** Regions that arrive later than they were ordered: the guest must not notice, whatever it has done to its code meanwhile. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import { decode } from '../../isa/decode.ts';
import { AT, Stage } from '../testing/stage.ts';
import { tierBesideCompiler } from '../testing/tiers.ts';
import type { RegionAnswer, RegionOrder } from './order.ts';
import { RegionCompiler } from './region-compiler.ts';

const LOOPS = 60_000;
/** The loop, then more than a granule of write tracking that runs only after it. */
const PROGRAM = `t: add rax, rbx\nsub rcx, 1\njnz t\n${'nop\n'.repeat(100)}mov rdx, 1\nhlt`;
const BEHIND = 100;
const CODE_BYTES = 6000;

/** A stage in front of the program, and a compiler that has its orders and is asked to carry them out. */
function start(program = PROGRAM) {
  const orders: RegionOrder[] = [];
  const answers: RegionAnswer[] = [];
  const collected: number[] = [];
  const stage = new Stage(
    tierBesideCompiler(
      { post: (order) => void orders.push(structuredClone(order)), receive: () => answers.shift() },
      { codeBytes: CODE_BYTES, collectGarbage: () => void collected.push(stage.cpu.jit?.live ?? 0) },
    ),
    'long',
  );
  const { machine, s } = stage.cpu;
  const compiler = new RegionCompiler({ decode, memory: machine.u8, now: () => 0 });
  const { bytes } = assemble(program, { code: 64 });
  machine.dma.write(AT.code, Uint8Array.from(bytes));
  s.rip = BigInt(AT.code);
  s.gpr.set([0n, BigInt(LOOPS), 0n, 1n]);
  stage.cpu.changed();
  const end = AT.code + bytes.length;
  return {
    orders,
    answers,
    collected,
    stage,
    s,
    compiler,
    compile: () => compiler.compile(orders.splice(0)),
    patch: (at: number, ...code: number[]) => machine.dma.write(AT.code + at, Uint8Array.from(code)),
    /** Offset of the immediate of the last MOV. */
    immediate: bytes.length - 1 - 4,
    finish: () => {
      for (let i = 0; i < 1000 && s.activity === 0; i++) stage.cpu.run(1000);
      expect(s.rip).toBe(BigInt(end));
      return { sum: s.gpr[0], last: s.gpr[2] };
    },
  };
}

it('an order says how often blocks of its page were entered and where computed jumps have led', () => {
  const run = start('jmp t\nf: add rax, rbx\nret\nt: call f\nsub rcx, 1\njnz t\nmov rdx, 1\nhlt');
  run.s.gpr.set([0n, BigInt(LOOPS), 0n, 1n, BigInt(AT.stack)]);
  run.stage.cpu.changed();
  run.stage.cpu.run(60_000);
  // After a short jump.
  const f = 2;
  const [t, next] = [f + 4, f + 9];
  const entries = new Map<number, number>();
  const [order] = run.orders;
  for (let i = 0; i < (order?.entries?.length ?? 0); i += 2)
    entries.set((order?.entries?.[i] as number) - (AT.code & 0xfff), order?.entries?.[i + 1] as number);
  expect([...entries.keys()].sort((a, b) => a - b)).toEqual([0, f, t, next]);
  expect(entries.get(0)).toBe(1);
  // The one that was just looked at counts until the next look.
  for (const at of [f, t, next]) {
    expect(entries.get(at)).toBeGreaterThan(9_990);
    expect(entries.get(at)).toBeLessThan(12_510);
  }
  // The offset after the return is that of the call.
  const at = AT.code & 0xfff;
  expect(order?.targets).toEqual(new Map([[at + t, [at + next]]]));
  run.answers.push(run.compile());
  expect(run.finish()).toEqual({ sum: BigInt(LOOPS), last: 1n });
});

describe('a region made by another thread', () => {
  it('is entered when it has come', () => {
    const run = start();
    run.stage.cpu.run(50_000);
    expect(run.orders).toHaveLength(1);
    const answer = run.compile();
    expect(answer.regions).toHaveLength(1);
    run.answers.push(answer);
    const before = run.s.retired;
    const { retired } = run.stage.cpu.run(50_000);
    expect([retired, run.s.retired - before]).toEqual([50_000, 50_000n]);
    const { regionEntries, regionRetired, regionChains } = run.s;
    // Entered once, and again for each pass of the loop that might not fit into what is left: at most 104 instructions.
    expect([regionEntries < 40n, regionChains, regionRetired > 49_700n, regionRetired <= 50_000n]).toEqual([
      true,
      0n,
      true,
      true,
    ]);
    expect(run.s.regionStopped).toBe(1n);
    expect(run.finish()).toEqual({ sum: BigInt(LOOPS), last: 1n });
  });

  it('is dropped when the loop was written before it came', () => {
    const run = start();
    run.stage.cpu.run(50_000);
    const done = run.s.gpr[0] as bigint;
    const answer = run.compile();
    run.patch(0, 0x48, 0x83, 0xc0, 0x02); // add rax, 2 is one byte longer than add rax, rbx: what follows is written too
    run.patch(4, 0x48, 0xff, 0xc9, 0x75, 0xf7); // dec rcx; jnz t
    run.patch(9, 0x90);
    run.answers.push(answer);
    const { sum, last } = run.finish();
    expect([sum, last]).toEqual([done + 2n * (BigInt(LOOPS) - done), 1n]);
  });

  it('is dropped when code behind the loop was written that nobody had looked at', () => {
    const run = start();
    run.stage.cpu.run(50_000);
    const answer = run.compile();
    expect(answer.regions[0]?.ranges.some(([, to]) => to % 4096 > BEHIND)).toBe(true);
    run.patch(run.immediate, 2);
    run.answers.push(answer);
    expect(run.finish().last).toBe(2n);
  });

  it('does not come back when all blocks were forgotten', () => {
    const run = start();
    run.stage.cpu.run(50_000);
    const answer = run.compile();
    run.stage.cpu.changed();
    run.answers.push(answer, run.compile());
    expect(run.finish()).toEqual({ sum: BigInt(LOOPS), last: 1n });
  });
});

describe('a region whose page is written', () => {
  /** Code that is no part of the loop's region. */
  const ELSEWHERE = 0x800;

  function looping() {
    const run = start();
    run.patch(ELSEWHERE, 0x90, 0xf4);
    run.s.rip = BigInt(AT.code + ELSEWHERE);
    run.stage.cpu.run(2);
    run.s.rip = BigInt(AT.code);
    run.s.activity = 0;
    run.stage.cpu.run(50_000);
    run.answers.push(run.compile());
    run.stage.cpu.run(10_000);
    expect(run.stage.cpu.jit?.regions).toBe(1);
    return { ...run, live: () => run.stage.cpu.jit?.live };
  }

  it('is used again where its own code is as it was', () => {
    const run = looping();
    run.patch(ELSEWHERE, 0xf4);
    expect(run.finish()).toEqual({ sum: BigInt(LOOPS), last: 1n });
    // More than enough turns to be asked for once more.
    expect(run.orders).toHaveLength(0);
    expect(run.live()).toBeGreaterThan(0);
  });

  it('is dropped where it is not', () => {
    const run = looping();
    const done = run.s.gpr[0] as bigint;
    run.patch(0, 0x48, 0x29, 0xd8); // sub rax, rbx
    expect(run.finish().sum).toBe(BigInt.asUintN(64, done - (BigInt(LOOPS) - done)));
    expect(run.orders).toHaveLength(1);
    expect(run.live()).toBe(0);
  });
});

describe('a region that keeps being left', () => {
  const LEFT = 't: test rbx, rdx\njnz c\nb: sub rcx, 1\njnz t\nhlt\nnop\nc: add rax, 1\njmp b';
  const TURN = 6;

  it('is made anew with what it is left for', () => {
    const run = start(LEFT);
    const { s, stage } = run;
    s.gpr.set([0n, 1_000_000n, 0n, 1n]);
    stage.cpu.run(50_000);
    const [first, ...others] = run.orders;
    expect([first?.entry, others]).toEqual([AT.code & 0xfff, []]);
    const small = run.compile();
    run.answers.push(small);
    const turns = (n: number): number => {
      const before = s.regionEntries;
      stage.cpu.run(n * TURN);
      return Number(s.regionEntries - before);
    };
    expect(turns(1000)).toBeLessThan(10);
    // From now on each turn goes where none has gone.
    s.gpr.set([0n, s.gpr[1] as bigint, 1n, 1n]);
    expect(turns(1000)).toBeGreaterThan(900);
    for (let i = 0; i < 30 && run.orders.length === 0; i++) turns(1000);
    const [order] = run.orders;
    if (order === undefined) throw new Error('nothing was ordered');
    expect([order.beyond, order.under]).toEqual([small.regions[0]?.instructions, []]);
    expect(run.compiler.compile([{ ...order, beyond: 100 }]).failed).toEqual([{ vcpu: 0, ticket: order.ticket }]);
    const again = run.compile();
    const made = again.regions.find(({ instructions }) => instructions > (small.regions[0]?.instructions ?? 0));
    expect(made?.loops).toBe(true);
    run.answers.push(again);
    const [rax, rcx] = [s.gpr[0] as bigint, s.gpr[1] as bigint];
    expect(turns(1000)).toBeLessThan(20);
    expect((s.gpr[0] as bigint) - rax).toBe(rcx - (s.gpr[1] as bigint));
  });
});

describe('a place that a region under way takes in', () => {
  const FORKED = 't: add rax, 1\ntest rcx, 1\njnz c\njmp b\nc: add rax, 2\nb: sub rcx, 1\njnz t\nhlt';

  it('has none of its own', () => {
    const run = start(FORKED);
    run.stage.cpu.run(200_000);
    const [first, ...others] = run.orders;
    expect(first?.under).toEqual([]);
    expect(others.map(({ under }) => under[0])).toEqual([first?.ticket, first?.ticket]);
    const answer = run.compile();
    expect([answer.regions.length, answer.covered.map(({ ticket }) => ticket)]).toEqual([1, others.map(({ ticket }) => ticket)]);
    run.answers.push(answer);
    expect(run.finish().sum).toBe(BigInt(2 * LOOPS));
    expect([run.orders, run.stage.cpu.jit?.regions]).toEqual([[], 1]);
  });

  it('gets one when it is entered often all the same', () => {
    const run = start(FORKED);
    run.stage.cpu.run(200_000);
    const [first, second, third] = run.orders.splice(0);
    const answer = run.compile();
    expect(answer.regions).toEqual([]);
    // The first is never answered: the others are told that it has them.
    const covered = [second, third].map((order) => ({ vcpu: 0, ticket: order?.ticket ?? -1 }));
    run.answers.push({ ...answer, covered });
    run.stage.cpu.run(50_000);
    expect(run.orders.map(({ entry }) => entry).sort()).toEqual([second?.entry, third?.entry].sort());
    expect(first?.entry).toBe(AT.code & 0xfff);
    expect(run.finish().sum).toBe(BigInt(2 * LOOPS));
  });
});

describe('code of a guest that never stops making code', () => {
  const WRITTEN = 64;
  const ROUNDS = 40;
  const FUNCTIONS = 16;
  const TURNS = 12_000;

  it('stays within its budget, with the same results', () => {
    const { stage, s, compile, orders, answers, collected } = start();
    const { machine } = stage.cpu;
    const rax = 0x123456789n;
    let rbx = 0n;
    s.gpr.set([rax, 0n, 0n, rbx]);
    let most = 0;
    for (let n = 0; n < ROUNDS * FUNCTIONS; n++) {
      const at = AT.code + 4096 * (n % FUNCTIONS) + WRITTEN * (n % 8);
      const text = `mov ecx, ${TURNS}\nt: xor rax, ${n + 1}\nadd rbx, rax\ndec ecx\njnz t\nhlt`;
      machine.dma.write(at, Uint8Array.from(assemble(text, { code: 64 }).bytes));
      s.rip = BigInt(at);
      s.activity = 0;
      for (let i = 0; i < 100 && s.activity === 0; i++) {
        stage.cpu.run(1000);
        if (orders.length > 0) answers.push(compile());
        most = Math.max(most, stage.cpu.jit?.live ?? 0);
      }
      // Every other turn has undone what the one before did to RAX.
      rbx = BigInt.asUintN(64, rbx + BigInt(TURNS / 2) * ((rax ^ BigInt(n + 1)) + rax));
      expect([s.gpr[0], s.gpr[3]]).toEqual([rax, rbx]);
    }
    expect(stage.cpu.jit?.regions).toBeGreaterThan(FUNCTIONS);
    expect(stage.cpu.jit?.resets).toBeGreaterThan(0);
    // One module may go beyond it.
    expect(most).toBeLessThan(CODE_BYTES + 4096);
    // Whenever a third of the budget was dropped, the host was told; after a reset nothing was in use.
    const { bytes = 0, resets = 0 } = stage.cpu.jit ?? {};
    expect(collected.length).toBeGreaterThanOrEqual(resets);
    expect(collected.length).toBeLessThanOrEqual(bytes / (CODE_BYTES / 3));
    expect(collected).toContain(0);
  });
});

describe('code that the guest patches over and over', () => {
  const [ROUNDS, TURNS] = [60, 12_000];
  /** Times its page is compiled. */
  const MOST = 16;
  const [LOOP, CALM] = [0x1000, 0x2000];
  const text = `mov ecx, ${TURNS}\nt: xor eax, 0x11111111\nadd rbx, rax\ndec ecx\njnz t\nhlt`;
  /** Offset of the constant of the loop's XOR. */
  const CONSTANT = 6;

  it('is left to the interpreter for a while, other pages are not', () => {
    const { stage, s, compile, orders, answers } = start(`mov dword [rsi], edx\njmp rdi`);
    const { bytes } = assemble(text, { code: 64 });
    for (const page of [LOOP, CALM]) stage.cpu.machine.dma.write(AT.code + page, Uint8Array.from(bytes));
    let [rax, rbx] = [0n, 0n];
    let ordered = 0;
    s.gpr.set([0n, 0n, 0n, 0n]);
    const go = (page: number, constant: number): void => {
      s.gpr.set([BigInt(constant)], 2);
      s.gpr.set([BigInt(AT.code + LOOP + CONSTANT), BigInt(AT.code + page)], 6);
      s.rip = BigInt(AT.code);
      s.activity = 0;
      for (let i = 0; i < 100 && s.activity === 0; i++) {
        stage.cpu.run(1000);
        ordered += orders.length;
        if (orders.length > 0) answers.push(compile());
      }
      for (let turn = 0; turn < TURNS; turn++) {
        rax ^= BigInt(page === LOOP ? constant : 0x11111111);
        rbx = BigInt.asUintN(64, rbx + rax);
      }
      expect([s.gpr[0], s.gpr[3]]).toEqual([rax, rbx]);
    };
    for (let n = 1; n <= ROUNDS; n++) go(LOOP, n);
    expect(ordered).toBe(MOST);
    const before = s.regionRetired;
    go(CALM, ROUNDS);
    go(CALM, ROUNDS);
    expect([ordered, s.regionRetired - before > BigInt(TURNS)]).toEqual([MOST + 1, true]);
    // Long after it may be other code that comes to stand there.
    s.retired += 5_000_000_000n;
    go(LOOP, ROUNDS + 1);
    expect(ordered).toBe(MOST + 2);
  });
});
