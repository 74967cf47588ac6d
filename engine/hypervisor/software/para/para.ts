/** Paravirtual services of one vCPU: KVM's MSRs and what they switch on. The state is shared by all threads. */
import { REQUEST, type Requests } from '../../../base/index.ts';
import type { MachineMemory } from '../../../memory/index.ts';
import type { SavedState } from '../../../state/index.ts';
import type { Irqchip } from '../../index.ts';
import { writeClock, writeWallClock } from './clock.ts';
import { type ParaState, paraState } from './state.ts';

const MSR = {
  wallClockOld: 0x11,
  systemTimeOld: 0x12,
  wallClock: 0x4b56_4d00,
  systemTime: 0x4b56_4d01,
  stealTime: 0x4b56_4d03,
  pvEoi: 0x4b56_4d04,
} as const;
/** MSRs that are state, in the order in which they can be set. */
const SAVED = [MSR.wallClock, MSR.systemTime, MSR.stealTime, MSR.pvEoi] as const;
const ENABLED = 1n;
/** struct kvm_steal_time: u64 steal, u32 version, u32 flags, u8 preempted. */
const STEAL = { version: 8, preempted: 16, bytes: 17 } as const;
/** Guest-physical addresses that guests give have this many bits at most; beyond, DMA finds nothing there. */
const ADDRESS = (1n << 52n) - 1n;

/** Less is not worth a write after each of thousands of runs a second, in nanoseconds. Linux accounts in ticks of milliseconds. */
const TELL_FROM = 100_000;

const addressOf = (value: bigint, flags: bigint): number => Number(value & ADDRESS & ~flags);

export interface ParaParts {
  readonly id: number;
  readonly memory: MachineMemory;
  readonly requests: Requests;
  readonly irqchip: Irqchip;
  readonly tscHz: number;
  /** Of every vCPU, by number. */
  readonly states: readonly ParaState[];
  /** What the guest's counter is moved by against the host's. */
  tscOffset(): bigint;
  /** Civil time, UTC; absent: it is 1970. */
  readonly calendar: { microseconds(): number } | undefined;
}

/** Takes its place from the arena: every thread calls it at the same point. */
export function paraStates(memory: MachineMemory): ParaState[] {
  return Array.from({ length: memory.vcpus }, (_, id) =>
    paraState.bind(memory.memory, memory.arena.take(`para${id}`, paraState.size, 64)),
  );
}

