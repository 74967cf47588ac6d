/** Two processors in the same state executing the same random program: one per tier. */

import { decode } from '../../isa/decode.ts';
import type { Form } from '../../isa/form.ts';
import { print } from '../../isa/print.ts';
import type { DecodeMode } from '../../isa/variants.ts';
import { readFlags, writeFlags } from '../flags.ts';
import { AT, Stage, type StageMode } from '../instructions/stage.ts';
import { vcpuState } from '../state.ts';
import { RAM_BYTES } from './machine.ts';
import { Random } from './random.ts';
import { randomInstruction } from './random-code.ts';
import { type TierCpu, tiers } from './tiers.ts';

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

export class FuzzPair {
  readonly #mode: StageMode;
  readonly #cpl: 0 | 3;
  readonly #decodeMode: DecodeMode;
  readonly #stages: readonly Stage[];
  /** State and memory at the start of every program. */
  readonly #start: readonly { saved: ReturnType<typeof vcpuState.save>; memory: Uint8Array }[];

  constructor(mode: StageMode, cpl: 0 | 3) {
    this.#mode = mode;
    this.#cpl = cpl;
    this.#decodeMode = DECODE_MODES[mode];
    this.#stages = tiers.map((tier) => new Stage(tier, mode, cpl));
    this.#start = this.#stages.map(({ cpu }) => ({
      saved: vcpuState.save(cpu.s),
      memory: cpu.machine.dma.read(0, RAM_BYTES).slice(),
    }));
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
    return Array.from({ length: 16 }, (_, i) => {
      if (i === 1) return BigInt(random.below(48));
      if (i === 4) return BigInt(stage.stackOffset);
      if (random.chance([3, 5, 6, 7].includes(i) ? 85 : 35)) return BigInt(stage.dataOffset + 0x200 + random.below(0x400));
      return random.chance(30) ? BigInt(random.below(40)) : random.long();
    });
  }

  /** One program on all tiers. `undefined` when they agree, otherwise the program and the first differences. */
  run(seed: number): string | undefined {
    const random = new Random(seed * 8 + this.#cpl);
    const program = this.#program(random);
    const registers = this.#registers(random);
    const data = Uint8Array.from({ length: 0x800 }, () => random.below(256));
    const xmm = Uint8Array.from({ length: 256 }, () => random.below(256));
    const flags = random.below(0x1000) & 0xcd5;
    for (const [i, stage] of this.#stages.entries()) this.#prepare(stage, i, { program, registers, data, xmm, flags });
    const exits = this.#stages.map(({ cpu }) => {
      try {
        return cpu.run(STEPS).reason;
      } catch (error) {
        return `threw ${error instanceof Error ? error.stack : String(error)}`;
      }
    });
    if (exits.includes('patience')) return undefined;
    const found = this.#compare(exits);
    if (found.length === 0) return undefined;
    const listing = program.map((bytes) => `${Buffer.from(bytes).toString('hex')} ${this.#print(bytes)}`).join('; ');
    return `${this.#mode} CPL ${this.#cpl} seed ${seed}: ${found.slice(0, 6).join('; ')} after ${listing}`;
  }

  #print(bytes: Uint8Array): string {
    const decoded = decode(bytes, 0, bytes.length, this.#decodeMode);
    return typeof decoded === 'string' ? decoded : print(decoded);
  }

  #prepare(
    { cpu, codeOffset }: Stage,
    index: number,
    input: { program: Uint8Array[]; registers: bigint[]; data: Uint8Array; xmm: Uint8Array; flags: number },
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
    s.xmm.set(input.xmm);
    s.rip = BigInt(codeOffset);
    writeFlags(s, 2 | (this.#mode === 'vm86' ? 0x23000 : 0) | input.flags);
    cpu.changed();
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
