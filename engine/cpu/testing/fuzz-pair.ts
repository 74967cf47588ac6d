/** Two processors in the same state executing the same random program: one per tier. */

import { assemble } from '../../isa/assemble.ts';
import { decode } from '../../isa/decode.ts';
import type { Form } from '../../isa/form.ts';
import { print } from '../../isa/print.ts';
import type { DecodeMode } from '../../isa/variants.ts';
import type { VcpuState } from '../context.ts';
import { readFlags, writeFlags } from '../flags.ts';
import { vcpuState } from '../state.ts';
import { RAM_BYTES } from './machine.ts';
import { Random } from './random.ts';
import { randomInstruction } from './random-code.ts';
import { randomLoops } from './random-loops.ts';
import { AT, Stage, type StageMode } from './stage.ts';
import { type Tier, type TierCpu, tiers } from './tiers.ts';

const everything = { features: -1 };
export const DECODE_MODES = {
  real: { code: 16, stack: 16, kind: 'real', ...everything },
  vm86: { code: 16, stack: 16, kind: 'vm86', ...everything },
  code16: { code: 16, stack: 16, kind: 'protected', ...everything },
  code32: { code: 32, stack: 32, kind: 'protected', ...everything },
  long: { code: 64, stack: 64, kind: 'long', ...everything },
} as const satisfies Record<StageMode, DecodeMode>;

/** Instructions of one program and how many of them (with those of handlers) are executed. */
const LENGTH = 12;
const STEPS = 24;
/** Instructions of a program of loops that are executed at most. */
const LOOP_STEPS = 4000;

/** Members that differ by nature: lazy flags (compared as RFLAGS), bookkeeping of a tier. */
const NOT_COMPARED = new Set([
  'flagResult',
  'flagAux',
  'sysFlags',
  'retired',
  'request',
  'excVector',
  'excPending',
  'excHasError',
  'excError',
  'excAddress',
  'debugTraps',
  'monitorAddress',
]);

/** Time and the state of the host's processor would tell the tiers apart. */
const excluded = (form: Form): boolean => /^(rdtscp?|rdpmc|mwait|monitor|hlt|wrmsr|pause)$/.test(form.definition.name);

type Saved = ReadonlyMap<string, unknown>;

function visible(cpu: TierCpu): Saved {
  const members = vcpuState.inspect(cpu.s).filter(({ name, member }) => member === 'state' && !NOT_COMPARED.has(name));
  const values = members.map(({ name, value }): [string, unknown] => [
    name,
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
  ]);
  return new Map([...values, ['rflags', readFlags(cpu.s)]]);
}

/** Parts of a long value that differ. */
function parts(name: string, mine: unknown, theirs: unknown): string[] {
  if (Array.isArray(mine) && Array.isArray(theirs)) {
    return mine.flatMap((value, i) => (value === theirs[i] ? [] : [`${name}[${i}] ${text(value)}, oracle ${text(theirs[i])}`]));
  }
  if (typeof mine === 'string' && typeof theirs === 'string' && mine.length > 32) {
    return (mine.match(/.{32}/g) ?? []).flatMap((piece, i) => {
      const other = theirs.slice(i * 32, i * 32 + 32);
      return piece === other ? [] : [`${name}[${i}] ${piece}, oracle ${other}`];
    });
  }
  return text(mine) === text(theirs) ? [] : [`${name} ${text(mine)}, oracle ${text(theirs)}`];
}

const text = (value: unknown): string =>
  typeof value === 'bigint' || typeof value === 'number'
    ? `0x${value.toString(16)}`
    : Array.isArray(value)
      ? `[${value.map(text).join(' ')}]`
      : String(value);

/** Why the run ended and how many instructions it retired; in pieces of random length where `cut` is given. */
function runInPieces(cpu: TierCpu, steps: number, cut: Random | undefined): string {
  let retired = 0;
  for (;;) {
    const rest = steps - retired;
    const exit = cpu.run(cut === undefined ? rest : 1 + cut.below(rest));
    retired += exit.retired;
    if (exit.reason !== 'limit' || retired >= steps) return `${exit.reason} after ${retired}`;
  }
}

/** Bits of CR0 and CR4, RFLAGS and attributes in VMCS form. */
const CR0 = { mp: 2n, em: 4n, ts: 8n, ne: 0x20n, am: 0x40000n } as const;
const SSE_ENABLED = 0x600n;
const [TRAP, INTERRUPTS, ALIGNMENT, VM86_FLAGS] = [0x100, 0x200, 0x40000, 0x23000];
const [EXPAND_DOWN, READ_ONLY] = [4, 2];

