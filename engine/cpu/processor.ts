/** The software x86-64 processor of one thread: generated code over the machine's memory, one core per vCPU. */

import { definitions } from '../isa/all.ts';
import { createDecoder, type Decode } from '../isa/decoder.ts';
import type { SlowName } from '../isa/fields.ts';
import type { Definition } from '../isa/form.ts';
import type { Variant } from '../isa/variants.ts';
import type { MachineMemory } from '../memory/index.ts';
import type { CpuHost, SlowRoutineBody, VcpuState } from './context.ts';
import { floatRoutines } from './fpu/routines.ts';
import type { ExclusiveSection } from './instruction-context.ts';
import type { ShapedHandlers } from './interpreter/address-shapes.ts';
import { findHandler, type HandlerTree } from './interpreter/tracked-facts.ts';
import type { JitSetting } from './jit/jit.ts';
import { CompilerLink } from './jit/link.ts';
import type { CompilerPort } from './jit/order.ts';
import { RegionCompiler } from './jit/region-compiler.ts';
import { createRegionTable } from './jit/table.ts';
import type { ProcessorExports } from './linear-memory.ts';
import type { CpuModel } from './model/model.ts';
import { CPU_REGION_BYTES } from './regions.ts';
import { vcpuState } from './state.ts';
import { resetVcpu } from './system/reset.ts';
import { systemRoutines } from './system/routines.ts';
import { VcpuCore } from './vcpu.ts';
import { vmxRoutines } from './vmx/routines.ts';

/** What `generateInterpreter` made, in a form that can be posted to threads. */
export interface InterpreterImage {
  readonly module: WebAssembly.Module;
  readonly trees: readonly (readonly (HandlerTree | null | undefined)[])[];
  readonly ends: readonly boolean[];
  readonly shaped: ShapedHandlers;
  readonly stack: readonly boolean[];
}

export interface ProcessorOptions {
  readonly machine: MachineMemory;
  /** Logical processors of the machine; every thread passes the same number. */
  readonly vcpus: number;
  readonly model: CpuModel;
  readonly host: CpuHost;
  /** Absent: this thread runs no vCPU, and only looks at their state. */
  readonly interpreter?: InterpreterImage;
  /** Make all vCPUs but this one drop their write entries and wait until they have; absent: there is no other thread. */
  readonly shootdown?: (vcpu: number) => void;
  /** Absent: there is no other thread. */
  readonly exclusive?: ExclusiveSection;
  /** `force` makes regions of everything at once, for tests. */
  readonly jit?: JitSetting;
  /** As in `JitOptions`. */
  readonly codeBytes?: number;
  /** Makes the regions elsewhere; absent: this thread does, in its turn. */
  readonly compiler?: CompilerPort;
  /** Called between two runs when much compiled code has been dropped on this thread: the host gives it back when it collects garbage. */
  readonly collectGarbage?: () => void;
  /** Entries after which a block is hot, for tests that shuffle tiers. */
  readonly heat?: () => number;
  /** As in `VcpuOptions`. */
  readonly busTable?: number;
  readonly monitored?: boolean;
}

export interface Processor {
  vcpu(index: number): VcpuCore;
  state(index: number): VcpuState;
  /** Address of a vCPU's request word in shared memory. */
  requestWord(index: number): number;
  /** Power-up state for every vCPU; called by one thread before any runs. */
  reset(): void;
}

/** Decoded code of one vCPU, in bytes of address space. */
const CODE_ARENA_BYTES = 24 * 1024 * 1024;
const routines: Readonly<Record<SlowName, SlowRoutineBody>> = { ...systemRoutines, ...floatRoutines, ...vmxRoutines };

