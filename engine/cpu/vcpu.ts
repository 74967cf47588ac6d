/** One logical processor: runs generated code and does between instructions what the manual does there. */

import type { Decode } from '../isa/decoder.ts';
import { SLOW, type SlowName } from '../isa/fields.ts';
import type { DecodeMode, Variant } from '../isa/variants.ts';
import { FIXED, type MachineMemory } from '../memory/index.ts';
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
import { decodeModeOf, deriveMode, derivePollMask, flatSegmentsOf } from './derived.ts';
import { FLAG } from './flags.ts';
import { type CodeAddress, CodeCache } from './interpreter/code-cache.ts';
import { slowName } from './ir/emitter.ts';
import { type ProcessorExports, queuedExit, WalkedMemory } from './linear-memory.ts';
import type { CpuModel } from './model/model.ts';
import { CPU_JUMPS, EXIT, JUMP_ENTRIES, JUMP_ENTRY, JUMP_ENTRY_BYTES, REC, STATUS } from './regions.ts';
import { PENDING_EXIT } from './routines/ept.ts';
import { ACCESS, TRANSLATED } from './routines/paging.ts';
import { stackFault } from './stack-fault.ts';
import { offsetOf, REQUEST } from './state.ts';
import { breakpointsArmed, DR6, dataBreakpoints, instructionBreakpoints } from './system/debug.ts';
import type { CpuEvent } from './system/delivery.ts';
import { deliverEvent } from './system/events.ts';
import { ACTIVITY, wake, wakes } from './system/idle.ts';
import { Tlb } from './tlb.ts';
import { exitBetween, exitsByTime, exitsOnInterrupt, interruptExit, windowOpen } from './vmx/between.ts';
import { cacheControls, injectEvent } from './vmx/entry.ts';
import { softwareEvent } from './vmx/event-exits.ts';
import { exitGuest } from './vmx/exit.ts';
import { INTERCEPTS } from './vmx/intercepts.ts';

export type RunReason = 'limit' | 'request' | 'halt' | 'mwait' | 'shutdown' | 'init' | 'pause';
/** Why `run` returned and how many instructions it retired. */
export interface RunExit {
  readonly reason: RunReason;
  readonly retired: number;
}

/** Running alone: `begin` returns when every other vCPU stands at a safe point, where they stay until `end`. */
export interface ExclusiveSection {
  /** Waits at a safe point of `vcpu`. */
  begin(vcpu: number): void;
  end(): void;
}

export interface VcpuOptions {
  readonly s: VcpuState;
  readonly index: number;
  readonly vcpus: number;
  readonly machine: MachineMemory;
  readonly model: CpuModel;
  readonly host: CpuHost;
  readonly routines: Readonly<Record<SlowName, SlowRoutineBody>>;
  readonly decode: Decode;
  readonly handlerOf: (variant: Variant) => number;
  readonly ends: readonly boolean[];
  readonly stack: readonly boolean[];
  readonly arena: { readonly base: number; readonly bytes: number };
  /** Make every other vCPU drop its write entries and wait until it has. */
  readonly shootdown: (vcpu: number) => void;
  readonly exclusive: ExclusiveSection;
}

const requestOffset = offsetOf('request');
const ripOffset = offsetOf('rip');
const fetchBaseOffset = offsetOf('fetchBase');
/** Bytes to the end of the code segment in 64-bit mode: more than any instruction has. */
const NO_LIMIT = 2 ** 32;
const STOPPING = REQUEST.stop | REQUEST.sync | REQUEST.init | REQUEST.sipi;
const NO_SHADOW = 0xffffffff;
/** PAUSE instructions in a row after which a vCPU gives its thread away. */
const PAUSES = 256;
const PAGE_SIZE = 4096;
/** Instructions between two looks at the VMX-preemption timer. */
const TIMED_RUN = 256;
const BUS_CODE_BYTES = 64;