/** Everything about the processor that a program meets but did not make: floating-point state, traps, limits, breakpoints. */
function conditions(random: Random, mode: StageMode, cpl: number): (s: VcpuState) => void {
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.below(256));
  const [xmm, fpr] = [bytes(256), bytes(128)];
  if (random.chance(60))
    for (let i = 0; i < 8; i++)
      fpr.set([0, 0, 0x80 | random.below(128), 0xf0 + random.below(16), random.pick([0x3f, 0x40, 0xbf])], i * 16 + 5);
  for (let i = 0; i < 8; i++) fpr.fill(0, i * 16 + 10, i * 16 + 16);
  const flags =
    (random.below(0x1000) & 0xcd5) |
    (random.chance(40) ? INTERRUPTS : 0) |
    (random.chance(6) ? TRAP : 0) |
    (random.chance(10) ? ALIGNMENT : 0) |
    (cpl === 3 && random.chance(30) ? 0x3000 : 0);
  const mxcsr = random.chance(50) ? 0x1f80 : random.below(0x10000);
  const fcw = random.chance(50) ? 0x37f : (random.below(0x1000) & 0xf3f) | 0x40;
  const [ftop, ftag] = [random.below(8), random.chance(70) ? 0xff : random.below(256)];
  const control =
    (random.chance(4) ? CR0.ts : 0n) |
    (random.chance(4) ? CR0.em : 0n) |
    (random.chance(50) ? CR0.mp : 0n) |
    CR0.ne |
    (random.chance(70) ? CR0.am : 0n);
  const sse = random.chance(94) ? SSE_ENABLED : 0n;
  const limit = random.chance(15) ? 0x20000 + random.below(0x800) : undefined;
  const attr = random.chance(30) ? EXPAND_DOWN : random.chance(30) ? READ_ONLY : 0;
  const breakpoint = random.chance(8)
    ? {
        at: BigInt(AT.data + 0x200 + random.below(0x400)),
        control: BigInt(random.pick([0x10001, 0x30001, 0xd0001, 0xf0001, 0x70001])),
      }
    : undefined;
  return (s) => {
    s.xmm.set(xmm);
    s.fpr.set(fpr);
    s.mxcsr = mxcsr;
    s.fcw = fcw;
    s.fsw = 0;
    s.ftop = ftop;
    s.ftag = ftag;
    s.cr0 = (s.cr0 & ~0x4002en) | control;
    s.cr4 = (s.cr4 & ~SSE_ENABLED) | sse;
    if (limit !== undefined && mode === 'code32') {
      s.dsLimit = limit;
      s.dsAttr ^= attr;
    }
    if (breakpoint !== undefined) {
      s.dr[0] = breakpoint.at;
      s.dr7 = breakpoint.control | 0x400n;
    }
    writeFlags(s, 2 | (mode === 'vm86' ? VM86_FLAGS : 0) | flags);
  };
}

/** Linear pages whose neighbours lie anywhere, in the table of a PD entry that is free otherwise; frames are those of the second MiB. */
const SCATTER = { linear: 0x600000, table: 0x40000, frames: 0x100000, pages: 16 } as const;

function scatteredPages(random: Random) {
  const { linear, table, frames, pages } = SCATTER;
  const frameOf = Array.from({ length: pages }, () => frames + 0x1000 * random.below(64));
  // Two linear pages of one frame; the last is the code's.
  if (random.chance(50)) frameOf[random.below(pages)] = frameOf[random.below(pages)] as number;
  frameOf[pages - 1] = AT.code;
  const rights = frameOf.map((_, i) => (i < pages - 1 && random.chance(5) ? random.pick([0n, 5n]) : 7n));
  const end = (): number => linear + 0x1000 * (2 + random.below(pages - 4)) - random.below(0x100);
  const data = end() - 0x200;
  const cell = data + 0x800;
  const seed = random.below(1 << 30);
  return {
    data,
    stack: random.chance(40) ? (end() & ~7) + 8 * random.below(8) : AT.stack,
    codeAlias: linear + 0x1000 * (pages - 1) - AT.code,
    map(stage: Stage, pointer: bigint): void {
      const bytes = new Random(seed);
      for (const frame of new Set(frameOf.slice(0, -1)))
        stage.cpu.machine.dma.write(
          frame,
          Uint8Array.from({ length: 0x1000 }, () => bytes.below(256)),
        );
      stage.write(table, ...frameOf.map((frame, i) => BigInt(frame) | (rights[i] as bigint)));
      stage.write(AT.tables + 0x2000 + 8 * (linear >>> 21), BigInt(table) | 7n);
      // The pointer that walks off the end may lie on two pages: then it is a wild one.
      if ((cell & 0xfff) <= 0xff8) stage.write((frameOf[(cell - linear) >>> 12] as number) + (cell & 0xfff), pointer);
    },
  };
}

