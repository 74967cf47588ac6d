/**
 * The hypervisor interface, with KVM's nouns. Three back ends implement it; whoever uses it asks capabilities first. Every thread of a
 * machine makes its own objects over the same shared memory, in the same order; a vCPU is run by one thread only.
 */
import type { Requests, Watcher } from '../base/index.ts';
import type { MachineMemory, MemorySlot } from '../memory/index.ts';
import type { InspectedMember, SavedState } from '../state/index.ts';
import type { IoEvents } from './io-events.ts';
import type { Irqchip, SavedIrqchip } from './irqchip/index.ts';
import type { CounterName, EntryCheck, Observation, ProbeName, Translation, VmcsImage } from './observe/index.ts';
import type { RegisterGroup, RegisterGroups } from './registers.ts';

export type BackendName = 'bare' | 'software' | 'kvm';

export interface Capabilities {
  readonly backend: BackendName;
  readonly available: boolean;
  /** Why not, and what would make it available; absent when it is. */
  readonly reason?: string;
  readonly maxVcpus: number;
  readonly maxRamBytes: number;
  readonly slots: number;
  /** Names of processor models it can run. */
  readonly models: readonly string[];
  /** Register groups that `get` and `set` know. */
  readonly groups: readonly RegisterGroup[];
  readonly dirtyLog: boolean;
  readonly readonlySlots: boolean;
  readonly x2apic: boolean;
  readonly ioEvents: boolean;
  /** Several vCPUs on one thread, in turn. */
  readonly roundRobin: boolean;
  /** `run(limit)` stops after exactly `limit` instructions. */
  readonly exactPositions: boolean;
  /** Counters it keeps; the others are facts it does not have. */
  readonly counters: readonly CounterName[];
  /** Probes it fires. */
  readonly probes: readonly ProbeName[];
  /** Fields of a VMCS that `probes.fieldReader` reads, with their encodings; none where it has no VMCS of its own. */
  readonly vmcsFields: Readonly<Record<string, number>>;
}

/** Why `run` returned. Port and memory accesses never do: they are served inside by the bus. */
export type ExitReason =
  /** As many instructions as allowed are retired. */
  | 'limit'
  /** Somebody raised stop or sync. */
  | 'request'
  /** HLT: `wait`, then run again. */
  | 'halt'
  /** MWAIT: as halt, and a store to the monitored line wakes it too; ask again after a while. */
  | 'mwait'
  /** After INIT; a start-up IPI wakes it. */
  | 'wait-for-sipi'
  /** Triple fault. Only a reset or INIT goes on from here. */
  | 'shutdown'
  /** PAUSE, where the back end gives other vCPUs of the thread a turn. */
  | 'pause'
  /** The guest is in a state that VM entry refuses. It does not go on until its registers are set. */
  | 'entry-failed';

export interface VcpuExit {
  readonly reason: ExitReason;
  /** Instructions retired in this run. */
  readonly retired: number;
}

/** A virtual processor. `run`, `wait` and `set` belong to the thread that runs it; `get` is for that thread, or while it is stopped. */
export interface Vcpu {
  readonly id: number;
  run(limit: number): VcpuExit;
  /** After halt, mwait or wait-for-sipi: sleep until there is something to do, at most `milliseconds`. True when there is. */
  wait(milliseconds: number): boolean;
  /** As `run`, but no interrupt is taken meanwhile: for whoever steps through a piece of code. Absent where the back end cannot. */
  step?(limit: number): VcpuExit;
  get<G extends RegisterGroup>(group: G): RegisterGroups[G];
  /** Refused with `register-value` when the processor could not be in that state; then nothing is changed. */
  set<G extends RegisterGroup>(group: G, value: RegisterGroups[G]): void;
  /** Instructions retired since reset. */
  readonly retired: bigint;
  inspect(): readonly InspectedMember[];
  /** The VMCS in force, as for `get`; `undefined` when there is none. On `bare` it is one of the guest's own. */
  vmcs(): VmcsImage | undefined;
  /** Every rule of VM entry as the VMCS in force meets it now, up to the first that does not hold, as for `get`; `undefined` without one. */
  entryChecks(): readonly EntryCheck[] | undefined;
  /** What lies below the page tables of the guest that runs now, as for `get`. */
  translation(): Translation;
  /** Let a debugger watch from now on, or none. Between runs, on its own thread. Absent where the back end cannot. */
  watch?(watcher: Watcher | undefined): void;
}

/** The processors, memory slots and interrupt controllers of one machine. */
export interface Machine {
  readonly backend: BackendName;
  readonly memory: MachineMemory;
  readonly requests: Requests;
  readonly irqchip: Irqchip;
  readonly ioEvents: IoEvents;
  readonly vcpus: readonly Vcpu[];
  /** Create, change or delete a slot, at a safe point of all vCPUs. Under the machine lock. */
  setSlot(slot: MemorySlot): void;
  /** Take a slot's dirty log and start a new one; the pages named can be read on return. Not while holding the machine lock. */
  dirtyLog(slot: number): Uint8Array;
  /** Power-on: processors and interrupt controllers; vCPU 0 runs, the others wait for a start-up IPI. All vCPUs stopped. */
  reset(): void;
  /** Everything this part of the machine has to remember, without memory. All vCPUs stopped. */
  save(): SavedMachine;
  /** Hostile input: refused with an `EngineError`, with nothing changed. All vCPUs stopped. */
  restore(saved: SavedMachine): void;
}

export interface SavedMachine {
  readonly irqchip: SavedIrqchip;
  readonly vcpus: readonly SavedState[];
  /** Per vCPU, what only a hypervisor keeps for its guest; absent when no guest asked for it. */
  readonly para?: readonly SavedState[];
}

export interface MachineOptions {
  /** This thread's view of the machine's memory, with nothing but this taken from its arena so far. */
  readonly memory: MachineMemory;
  /** A name in `Capabilities.models`. */
  readonly model: string;
  /** Frequency of the time-stamp counter in Hz; 1 GHz when absent. */
  readonly tscHz?: number;
  /** Civil time, UTC, for guests that ask their hypervisor. */
  readonly calendar?: { microseconds(): number };
  /** Where it counts and fires probes; absent: in a place of its own that nobody watches. */
  readonly observation?: Observation;
}
