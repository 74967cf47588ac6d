/** What the handlers of VM exits see of the vCPU that exited, and what they answer. */
import type { CpuModel, VcpuCore, VmxMonitor } from '../../../cpu/index.ts';
import type { ExitReason, Irqchip, Observation } from '../../index.ts';
import type { ProcessorHost } from '../../processor/index.ts';
import type { Mmu } from '../mmu/mmu.ts';
import type { Para } from '../para/para.ts';

/**
 * Nothing: the guest goes on. `emulate`: the instruction is to be run with the bus open first. An exit reason: `run` returns with it.
 */
export type Outcome = undefined | 'emulate' | ExitReason;

export interface ExitContext {
  readonly id: number;
  readonly vcpus: number;
  readonly core: VcpuCore;
  readonly monitor: VmxMonitor;
  readonly host: ProcessorHost;
  readonly irqchip: Irqchip;
  readonly mmu: Mmu;
  readonly para: Para;
  readonly observation: Observation;
  /** The processor as the guest knows it. */
  readonly model: CpuModel;
  /** The exiting instruction is done: its work was the handler's. `length` where the exit does not tell. */
  skip(length?: number): void;
  /** The exiting instruction was done before it exited. */
  completed(): void;
  /** The guest gets this exception instead. */
  inject(vector: number, errorCode?: number): void;
  /** Interrupts, NMIs or windows are to be looked at before the next entry. */
  lookForEvents(): void;
}

export type ExitHandler = (x: ExitContext) => Outcome;