export class Para {
  readonly #p: ParaParts;
  readonly #s: ParaState;
  /** Machine time at which the vCPU last stopped although it could have gone on; negative: it did not. */
  #stoppedAt = -1;
  /** Stolen nanoseconds that memory does not show yet. */
  #untold = 0;
  readonly #bytes = new Uint8Array(8);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(parts: ParaParts) {
    this.#p = parts;
    this.#s = parts.states[parts.id] as ParaState;
  }

  /** The value of an MSR of KVM's; `undefined` when it is none. */
  read(index: number): bigint | undefined {
    switch (index) {
      case MSR.wallClock:
      case MSR.wallClockOld:
        return this.#s.wallClock;
      case MSR.systemTime:
      case MSR.systemTimeOld:
        return this.#s.systemTime;
      case MSR.stealTime:
        return this.#s.stealTime;
      case MSR.pvEoi:
        return this.#s.pvEoi;
      default:
        return undefined;
    }
  }

  /** False raises #GP(0), `undefined`: not one of KVM's. */
  write(index: number, value: bigint): boolean | undefined {
    switch (index) {
      case MSR.wallClock:
      case MSR.wallClockOld:
        this.#s.wallClock = value;
        this.#writeWallClock();
        return true;
      case MSR.systemTime:
      case MSR.systemTimeOld:
        this.#s.systemTime = value;
        this.counterMoved();
        return true;
      case MSR.stealTime:
        return this.#writeStealTime(value);
      case MSR.pvEoi:
        if ((value & ENABLED) !== 0n && (value & 2n) !== 0n) return false;
        this.#s.pvEoi = value;
        this.#s.eoiOffered = 0;
        return true;
      default:
        return undefined;
    }
  }

  /** MSRs that were set, as register groups give them. */
  msrs(): [number, bigint][] {
    return SAVED.map((index): [number, bigint] => [index, this.read(index) ?? 0n]).filter(([, value]) => value !== 0n);
  }

  // ---- clock ----

  /** The guest's time-stamp counter was moved, or the clock switched on. */
  counterMoved(): void {
    const { systemTime } = this.#s;
    if ((systemTime & ENABLED) === 0n) return;
    const { memory, tscHz } = this.#p;
    writeClock(memory, addressOf(systemTime, ENABLED), { tscOffset: this.#p.tscOffset(), tscHz });
  }

  #writeWallClock(): void {
    const { memory, calendar } = this.#p;
    const start = (calendar?.microseconds() ?? 0) - memory.clock.now() / 1000;
    writeWallClock(memory, addressOf(this.#s.wallClock, ENABLED), Math.max(0, start));
  }

  // ---- steal time ----

  #writeStealTime(value: bigint): boolean {
    if ((value & 0x3en) !== 0n) return false;
    this.#s.stealTime = value;
    this.#tellStolen(0);
    return true;
  }

  /** The vCPU's thread runs it. */
  runs(): void {
    if ((this.#s.stealTime & ENABLED) === 0n) return;
    const taken = this.#stoppedAt < 0 ? 0 : Math.round(this.#p.memory.clock.now() - this.#stoppedAt);
    this.#stoppedAt = -1;
    if (taken > 0) {
      this.#s.stolen += BigInt(taken);
      this.#untold += taken;
      if (this.#untold >= TELL_FROM || this.#p.states.length > 1) this.#tellStolen(0);
    }
  }

  /** It does not any more; `ready`: it could have gone on. */
  stops(ready: boolean): void {
    if ((this.#s.stealTime & ENABLED) === 0n) return;
    if (!ready) return;
    this.#stoppedAt = this.#p.memory.clock.now();
    // Others may look whether to wait for this one; alone there is nobody who does.
    if (this.#p.states.length > 1) this.#tellStolen(1);
  }

  #tellStolen(preempted: number): void {
    const { dma } = this.#p.memory;
    const at = addressOf(this.#s.stealTime, 0x3fn);
    if ((this.#s.stealTime & ENABLED) === 0n) return;
    this.#untold = 0;
    const version = (dma.read32(at + STEAL.version) | 1) >>> 0;
    dma.write32(at + STEAL.version, version);
    this.#view.setBigUint64(0, this.#s.stolen, true);
    dma.write(at, this.#bytes);
    dma.write(at + STEAL.preempted, Uint8Array.of(preempted));
    dma.write32(at + STEAL.version, (version + 1) >>> 0);
  }

  // ---- end of interrupt in memory ----

  /** An interrupt goes into the guest: it may end it by clearing a bit where nothing else waits for that. */
  interruptInjected(): void {
    const { pvEoi } = this.#s;
    if ((pvEoi & ENABLED) === 0n) return;
    const lapic = this.#p.irqchip.lapics.of(this.#p.id);
    if (lapic.requested >= 0 || lapic.servesLevel) return;
    this.#p.memory.dma.write(addressOf(pvEoi, ENABLED), Uint8Array.of(1));
    this.#s.eoiOffered = 1;
  }

  /** After an exit: has the guest ended it? If not, and others wait for that, it ends it by the APIC. */
  takeEoi(): void {
    const { dma } = this.#p.memory;
    const lapic = this.#p.irqchip.lapics.of(this.#p.id);
    const at = addressOf(this.#s.pvEoi, ENABLED);
    const ended = ((dma.read(at, 1)[0] as number) & 1) === 0;
    if (!ended && lapic.requested < 0) return;
    this.#s.eoiOffered = 0;
    if (ended) lapic.endOfInterrupt();
    else dma.write(at, Uint8Array.of(0));
  }

  get eoiOffered(): boolean {
    return this.#s.eoiOffered !== 0;
  }

  // ---- unhalt ----

  /** KICK_CPU: end the HLT of the vCPU with this APIC id, or its next one. */
  kick(apicId: number): void {
    const { states, irqchip, requests } = this.#p;
    const target = irqchip.lapics.all.find((lapic) => lapic.apicId === apicId)?.id;
    if (target === undefined) return;
    (states[target] as ParaState).kicked = 1;
    requests.raiseOne(target, REQUEST.sync);
  }

  get kicked(): boolean {
    return this.#s.kicked !== 0;
  }

  takeKick(): boolean {
    if (this.#s.kicked === 0) return false;
    this.#s.kicked = 0;
    return true;
  }

  // ---- life cycle ----

  reset(): void {
    paraState.reset(this.#s);
  }

  save(): SavedState {
    return paraState.save(this.#s);
  }

  restore(saved: unknown): void {
    paraState.restore(this.#s, saved);
    this.counterMoved();
  }
}
