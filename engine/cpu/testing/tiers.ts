/** The bindings every processor test runs on. A tier makes one processor over a test machine. */
import { definitions } from '../../isa/all.ts';
import { decode } from '../../isa/decode.ts';
import type { MachineMemory } from '../../memory/index.ts';
import type { VcpuState } from '../context.ts';
import { floatRoutines } from '../fpu/routines.ts';
import { generateInterpreter } from '../interpreter/generate.ts';
import type { JitCounters } from '../jit/counters.ts';
import type { CompilerPort } from '../jit/order.ts';
import { Oracle } from '../oracle/oracle.ts';
import { createProcessor, type InterpreterImage, type ProcessorOptions } from '../processor.ts';
import { REQUEST, vcpuState } from '../state.ts';
import { resetVcpu } from '../system/reset.ts';
import { systemRoutines } from '../system/routines.ts';
import { vmxRoutines } from '../vmx/routines.ts';
import { TestHost, testMachine } from './machine.ts';
import type { Random } from './random.ts';

export interface TierCpu {
  readonly machine: MachineMemory;
  readonly host: TestHost;
  readonly s: VcpuState;
  /** To be called after the test has written registers that select a mode or a privilege; translations are kept. */
  modeChanged(): void;
  /** The same, and all translations are forgotten. */
  changed(): void;
  /** Decoded and compiled code is forgotten as well, with how often its pages were rewritten: the JIT gives up on some. */
  anew(): void;
  /** An external interrupt arrives. */
  interrupt(vector: number): void;
  /** What the compiler of hot code has done. */
  readonly jit?: JitCounters | undefined;
  /** Until `limit` instructions have completed. */
  run(limit: number): { readonly reason: string; readonly retired: number };
  /** The machine's second vCPU, where there is one. */
  readonly other?: Pick<TierCpu, 's' | 'changed' | 'run'>;
}

export interface Tier {
  readonly name: 'oracle' | 'interpreter' | 'jit' | 'shuffled';
  /** A processor after power-up. */
  create(): TierCpu;
}

const oracle: Tier = {
  name: 'oracle',
  create() {
    const { machine, model } = testMachine();
    const host = new TestHost();
    const s = vcpuState.bind(machine.memory, machine.arena.take('vcpu', vcpuState.size, 64));
    resetVcpu(s, model, 0);
    const routines = { ...systemRoutines, ...floatRoutines, ...vmxRoutines };
    const cpu = new Oracle({ s, machine, host, model, index: 0, routines, decode });
    return {
      machine,
      host,
      s,
      modeChanged: () => undefined,
      changed: () => undefined,
      anew: () => undefined,
      interrupt: (vector) => host.interrupts.push(vector),
      run: (limit) => cpu.run(limit),
    };
  },
};

let image: InterpreterImage | undefined;

/** Generated once per process, with every handler outside the loop: what is tested is each handler, not their arrangement. */
export function interpreterImage(): InterpreterImage {
  if (image === undefined) {
    const { wasm, ...rest } = generateInterpreter(definitions, []);
    image = { ...rest, module: new WebAssembly.Module(wasm) };
  }
  return image;
}

const generated = (
  name: Exclude<Tier['name'], 'oracle'>,
  options: Pick<ProcessorOptions, 'jit' | 'compiler' | 'codeBytes' | 'heat' | 'collectGarbage'>,
  { vcpus = 1, image = interpreterImage }: { vcpus?: 1 | 2; image?: () => InterpreterImage } = {},
): Tier => ({
  name,
  create() {
    const { machine, model } = testMachine(vcpus);
    const host = new TestHost();
    const processor = createProcessor({
      machine,
      vcpus,
      model,
      host,
      interpreter: image(),
      shootdown: (from) => Atomics.or(machine.i32, processor.requestWord(1 - from) >>> 2, REQUEST.flushTlb),
      ...options,
    });
    processor.reset();
    const cpu = processor.vcpu(0);
    const second = vcpus === 2 ? processor.vcpu(1) : undefined;
    return {
      ...(second && { other: { s: second.s, changed: () => second.restored(), run: (limit: number) => second.run(limit) } }),
      machine,
      host,
      s: processor.state(0),
      modeChanged: () => cpu.modeChanged(),
      changed: () => cpu.restored(),
      anew: () => {
        cpu.watch(undefined);
        cpu.restored();
      },
      interrupt: (vector) => {
        host.interrupts.push(vector);
        Atomics.or(machine.i32, processor.requestWord(0) >>> 2, REQUEST.interrupt);
      },
      get jit() {
        return cpu.jit;
      },
      run: (limit) => cpu.run(limit),
    };
  },
});

export const tiers: readonly Tier[] = [oracle, generated('interpreter', { jit: 'off' }), generated('jit', { jit: 'force' })];

/** Regions of what is hot after 10000 entries, made by a compiler that answers when it likes. */
export const tierBesideCompiler = (
  compiler: CompilerPort,
  options: Pick<ProcessorOptions, 'codeBytes' | 'collectGarbage'> = {},
  vcpus: 1 | 2 = 1,
): Tier => generated('jit', { jit: 'on', compiler, ...options }, { vcpus });

/** Blocks become regions after a random number of entries, so that each run goes through the tiers in an order of its own. */
export const shuffled = (random: Random): Tier => generated('shuffled', { jit: 'force', heat: () => 1 + random.below(12) });

/** The interpreter with these handlers in its loop, hottest first, and what exists once more for simple addresses. */
export function tierOfLoop(hot: readonly string[]): Tier {
  const { wasm, ...rest } = generateInterpreter(definitions, hot);
  const image = { ...rest, module: new WebAssembly.Module(wasm) };
  return generated('interpreter', { jit: 'off' }, { image: () => image });
}