/** Create this thread's processor. Takes its regions from the machine's arena: every thread calls it at the same point. */
export function createProcessor(options: ProcessorOptions): Processor {
  const { machine, vcpus, interpreter } = options;
  // Threads that never run a vCPU build the machine as well: they make no tables.
  let tables: { readonly decode: Decode; readonly indexOf: ReadonlyMap<Definition, number> } | undefined;
  const whenNeeded = () => {
    tables ??= { decode: createDecoder(definitions), indexOf: new Map(definitions.map((definition, i) => [definition, i])) };
    return tables;
  };
  const decode: Decode = (bytes, at, available, mode) => whenNeeded().decode(bytes, at, available, mode);
  const handlerOf = (variant: Variant): number => {
    if (variant.handler >= 0) return variant.handler;
    const tree = interpreter?.trees[whenNeeded().indexOf.get(variant.form.definition) as number]?.[variant.form.index];
    const handler = findHandler(tree ?? undefined, variant.facts);
    if (handler === undefined)
      throw new RangeError(`the interpreter has no handler for ${variant.form.definition.name} ${variant.form.text}`);
    variant.handler = handler;
    return handler;
  };
  const bases = Array.from({ length: vcpus }, (_, i) => machine.arena.take(`vcpu${i}`, CPU_REGION_BYTES, 4096));
  const arenas = Array.from({ length: vcpus }, (_, i) => machine.arena.take(`code${i}`, CODE_ARENA_BYTES, 4096));
  const regions = createRegionTable();
  let own: RegionCompiler | undefined;
  const compilers = new CompilerLink({
    machine,
    regions,
    own: () => {
      own ??= new RegionCompiler({ decode, memory: machine.u8, now: () => 0 });
      return own;
    },
    port: options.jit === 'force' ? undefined : options.compiler,
  });
  const cores = bases.map((base, index) => {
    return new VcpuCore({
      s: vcpuState.bind(machine.memory, base),
      index,
      vcpus,
      machine,
      model: options.model,
      host: options.host,
      routines,
      decode,
      handlerOf,
      ends: interpreter?.ends ?? [],
      shaped: interpreter?.shaped ?? { plain: [], indexed: [] },
      stack: interpreter?.stack ?? [],
      arena: { base: arenas[index] as number, bytes: CODE_ARENA_BYTES },
      jit: options.jit ?? 'off',
      ...(options.heat === undefined ? {} : { heat: options.heat }),
      regions,
      compilers,
      ...(options.codeBytes === undefined ? {} : { codeBytes: options.codeBytes }),
      ...(options.collectGarbage && { collectGarbage: options.collectGarbage }),
      shootdown: options.shootdown ?? (() => undefined),
      exclusive: options.exclusive ?? { begin: () => undefined, end: () => undefined },
      ...(options.busTable === undefined ? {} : { busTable: options.busTable }),
      monitored: options.monitored ?? false,
    });
  });
  const coreAt = new Map(cores.map((core) => [core.s.base, core]));
  const only = cores.length === 1 ? cores[0] : undefined;
  if (interpreter === undefined) {
    for (const core of cores) core.restored();
  } else {
    const exports = instantiate(
      options,
      { module: interpreter.module, table: regions.table },
      (cpu) => only ?? (coreAt.get(cpu) as VcpuCore),
    );
    regions.connect(exports as unknown as WebAssembly.Exports);
    for (const core of cores) core.attach(exports);
  }
  return {
    vcpu: (index) => cores[index] as VcpuCore,
    state: (index) => (cores[index] as VcpuCore).s,
    requestWord: (index) => (bases[index] as number) + vcpuState.fields.request.offset,
    reset: () => {
      for (const [index, core] of cores.entries()) {
        resetVcpu(core.s, options.model, index);
        core.restored();
      }
    },
  };
}

interface Code {
  readonly module: WebAssembly.Module;
  /** Of regions. */
  readonly table: WebAssembly.Table;
}

function instantiate({ machine }: ProcessorOptions, { module, table }: Code, core: (cpu: number) => VcpuCore): ProcessorExports {
  const physical = (low: number, high: number): number => (low >>> 0) + (high >>> 0) * 2 ** 32;
  const env = {
    memory: machine.memory,
    slow: (cpu: number, record: number, id: number) => core(cpu).slow(record, id),
    regions: table,
    lookupSlow: (cpu: number) => core(cpu).lookup(),
    hot: (cpu: number, block: number) => core(cpu).hot(block),
    farWritten: (cpu: number, entry: number) => core(cpu).farWritten(entry),
    farMissing: (cpu: number, entry: number) => core(cpu).farMissing(entry),
    hostTsc: (cpu: number) => core(cpu).hostTsc(),
    mmioRead: (cpu: number, low: number, high: number, size: 1 | 2 | 4) => core(cpu).mmioRead(physical(low, high), size),
    mmioWrite: (cpu: number, low: number, high: number, size: 1 | 2 | 4, value: number) =>
      core(cpu).mmioWrite(physical(low, high), size, value),
    codeWritten: (cpu: number, at: number, bytes: number) => core(cpu).codeWritten(at >>> 0, bytes),
    exclusiveBegin: (cpu: number) => core(cpu).exclusiveBegin(),
    exclusiveEnd: (cpu: number) => core(cpu).exclusiveEnd(),
    watchHit: (cpu: number, low: number, high: number, shape: number) => core(cpu).watchHit(low, high, shape),
  };
  return new WebAssembly.Instance(module, { env }).exports as unknown as ProcessorExports;
}