export class FuzzPair {
  readonly #mode: StageMode;
  readonly #cpl: 0 | 3;
  readonly #decodeMode: DecodeMode;
  readonly #stages: readonly Stage[];
  /** State and memory at the start of every program. */
  readonly #start: readonly { saved: ReturnType<typeof vcpuState.save>; memory: Uint8Array }[];

  constructor(mode: StageMode, cpl: 0 | 3, on: readonly Tier[] = tiers) {
    this.#mode = mode;
    this.#cpl = cpl;
    this.#decodeMode = DECODE_MODES[mode];
    this.#stages = on.map((tier) => new Stage(tier, mode, cpl));
    this.#start = this.#stages.map(({ cpu }) => ({
      saved: vcpuState.save(cpu.s),
      memory: cpu.machine.dma.read(0, RAM_BYTES).slice(),
    }));
  }

  /** Regions with code of several pages that were made so far, on all tiers. */
  get farRegions(): number {
    return this.#stages.reduce((sum, { cpu }) => sum + (cpu.jit?.far ?? 0), 0);
  }

  #program(random: Random): Uint8Array[] {
    const program: Uint8Array[] = [];
    while (program.length < LENGTH) {
      const one = randomInstruction(random, this.#decodeMode, (form) => !excluded(form));
      if (one !== undefined) program.push(one);
    }
    return program;
  }

  /** Data near which memory operands land: base registers point there, the rest is random or small. */
  #registers(random: Random): bigint[] {
    const [stage] = this.#stages;
    if (stage === undefined) throw new Error('there is no tier');
    // In some programs of flat code operands land on the program itself, which then rewrites what it is about to execute.
    const flat = this.#mode === 'code32' || this.#mode === 'long';
    const [first, room] = flat && random.chance(15) ? [AT.code, 0x48] : [stage.dataOffset + 0x200, 0x400];
    return Array.from({ length: 16 }, (_, i) => {
      if (i === 1) return BigInt(random.below(48));
      if (i === 4) return BigInt(stage.stackOffset);
      if (random.chance([3, 5, 6, 7].includes(i) ? 85 : 35)) return BigInt(first + random.below(room));
      return random.chance(30) ? BigInt(random.below(40)) : random.long();
    });
  }

  /** One program on all tiers. `undefined` when they agree, otherwise the program and the first differences. */
  run(seed: number): string | undefined {
    const random = new Random(seed * 8 + this.#cpl);
    const program = this.#program(random);
    const registers = this.#registers(random);
    const data = Uint8Array.from({ length: 0x800 }, () => random.below(256));
    const change = conditions(random, this.#mode, this.#cpl);
    for (const [i, stage] of this.#stages.entries()) this.#prepare(stage, i, { program, registers, data, change });
    const interruptAfter = random.chance(35) ? 1 + random.below(LENGTH / 2) : 0;
    const vector = 0x20 + random.below(0xe0);
    const exits = this.#stages.map(({ cpu }) => {
      try {
        cpu.host.interrupts.length = 0;
        // Positions are exact: however the run is cut, it stops after the same instructions.
        const cut = random.chance(30) ? random : undefined;
        if (interruptAfter === 0) return runInPieces(cpu, STEPS, cut);
        const first = runInPieces(cpu, interruptAfter, cut);
        cpu.interrupt(vector);
        return `${first}, ${runInPieces(cpu, STEPS - interruptAfter, cut)}`;
      } catch (error) {
        return `threw ${error instanceof Error ? error.stack : String(error)}`;
      }
    });
    if (exits.some((exit) => exit.includes('patience'))) return undefined;
    if (this.#limitBeforeAlignment()) return undefined;
    const found = this.#compare(exits);
    if (found.length === 0) return undefined;
    const listing = program.map((bytes) => `${Buffer.from(bytes).toString('hex')} ${this.#print(bytes)}`).join('; ');
    return `${this.#mode} CPL ${this.#cpl} seed ${seed}: ${found.slice(0, 6).join('; ')} after ${listing}`;
  }

  /** One program of blocks and loops on all tiers; the result is as that of `run`. 64-bit and 32-bit code. */
  runLoops(seed: number): string | undefined {
    const random = new Random(seed * 8 + this.#cpl);
    const code = this.#decodeMode.code as 32 | 64;
    const scattered = this.#mode === 'long' && random.chance(60) ? scatteredPages(random) : undefined;
    const [data0, stack] = [scattered?.data ?? AT.data, scattered?.stack ?? AT.stack];
    const world = { code, cpl: this.#cpl, data: data0, stack };
    const { text, registers } = randomLoops(random, { ...world, ...(scattered && { scattered }) });
    const { bytes } = assemble(text, { code, origin: BigInt(AT.code) });
    const data = Uint8Array.from({ length: 0x800 }, () => random.below(256));
    // Doubles of ordinary size, and the pointer that walks off the end.
    for (let i = 0; i < 32; i++) data.set([0x3f, random.below(256)], 0x200 + i * 8 + 6);
    const change = conditions(random, this.#mode, this.#cpl);
    const start = BigInt(RAM_BYTES - 0x300 * random.below(20));
    for (const [i, stage] of this.#stages.entries()) {
      this.#prepare(stage, i, { program: [bytes], registers: [...registers], data, change });
      stage.write(AT.data + 0x800, start);
      scattered?.map(stage, start);
    }
    const cut = random.chance(40) ? random.below(1 << 30) : undefined;
    const exits = this.#stages.map(({ cpu }) => {
      try {
        cpu.host.interrupts.length = 0;
        return runInPieces(cpu, LOOP_STEPS, cut === undefined ? undefined : new Random(cut));
      } catch (error) {
        return `threw ${error instanceof Error ? error.stack : String(error)}`;
      }
    });
    const found = this.#compare(exits);
    return found.length === 0
      ? undefined
      : `${this.#mode} CPL ${this.#cpl} seed ${seed}: ${found.slice(0, 6).join('; ')} after\n${text}`;
  }

  /** A known difference: outside 64-bit code the interpreter meets the limit of SS before the alignment to 16 bytes (differences.ts). */
  #limitBeforeAlignment(): boolean {
    const vectors = this.#stages.map(({ cpu: { s } }) => (Number(s.csBase + s.rip) - AT.handlers) >> 4);
    return this.#mode !== 'long' && vectors[0] === 13 && vectors[1] === 12;
  }

  #print(bytes: Uint8Array): string {
    const decoded = decode(bytes, 0, bytes.length, this.#decodeMode);
    return typeof decoded === 'string' ? decoded : print(decoded);
  }

  #prepare(
    { cpu, codeOffset }: Stage,
    index: number,
    input: { program: Uint8Array[]; registers: bigint[]; data: Uint8Array; change: (s: VcpuState) => void },
  ): void {
    const start = this.#start[index];
    if (start === undefined) throw new Error('there is no tier');
    const { s, machine } = cpu;
    vcpuState.restore(s, start.saved);
    machine.dma.write(0, start.memory);
    machine.dma.write(AT.code, Uint8Array.from([...input.program.flatMap((bytes) => [...bytes]), 0xf4]));
    machine.dma.write(AT.data, input.data);
    input.registers.forEach((value, i) => {
      s.gpr[i] = value;
    });
    s.rip = BigInt(codeOffset);
    input.change(s);
    cpu.anew();
  }

  #compare(exits: readonly string[]): string[] {
    const found: string[] = [];
    if (new Set(exits).size > 1) found.push(`exits ${exits.join(' and ')}`);
    const [first, ...others] = this.#stages.map(({ cpu }) => ({
      state: visible(cpu),
      memory: cpu.machine.dma.read(0, RAM_BYTES),
    }));
    if (first === undefined) throw new Error('there is no tier');
    for (const other of others) {
      for (const [name, value] of first.state) found.push(...parts(name, other.state.get(name), value));
      if (Buffer.compare(first.memory, other.memory) !== 0) {
        const at = first.memory.findIndex((byte, i) => byte !== other.memory[i]);
        found.push(`memory at 0x${at.toString(16)}: 0x${text(other.memory[at])}, oracle ${text(first.memory[at])}`);
      }
    }
    return found;
  }
}