export class VcpuCore implements SlowContext {
  readonly s: VcpuState;
  readonly memory: LinearMemory;
  readonly host: CpuHost;
  readonly index: number;
  readonly vcpus: number;
  readonly features: CpuModel;
  readonly #o: VcpuOptions;
  readonly #tlb: Tlb;
  readonly #cache: CodeCache;
  readonly #modes = new Map<number, DecodeMode>();
  readonly #requestWord: number;
  #exports!: ProcessorExports;
  #record = 0;
  #jumped = false;
  #left: LeaveReason | undefined;
  #between = true;
  #pauses = 0;
  #stepping = false;
  #steps = true;
  #debugRequested = false;
  #late = false;
  /** Thrown by a routine, taken between instructions. */
  #exit: VmExit | undefined;
  /** The software interrupt during whose delivery the queued fault or exit was met. */
  #software: CpuEvent | undefined;

  constructor(options: VcpuOptions) {
    this.#o = options;
    this.s = options.s;
    this.index = options.index;
    this.vcpus = options.vcpus;
    this.host = options.host;
    this.features = options.model;
    this.#requestWord = (options.s.base + requestOffset) >>> 2;
    this.#tlb = new Tlb(options.machine, options.s);
    const { machine, host, index, s } = options;
    this.memory = new WalkedMemory({ s, machine, host, index, exports: () => this.#exports });
    this.#cache = new CodeCache({
      machine,
      arena: { base: options.arena.base + PAGE_SIZE, bytes: options.arena.bytes - PAGE_SIZE },
      decode: options.decode,
      handlerOf: options.handlerOf,
      ends: options.ends,
      nextPage: () => this.#hostOfCode((BigInt.asUintN(64, s.rip + s.fetchBase) & ~0xfffn) + 0x1000n),
      protect: (page) => {
        this.#tlb.dropWrites(page);
        if (options.vcpus > 1) options.shootdown(index);
      },
    });
  }

  /** Connect the generated code; called once by the processor. */
  attach(exports: ProcessorExports): void {
    this.#exports = exports;
    this.restored();
  }

