/**
 * One vCPU as the routines it calls see it (`SlowContext`): the instruction under way, what a routine did to RIP, how it leaves, and
 * the faults and exits it raises.
 */

import type { WatchedEvent, Watcher } from '../base/watcher.ts';
import { SLOW, type SlowName } from '../isa/fields.ts';
import type { MachineMemory } from '../memory/index.ts';
import {
  type CpuHost,
  GuestFault,
  type LeaveReason,
  type LinearMemory,
  type SlowContext,
  type SlowRoutineBody,
  type TlbFlush,
  type VcpuState,
  VmExit,
} from './context.ts';
import { deriveMode, modeName } from './derived.ts';
import { slowName } from './ir/emitter.ts';
import type { CpuModel } from './model/model.ts';
import { REC, STATUS, WATCH_WRITE } from './regions.ts';
import { PENDING_ALONE, PENDING_EXIT } from './routines/ept.ts';
import { offsetOf, REQUEST } from './state.ts';
import { dataBreakpoints } from './system/debug.ts';
import type { CpuEvent } from './system/delivery.ts';
import { Tlb } from './tlb.ts';
import { CurrentVmcs } from './vmx/current-vmcs.ts';
import { softwareEvent } from './vmx/event-exits.ts';
import { INTERCEPTS } from './vmx/intercepts.ts';
import { PORT_IN, PORT_OUT, quickPort } from './vmx/quick-ports.ts';
import { RULE_INDEX } from './vmx/rule-index.ts';

/** Fraction bits of the TSC multiplier. */
const TSC_FRACTION = 48n;
/** Of a slow routine, in the state block. */
const FIRST_RESULT = offsetOf('scratch') + 8 * 4;
const requestOffset = offsetOf('request');
/** PAUSE instructions in a row after which a vCPU gives its thread away. */
const PAUSES = 256;

/** Routines that reach ports, MSRs or memory, VMCS fields included, and after which their block goes on. */
const ACCESSES: ReadonlySet<SlowName> = new Set([
  ...([
    'rdmsr',
    'portIn',
    'portOut',
    'checkPort',
    'loadSegment',
    'verify',
    'accessRights',
    'segmentLimit',
    'readControl',
  ] as const),
  ...(['fxsave', 'xsave', 'vmxon', 'vmclear', 'vmptrld', 'vmptrst', 'vmread', 'vmwrite', 'monitor'] as const),
]);

/** Running alone: `begin` returns when every other vCPU stands at a safe point, where they stay until `end`. */
export interface ExclusiveSection {
  /** Waits at a safe point of `vcpu`. */
  begin(vcpu: number): void;
  end(): void;
}

export interface InstructionContextOptions {
  readonly s: VcpuState;
  readonly index: number;
  readonly vcpus: number;
  readonly machine: MachineMemory;
  readonly model: CpuModel;
  readonly host: CpuHost;
  readonly routines: Readonly<Record<SlowName, SlowRoutineBody>>;
  readonly exclusive: ExclusiveSection;
}

export abstract class InstructionContext implements SlowContext {
  readonly s: VcpuState;
  readonly host: CpuHost;
  readonly index: number;
  readonly vcpus: number;
  readonly features: CpuModel;
  readonly vmcs: CurrentVmcs;
  abstract readonly memory: LinearMemory;
  protected readonly machine: MachineMemory;
  protected readonly tlb: Tlb;
  protected readonly requestWord: number;
  readonly #routines: Readonly<Record<SlowName, SlowRoutineBody>>;
  readonly #exclusive: ExclusiveSection;
  /** Record of the instruction under way. */
  #record = 0;
  #jumped = false;
  #pauses = 0;
  /** Why `run` is to return. */
  protected left: LeaveReason | undefined;
  /** No instruction is under way. */
  protected between = true;
  /** The instruction under way is followed by a single-step trap where TF says so. */
  protected steps = true;
  /** REQUEST.debug is set. */
  protected debugRequested = false;
  /** The queued fault was raised after effects that stay. */
  protected late = false;
  /** Thrown by a routine, taken between instructions. */
  protected exit: VmExit | undefined;
  /** One instruction is run. */
  protected stepping = false;
  /** The debugger, while there is one. */
  protected watcher: Watcher | undefined;
  /** The mode when the debugger last looked. */
  protected watchedMode = '';
  /** The software interrupt during whose delivery the queued fault or exit was met. */
  protected software: CpuEvent | undefined;