  /** The state block was written from outside (reset, restore, register groups): recompute what is derived. */
  restored(): void {
    this.#left = undefined; // a shutdown before a reset is over
    this.s.physicalBits = this.features.physicalBits;
    this.s.shared = this.vcpus > 1 ? 1 : 0;
    Atomics.and(this.#o.machine.i32, this.#requestWord, ~REQUEST.debug);
    this.#debugRequested = false;
    this.#exit = undefined;
    this.#software = undefined;
    if (this.s.nonRoot !== 0) cacheControls(this);
    this.#tlb.clear();
    this.modeChanged();
  }

  /** Blocks decoded and times the arena began anew. */
  get statistics(): { readonly decoded: number; readonly resets: number; readonly walks: bigint } {
    return { decoded: this.#cache.decoded, resets: this.#cache.resets, walks: this.s.tlbMisses };
  }

  // ---- run ----

  /** Retire at most `limit` (1 to 2^31-1) instructions. */
  run(limit: number): RunExit {
    const { s } = this;
    let retired = 0;
    const leave = (reason: RunReason): RunExit => {
      s.retired += BigInt(retired);
      return { reason, retired };
    };
    for (;;) {
      this.#between = true;
      if (s.excPending !== 0) this.#deliverException();
      if (s.nonRoot !== 0) this.#betweenGuest();
      const stop = this.#serveRequests();
      if (stop) return leave('request');
      if (s.activity !== ACTIVITY.running && !this.#wakeUp()) {
        if (s.nonRoot !== 0 && exitsByTime(s)) return leave('limit');
        return leave(
          s.activity === ACTIVITY.shutdown
            ? 'shutdown'
            : s.activity === ACTIVITY.mwait
              ? 'mwait'
              : s.activity === ACTIVITY.waitForSipi
                ? 'init'
                : 'halt',
        );
      }
      if (retired >= limit) return leave('limit');
      retired += this.#advance(limit - retired);
      if (this.#left !== undefined) {
        const reason = this.#left;
        this.#left = undefined;
        if (reason === 'shutdown') return leave('shutdown');
        if (reason === 'stop') return leave('request');
        if (reason === 'pause') return leave('pause');
      }
    }
  }

  /** Run generated code once; returns instructions retired. */
  #advance(limit: number): number {
    const { s } = this;
    this.#stepping = this.#mustStep();
    if (this.#stepping && this.#instructionBreakpoint()) return 0;
    const held = this.#stepping || s.shadow !== 0;
    const budget = held ? 1 : s.nonRoot !== 0 && exitsByTime(s) ? Math.min(limit, TIMED_RUN) : limit;
    const single = (s.sysFlags & FLAG.T) !== 0;
    const resumed = (s.sysFlags & FLAG.R) !== 0;
    this.#steps = true;
    derivePollMask(s, held);
    s.shadowBudget = NO_SHADOW;
    s.budget = budget;
    this.#between = false;
    const exit = this.#exports.run(s.base);
    this.#between = true;
    this.exclusiveEnd(); // a fault has left the locked access
    const done = budget - s.budget;
    if (done > 0) {
      if (this.#left !== 'entry') s.shadow = s.shadowBudget === s.budget ? s.shadowKind : 0;
      // RF that the instruction itself loaded (IRET) is for the next one.
      if (resumed) s.sysFlags &= ~FLAG.R;
      if (single && done === 1 && this.#steps && s.shadow !== 2) s.debugTraps |= DR6.BS;
    }
    derivePollMask(s, false);
    if (exit === EXIT.repeat) {
      if (single) s.debugTraps |= DR6.BS;
      this.#debugTrap(true);
      return done;
    }
    if (exit === EXIT.fault && s.excCanonical !== 0) stackFault(this.#o, s);
    // MOV SS holds traps back until after the next instruction (SDM vol. 3, 6.8.3); its own single-step trap is lost.
    if (s.debugTraps !== 0 && done > 0 && s.excPending === 0 && s.shadow !== 2) this.#debugTrap();
    return done;
  }

  /**
   * Single step, breakpoints and RF are exact by running one instruction at a time. Sets the request bit that makes generated code
   * return, or clears it.
   */
  #mustStep(): boolean {
    const { s } = this;
    const step =
      (s.sysFlags & (FLAG.T | FLAG.R)) !== 0 ||
      breakpointsArmed(s, 'execute') ||
      breakpointsArmed(s, 'data') ||
      breakpointsArmed(s, 'io') ||
      (s.nonRoot !== 0 && windowOpen(s));
    if (step !== this.#debugRequested) {
      if (step) Atomics.or(this.#o.machine.i32, this.#requestWord, REQUEST.debug);
      else Atomics.and(this.#o.machine.i32, this.#requestWord, ~REQUEST.debug);
      this.#debugRequested = step;
    }
    return step;
  }

  #instructionBreakpoint(): boolean {
    const { s } = this;
    if ((s.sysFlags & FLAG.R) !== 0 || s.shadow === 2) return false;
    const hits = instructionBreakpoints(s, BigInt.asUintN(64, s.rip + s.fetchBase));
    if (hits === 0) return false;
    deliverEvent(this, { vector: 1, kind: 'fault', debug: hits });
    return true;
  }

  #debugTrap(midRepeat = false): void {
    const debug = this.s.debugTraps;
    this.s.debugTraps = 0;
    deliverEvent(this, { vector: 1, kind: 'trap', debug, midRepeat });
  }

  #deliverException(): void {
    const { s } = this;
    const software = this.#software;
    this.#software = undefined;
    if (s.excPending === PENDING_EXIT) {
      const exit = this.#exit ?? queuedExit(s);
      this.#exit = undefined;
      s.excPending = 0;
      exitGuest(this, exit, software);
      return;
    }
    s.excPending = 0;
    const errorCode = s.excHasError !== 0 ? s.excError : undefined;
    const late = this.#late;
    this.#late = false;
    deliverEvent(
      this,
      {
        vector: s.excVector,
        kind: 'fault',
        ...(errorCode === undefined ? {} : { errorCode }),
        ...(s.excVector === 14 ? { cr2: s.excAddress } : {}),
        ...(s.excVector === 1 ? { debug: s.debugTraps } : {}),
      },
      software,
    );
    if (!late) s.debugTraps = 0;
  }

  #wakeUp(): boolean {
    const { s } = this;
    if (s.activity === ACTIVITY.shutdown || s.activity === ACTIVITY.waitForSipi) return false;
    if (!wakes(this)) return false;
    wake(s);
    this.#serveRequests();
    return true;
  }

  /** Returns true when run() has to return. */
  #serveRequests(): boolean {
    const { s } = this;
    const { i32 } = this.#o.machine;
    let word = Atomics.load(i32, this.#requestWord);
    if ((word & ~REQUEST.debug) === 0) return false;
    if ((word & REQUEST.flushTlb) !== 0) {
      Atomics.and(i32, this.#requestWord, ~REQUEST.flushTlb);
      this.#tlb.clear();
      this.modeChanged();
      word &= ~REQUEST.flushTlb;
    }
    if ((word & STOPPING) !== 0) return true;
    if (s.activity === ACTIVITY.shutdown || s.activity === ACTIVITY.waitForSipi) return false;
    if ((word & REQUEST.nmi) !== 0 && s.nmiBlocked === 0 && s.shadow === 0) {
      Atomics.and(i32, this.#requestWord, ~REQUEST.nmi);
      deliverEvent(this, { vector: 2, kind: 'nmi' });
      return false;
    }
    if ((word & REQUEST.interrupt) !== 0 && (s.shadow === 0 || exitsOnInterrupt(s))) this.#serveInterrupt();
    return false;
  }

  #serveInterrupt(): void {
    const { s, host, index } = this;
    const { i32 } = this.#o.machine;
    if (exitsOnInterrupt(s)) {
      const exit = interruptExit(this);
      if (exit === undefined) Atomics.and(i32, this.#requestWord, ~REQUEST.interrupt);
      else exitGuest(this, exit);
      return;
    }
    if ((s.sysFlags & FLAG.I) === 0) return;
    Atomics.and(i32, this.#requestWord, ~REQUEST.interrupt);
    const vector = host.acknowledgeInterrupt(index);
    if (host.interruptPending(index)) Atomics.or(i32, this.#requestWord, REQUEST.interrupt);
    if (vector >= 0) deliverEvent(this, { vector, kind: 'interrupt' });
  }

  // ---- what generated code calls ----

  /** A slow routine by number; returns STATUS. */
  slow(record: number, id: number): number {
    const { s } = this;
    const name = slowName(id);
    const routine = SLOW[name];
    const { scratch } = s;
    this.#record = record;
    this.#jumped = false;
    const args = routine.args;
    try {
      const stands =
        s.nonRoot === 0 ? undefined : INTERCEPTS[name]?.(this, scratch[0] as bigint, scratch[1] as bigint, scratch[2] as bigint);
      const results =
        stands ??
        this.#o.routines[name](
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
      if (s.nonRoot !== 0 && name === 'interrupt')
        this.#software = softwareEvent(this, { vector: Number(scratch[0]), kind: Number(scratch[1]) }, thrown);
      if (thrown instanceof VmExit) return this.#queueExit(thrown);
      if (!(thrown instanceof GuestFault)) throw thrown;
      return this.#queue(thrown);
    }
    if (!routine.ends) return 0;
    if (this.#left !== undefined) {
      if (!this.#jumped) s.rip = this.nextIp();
      return STATUS.leave;
    }
    return this.#jumped ? STATUS.branch : STATUS.fall;
  }

  /** Leave the instruction undone; the exit is taken between instructions. */
  #queueExit(exit: VmExit): number {
    if (exit.length === 0) exit.length = this.instructionLength();
    this.#exit = exit;
    this.s.excPending = PENDING_EXIT;
    return STATUS.fault;
  }

  #betweenGuest(): void {
    const { s } = this;
    if (s.injecting !== 0) injectEvent(this);
    if (s.nonRoot !== 0 && s.debugTraps !== 0 && s.shadow !== 2) this.#debugTrap();
    if (s.nonRoot === 0) return;
    exitBetween(this);
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
    this.#late = true;
    return STATUS.leave;
  }

  /** Block at RIP, entered in the jump cache; 0 when there is none (a fault is queued) or the arena began anew. */
  lookup(): number {
    const { s } = this;
    const { u32 } = this.#o.machine;
    const rip = (s.base + ripOffset) >>> 2;
    const from = (s.base + fetchBaseOffset) >>> 2;
    const sum = (u32[rip] as number) + (u32[from] as number);
    const low = sum >>> 0;
    const high = ((u32[rip + 1] as number) + (u32[from + 1] as number) + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    const long = s.longMode !== 0;
    const limit = long ? NO_LIMIT : s.csLimit - ((u32[rip] as number) + (u32[rip + 1] as number) * 2 ** 32) + 1;
    if (limit <= 0) return this.#refuseFetch();
    const host = this.#codePage(low, long ? high : 0);
    if (host < 0) return 0;
    const { modeKey } = s;
    let block = this.#cache.known(host, modeKey);
    if (block === 0) block = this.#cache.decode(this.#codeAddress(host, modeKey, limit));
    if (block === 0) {
      if (s.excPending === 0) this.#tlb.forgetCode();
      return 0;
    }
    const page = ((low >>> 12) | (high << 20)) >>> 0;
    const at = (s.base + CPU_JUMPS + ((low ^ page) & (JUMP_ENTRIES - 1)) * JUMP_ENTRY_BYTES) >>> 2;
    u32[at + (JUMP_ENTRY.linear >>> 2)] = low;
    u32[at + (JUMP_ENTRY.linear >>> 2) + 1] = high;
    u32[at + (JUMP_ENTRY.key >>> 2)] = s.jumpKey;
    u32[at + (JUMP_ENTRY.block >>> 2)] = block;
    return block;
  }

  #codeAddress(host: number, modeKey: number, withinLimit: number): CodeAddress {
    let mode = this.#modes.get(modeKey);
    if (mode === undefined) {
      mode = decodeModeOf(modeKey, this.features.decodeFeatures);
      this.#modes.set(modeKey, mode);
    }
    return { host, modeKey, mode, flat: flatSegmentsOf(modeKey), withinLimit };
  }

  /** Host address of the code at a linear address, from the table of code pages or by a walk; -1 with the fault queued. */
  #codePage(low: number, high: number): number {
    const page = ((low >>> 12) | (high << 20)) >>> 0;
    const { jumpKey } = this.s;
    const known = this.#tlb.codePage(page, high, jumpKey);
    if (known !== 0) return known + (low & 0xfff);
    const host = this.#hostOfCode(BigInt(low) | (BigInt(high) << 32n));
    if (host >= 0 && !this.#isBusCopy(host)) this.#tlb.noteCode({ page, high, key: jumpKey, host: host - (low & 0xfff) });
    return host;
  }

  #isBusCopy(host: number): boolean {
    return host >>> 12 === this.#o.arena.base >>> 12;
  }

  #refuseFetch(): number {
    const { s } = this;
    s.excVector = 13;
    s.excHasError = 1;
    s.excError = 0;
    s.excPending = 1;
    return 0;
  }

  /** Host address of code, -1 with the fault queued. Code on the bus is copied beside the arena first. */
  #hostOfCode(linear: bigint): number {
    const { s } = this;
    const access = ACCESS.fetch | (s.cpl === 3 ? ACCESS.user : 0);
    const at = this.#exports.translate(s.base, linear, BigInt(access));
    if (at < 0n) {
      s.excCanonical = 0;
      return -1;
    }
    if ((at & TRANSLATED.bus) === 0n) return Number(at);
    return this.#copyFromBus(Number(at & ~TRANSLATED.bus));
  }

  #copyFromBus(pa: number): number {
    const { machine, arena } = this.#o;
    const page = arena.base >>> 12;
    this.#cache.invalidate(page);
    Atomics.add(machine.i32, (FIXED.pageInfo + page * 16 + 8) >>> 2, 1);
    const bytes = Math.min(BUS_CODE_BYTES, PAGE_SIZE - (pa % PAGE_SIZE));
    const target = arena.base + (pa % PAGE_SIZE);
    for (let i = 0; i < bytes; i++) machine.u8[target + i] = this.host.mmioRead(this.index, pa + i, 1);
    machine.u8.fill(0xf4, target + bytes, Math.min(target + bytes + 16, arena.base + PAGE_SIZE));
    return target;
  }

  /** Decoded bytes were overwritten by this vCPU. */
  codeWritten(host: number, bytes: number): number {
    const { machine } = this.#o;
    for (const page of new Set([host >>> 12, (host + bytes - 1) >>> 12])) {
      const info = (FIXED.pageInfo + page * 16) >>> 2;
      Atomics.add(machine.i32, info + 2, 1);
      Atomics.store(machine.i32, info, 0);
      Atomics.store(machine.i32, info + 1, 0);
      this.#cache.invalidate(page);
    }
    return 0;
  }

  /** A locked access that is no wasm atomic: nobody else may run until it is done. */
  exclusiveBegin(): number {
    const { s } = this;
    if (s.exclusive !== 0) return 0;
    this.#o.exclusive.begin(this.index);
    s.exclusive = 1;
    return 0;
  }

  /** Also called before a host call: it takes the machine lock, which comes before any section. */
  exclusiveEnd(): number {
    const { s } = this;
    if (s.exclusive === 0) return 0;
    s.exclusive = 0;
    this.#o.exclusive.end();
    return 0;
  }

  /** Data is watched: note debug traps for this access. */
  watchHit(low: number, high: number, shape: number): number {
    const address = BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);
    this.s.debugTraps |= dataBreakpoints(this.s, address, { size: shape & 0xff, write: (shape & 0x100) !== 0 });
    return 0;
  }

  // ---- SlowContext ----

  instructionLength(): number {
    return this.#o.machine.u8[this.#record + REC.length] as number;
  }

  ip(): bigint {
    return this.#between ? this.s.rip : this.nextIp() - BigInt(this.instructionLength());
  }

  nextIp(): bigint {
    const { s } = this;
    if (this.#between) return s.rip;
    const next = s.ripBase + BigInt(this.#o.machine.u16[(this.#record + REC.nextIp) >>> 1] as number);
    return s.longMode !== 0 ? BigInt.asUintN(64, next) : next & ((s.modeKey & 3) === 0 ? 0xffffn : 0xffffffffn);
  }

  skipStep(): void {
    this.#steps = false;
  }

  jumpTo(rip: bigint): void {
    this.s.rip = rip;
    this.#jumped = true;
  }

  flushTlb(kind: TlbFlush, value?: bigint): void {
    this.#tlb.flush(kind, value);
  }

  modeChanged(): void {
    this.#tlb.select(deriveMode(this.s));
    if (!this.#between) this.#mustStep();
  }

  segmentChanged(_segment: number): void {
    if (this.s.longMode === 0) this.modeChanged();
  }

  leave(reason: LeaveReason): void {
    if (reason === 'pause') {
      if (this.vcpus === 1 || ++this.#pauses < PAUSES) return;
      this.#pauses = 0;
    }
    this.#left = reason;
    if (this.#between) return;
    Atomics.or(this.#o.machine.i32, this.#requestWord, REQUEST.debug);
    this.#debugRequested = true;
  }

  tsc(): bigint {
    return BigInt.asUintN(64, this.host.tsc(this.index) + this.s.tscOffset + this.s.guestTscOffset);
  }
}