  constructor(options: InstructionContextOptions) {
    this.s = options.s;
    this.index = options.index;
    this.vcpus = options.vcpus;
    this.host = options.host;
    this.features = options.model;
    this.machine = options.machine;
    this.#routines = options.routines;
    this.#exclusive = options.exclusive;
    this.vmcs = new CurrentVmcs(options.s, RULE_INDEX);
    this.requestWord = (options.s.base + requestOffset) >>> 2;
    this.tlb = new Tlb(options.machine, options.s);
  }

  /** Is one instruction at a time to be run? Sets or clears the request that makes generated code return. */
  protected abstract mustStep(): boolean;

  // ---- what generated code calls ----

  /** A slow routine by number; returns STATUS. */
  slow(record: number, id: number): number {
    this.#record = record;
    this.#jumped = false;
    if ((id === PORT_OUT || id === PORT_IN) && this.watcher === undefined && quickPort(this, id)) return 0;
    const { s } = this;
    const name = slowName(id);
    const routine = SLOW[name];
    const { scratch } = s;
    if (!routine.ends && this.watcher?.alone === true && ACCESSES.has(name) && this.#mustBeAlone()) return STATUS.fault;
    const args = routine.args;
    try {
      const stands =
        s.nonRoot === 0 ? undefined : INTERCEPTS[name]?.(this, scratch[0] as bigint, scratch[1] as bigint, scratch[2] as bigint);
      if (stands instanceof VmExit) return this.#queueExit(stands);
      const results =
        stands ??
        this.#routines[name](
          this,
          args > 0 ? (scratch[0] as bigint) : 0n,
          args > 1 ? (scratch[1] as bigint) : 0n,
          args > 2 ? (scratch[2] as bigint) : 0n,
          args > 3 ? (scratch[3] as bigint) : 0n,
        );
      if (results) {
        for (let i = 0; i < results.length; i++) scratch[4 + i] = results[i] as bigint;
      }
    } catch (thrown) {
      if (s.nonRoot !== 0 && name === 'interrupt') {
        this.software = softwareEvent(this, { vector: Number(scratch[0]), kind: Number(scratch[1]) }, thrown);
        s.softwareFault = this.software === undefined ? 0 : 1;
      }
      if (thrown instanceof VmExit) return this.#queueExit(thrown);
      if (!(thrown instanceof GuestFault)) throw thrown;
      return this.#queue(thrown);
    }
    if (!routine.ends) return 0;
    if (this.left !== undefined) {
      if (!this.#jumped) s.rip = this.nextIp();
      return STATUS.leave;
    }
    return this.#jumped ? STATUS.branch : STATUS.fall;
  }

  /** Leave the instruction undone; the exit is taken between instructions. */
  #queueExit(exit: VmExit): number {
    if (exit.length === 0) exit.length = this.instructionLength();
    this.exit = exit;
    this.s.excPending = PENDING_EXIT;
    return STATUS.fault;
  }

  #queue(fault: GuestFault): number {
    const { s } = this;
    s.excVector = fault.vector;
    s.excHasError = fault.errorCode === undefined ? 0 : 1;
    s.excError = fault.errorCode ?? 0;
    if (fault.cr2 !== undefined) s.excAddress = fault.cr2;
    if (fault.vector === 1) s.debugTraps |= fault.debug;
    s.excPending = 1;
    if (!fault.late) return STATUS.fault;
    this.late = true;
    return STATUS.leave;
  }

  /**
   * What reaches a port, an MSR or a device in the middle of a run of instructions could not be stopped at right there: while somebody
   * watches such accesses, the instruction is left undone, as by a fault, and then run by itself.
   */
  #mustBeAlone(): boolean {
    if (this.stepping || this.between || this.watcher?.alone !== true || this.s.busOpen !== 0) return false;
    this.s.excPending = PENDING_ALONE;
    return true;
  }

  mmioRead(pa: number, size: 1 | 2 | 4): number {
    return this.#mustBeAlone() ? 0 : this.host.mmioRead(this.index, pa, size);
  }

  /** 1: the access was not made. */
  mmioWrite(pa: number, size: 1 | 2 | 4, value: number): number {
    if (this.#mustBeAlone()) return 1;
    this.host.mmioWrite(this.index, pa, size, value >>> 0);
    return 0;
  }

  /** A locked access that is no wasm atomic: nobody else may run until it is done. */
  exclusiveBegin(): number {
    const { s } = this;
    if (s.exclusive !== 0) return 0;
    this.#exclusive.begin(this.index);
    s.exclusive = 1;
    return 0;
  }

  /** Also called before a host call: it takes the machine lock, which comes before any section. */
  exclusiveEnd(): number {
    const { s } = this;
    if (s.exclusive === 0) return 0;
    s.exclusive = 0;
    this.#exclusive.end();
    return 0;
  }

  /** Data is watched: note debug traps for this access. */
  watchHit(low: number, high: number, shape: number): number {
    const address = BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);
    const access = { size: shape & (WATCH_WRITE - 1), write: (shape & WATCH_WRITE) !== 0 };
    this.s.debugTraps |= dataBreakpoints(this.s, address, access);
    if (this.watcher?.data && this.watcher.access(address, access.size, access.write)) this.leave('stop');
    return 0;
  }

  // ---- SlowContext ----

  instructionLength(): number {
    return this.machine.u8[this.#record + REC.length] as number;
  }

  ip(): bigint {
    return this.between ? this.s.rip : this.nextIp() - BigInt(this.instructionLength());
  }

  nextIp(): bigint {
    const { s } = this;
    if (this.between) return s.rip;
    const next = s.ripBase + BigInt(this.machine.u16[(this.#record + REC.nextIp) >>> 1] as number);
    return s.longMode !== 0 ? BigInt.asUintN(64, next) : next & ((s.modeKey & 3) === 0 ? 0xffffn : 0xffffffffn);
  }

  skipStep(): void {
    this.steps = false;
  }

  jumpTo(rip: bigint): void {
    this.s.rip = rip;
    this.#jumped = true;
  }

  flushTlb(kind: TlbFlush, value?: bigint): void {
    this.tlb.flush(kind, value);
  }

  modeChanged(): void {
    this.tlb.select(deriveMode(this.s, this.watcher?.data));
    if (!this.between) this.mustStep();
    if (this.watcher?.modes) this.#noticeMode();
  }

  notice(event: WatchedEvent): void {
    if (this.watcher?.event(event)) this.leave('stop');
  }

  #noticeMode(): void {
    const mode = modeName(this.s);
    const before = this.watchedMode;
    this.watchedMode = mode;
    if (mode !== before && before !== '') this.notice({ kind: 'mode', mode });
  }

  segmentChanged(_segment: number): void {
    if (this.s.longMode === 0) this.modeChanged();
  }

  leave(reason: LeaveReason): void {
    if (reason === 'pause') {
      if (this.vcpus === 1 || ++this.#pauses < PAUSES) return;
      this.#pauses = 0;
    }
    this.left = reason;
    if (this.between) return;
    Atomics.or(this.machine.i32, this.requestWord, REQUEST.debug);
    this.debugRequested = true;
  }

  /** The host side of the time-stamp counter, as the first result of a routine. By words: kernels read it at every system call. */
  hostTsc(): number {
    const { u32 } = this.machine;
    const ticks = this.host.ticks(this.index);
    const at = (this.s.base + FIRST_RESULT) >>> 2;
    u32[at] = ticks;
    u32[at + 1] = ticks / 2 ** 32;
    return 0;
  }

  tsc(): bigint {
    const { tscMultiplier, tscOffset, guestTscOffset } = this.s;
    const own = BigInt(this.host.ticks(this.index)) + tscOffset;
    if (tscMultiplier === 0n) return BigInt.asUintN(64, own + guestTscOffset);
    return BigInt.asUintN(64, ((BigInt.asUintN(64, own) * tscMultiplier) >> TSC_FRACTION) + guestTscOffset);
  }
}
