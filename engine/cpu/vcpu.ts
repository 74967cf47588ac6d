/** One logical processor: runs generated code and does between instructions what the manual does there. */

import type { WatchedFrame, Watcher } from '../base/watcher.ts';
import type { Decode } from '../isa/decoder.ts';
import type { Variant } from '../isa/variants.ts';
import { FIXED } from '../memory/index.ts';
import { CodeLookup } from './code-lookup.ts';
import { GuestFault, type LinearMemory, VmExit } from './context.ts';
import { derivePollMask, modeName } from './derived.ts';
import { EventContext } from './event-context.ts';
import { FLAG } from './flags.ts';
import type { InstructionContextOptions } from './instruction-context.ts';
import type { ShapedHandlers } from './interpreter/address-shapes.ts';
import { LONGEST_RUN } from './interpreter/loop-budget.ts';
import type { JitCounters } from './jit/counters.ts';
import type { JitSetting } from './jit/jit.ts';
import type { CompilerLink } from './jit/link.ts';
import type { RegionTable } from './jit/table.ts';
import { type ProcessorExports, WalkedMemory } from './linear-memory.ts';
import { EXIT } from './regions.ts';
import { stackFault } from './stack-fault.ts';
import { offsetOf, REQUEST, type RegionCounter } from './state.ts';
import { breakpointsArmed, DR6, instructionBreakpoints } from './system/debug.ts';
import { deliverEvent } from './system/events.ts';
import { ACTIVITY } from './system/idle.ts';
import { exitsByTime, windowOpen } from './vmx/between.ts';
import { cacheControls } from './vmx/entry.ts';

/** `exit`: a VM exit to the monitor. */
export type RunReason = 'limit' | 'request' | 'halt' | 'mwait' | 'shutdown' | 'init' | 'pause' | 'exit';
/** Why `run` returned and how many instructions it retired. */
export interface RunExit {
  readonly reason: RunReason;
  readonly retired: number;
}

export interface VcpuOptions extends InstructionContextOptions {
  readonly decode: Decode;
  readonly handlerOf: (variant: Variant) => number;
  readonly ends: readonly boolean[];
  readonly shaped: ShapedHandlers;
  readonly stack: readonly boolean[];
  readonly arena: { readonly base: number; readonly bytes: number };
  /** Address of the table of physical pages this processor sees; absent: that of the machine's memory slots. */
  readonly busTable?: number;
  /** VM exits end `run` instead of going to HOST_RIP. */
  readonly monitored?: boolean;
  /** Make every other vCPU drop its write entries and wait until it has. */
  readonly shootdown: (vcpu: number) => void;
  readonly jit: JitSetting;
  /** As in `CodeLookupOptions`. */
  readonly heat?: () => number;
  readonly regions: RegionTable;
  readonly compilers: CompilerLink;
  /** As in `JitOptions`. */
  readonly codeBytes?: number;
  /** As in `ProcessorOptions`. */
  readonly collectGarbage?: () => void;
}

const RETIRED = offsetOf('retired');
const NO_SHADOW = 0xffffffff;
/** Instructions between two looks at the VMX-preemption timer. */
const TIMED_RUN = 256;
/** Exceptions delivered with no instruction between them that end a run: a handler that faults at once does so until its stack is used up. */
const MOST_DELIVERIES = 1000;

export class VcpuCore extends EventContext {
  readonly memory: LinearMemory;
  readonly #o: VcpuOptions;
  readonly #code: CodeLookup;
  #exports!: ProcessorExports;

  constructor(options: VcpuOptions) {
    super(options);
    this.#o = options;
    const { machine, host, index, s } = options;
    const exports = (): ProcessorExports => this.#exports;
    this.memory = new WalkedMemory({ s, machine, host, index, exports });
    this.#code = new CodeLookup({
      ...options,
      decodeFeatures: options.model.decodeFeatures,
      tlb: this.tlb,
      exports,
      shootdown: () => {
        if (options.vcpus > 1) options.shootdown(index);
      },
    });
  }

  protected deliverQuickly(vector: number, what: number): boolean {
    return this.#exports.deliver(this.s.base, vector, what) !== 0;
  }

  /** Connect the generated code; called once by the processor. */
  attach(exports: ProcessorExports): void {
    this.#exports = exports;
    this.tlb.forgetBlocks();
    this.restored();
  }

  /** The state block was written from outside (reset, restore, register groups): recompute what is derived. */
  restored(): void {
    this.left = undefined; // a shutdown before a reset is over
    this.s.physicalBits = this.features.physicalBits;
    this.s.shared = this.vcpus > 1 ? 1 : 0;
    Atomics.and(this.machine.i32, this.requestWord, ~REQUEST.debug);
    this.debugRequested = false;
    this.exit = undefined;
    this.software = undefined;
    this.vmcs.forget();
    this.s.busTable = this.#o.busTable ?? FIXED.physTable;
    this.s.busOpen = 0;
    this.s.monitored = this.#o.monitored ? 1 : 0;
    this.s.watched = this.watcher?.events ? 1 : 0;
    this.alone = false;
    if (this.s.nonRoot !== 0) cacheControls(this);
    this.tlb.clear();
    this.modeChanged();
  }

  /** Blocks decoded and times the arena began anew. */
  get statistics(): { readonly decoded: number; readonly resets: number; readonly walks: bigint } {
    return { decoded: this.#code.cache.decoded, resets: this.#code.cache.resets, walks: this.s.tlbMisses };
  }

  /** What the compiler of hot code has done so far; `undefined` where there is none. */
  get jit(): JitCounters | undefined {
    return this.#code.jit?.counters;
  }

  /** What one of the counters of regions says, or how many instructions were retired in all tiers: a number, because this is asked after each run. */
  counted(what: RegionCounter | 'retired'): number {
    return this.s.lo(what) + this.s.hi(what) * 2 ** 32;
  }

  /** From now on a debugger looks on, or none does. Between runs, on the thread that runs this vCPU. */
  watch(watcher: Watcher | undefined): void {
    this.watcher = watcher;
    this.s.watched = watcher?.events ? 1 : 0;
    this.watchedMode = watcher?.modes ? modeName(this.s) : '';
    // What is decoded and cached does not ask whether its page is watched.
    this.#code.forget();
    this.tlb.clear();
    this.modeChanged();
  }

  /** Linear address of the next instruction. */
  get linearIp(): bigint {
    return BigInt.asUintN(64, this.s.rip + this.s.fetchBase);
  }

  // ---- run ----

  /** Instructions were retired. By words: exits are frequent, and numbers of 64 bits cost an allocation each. */
  #count(retired: number): void {
    const { views, base } = this.s;
    const at = (base + RETIRED) >>> 2;
    const low = (views.u32[at] as number) + retired;
    views.u32[at] = low;
    if (low > 0xffff_ffff) views.u32[at + 1] = (views.u32[at + 1] as number) + 1;
  }

  /** Retire at most `limit` (1 to 2^31-1) instructions; fewer where somebody wants this vCPU, or nothing but exceptions happens. */
  run(limit: number): RunExit {
    const { s } = this;
    this.#code.beforeRun();
    let retired = 0;
    let delivered = 0;
    const leave = (reason: RunReason): RunExit => {
      this.#count(retired);
      return { reason, retired };
    };
    for (;;) {
      this.between = true;
      if (s.excPending !== 0) {
        this.deliverException();
        delivered++;
      }
      if (s.nonRoot !== 0) this.betweenGuest();
      if (this.#takeStop()) return leave('request');
      const stop = this.serveRequests();
      if (this.takeExit()) return leave('exit');
      if (stop) return leave('request');
      if (s.activity !== ACTIVITY.running && !this.wakeUp()) {
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
      if (delivered > MOST_DELIVERIES) return leave('request');
      const done = this.#advance(limit - retired);
      if (done > 0) delivered = 0;
      retired += done;
      if (this.left !== undefined) {
        const reason = this.left;
        this.left = undefined;
        if (reason === 'shutdown') return leave('shutdown');
        if (reason === 'stop') return leave('request');
        if (reason === 'pause') return leave('pause');
        if (reason === 'exit') return leave('exit');
      }
    }
  }

  /**
   * For a monitor that serves an exit: run one instruction with the bus open to it, or as many repetitions of it as fit before somebody
   * wants this vCPU. It may exit again.
   */
  emulate(): RunExit {
    const { s } = this;
    s.busOpen = 1;
    try {
      return this.run(1);
    } finally {
      s.busOpen = 0;
    }
  }

  /** Run generated code once; returns instructions retired. */
  #advance(limit: number): number {
    const { s } = this;
    this.stepping = this.mustStep();
    if (this.stepping && this.#isWatched() && this.watcher?.before(this.linearIp, this.#frame())) {
      this.left = 'stop';
      return 0;
    }
    if (this.stepping && this.#instructionBreakpoint()) return 0;
    const held = this.stepping || s.shadow !== 0;
    const budget = held ? 1 : s.nonRoot !== 0 && exitsByTime(s) ? Math.min(limit, TIMED_RUN) : Math.min(limit, LONGEST_RUN);
    const single = (s.sysFlags & FLAG.T) !== 0;
    const resumed = (s.sysFlags & FLAG.R) !== 0;
    this.steps = true;
    derivePollMask(s, held);
    s.shadowBudget = NO_SHADOW;
    s.budget = budget;
    this.between = false;
    const exit = this.#exports.run(s.base);
    this.between = true;
    this.alone = false;
    this.exclusiveEnd(); // a fault has left the locked access
    const done = budget - s.budget;
    if (done > 0) {
      if (this.left !== 'entry') s.shadow = s.shadowBudget === s.budget ? s.shadowKind : 0;
      // RF that the instruction itself loaded (IRET) is for the next one.
      if (resumed) s.sysFlags &= ~FLAG.R;
      if (single && done === 1 && this.steps && s.shadow !== 2) s.debugTraps |= DR6.BS;
    }
    derivePollMask(s, false);
    if (exit === EXIT.repeat) {
      if (single) s.debugTraps |= DR6.BS;
      this.debugTrap(true);
      return done;
    }
    if (exit === EXIT.fault && s.excCanonical !== 0) stackFault(this.#o, s);
    // MOV SS holds traps back until after the next instruction (SDM vol. 3, 6.8.3); its own single-step trap is lost.
    if (s.debugTraps !== 0 && done > 0 && s.excPending === 0 && s.shadow !== 2) this.debugTrap();
    return done;
  }

  /**
   * Single step, breakpoints and RF are exact by running one instruction at a time. Sets the request bit that makes generated code
   * return, or clears it.
   */
  protected mustStep(): boolean {
    const { s } = this;
    const step =
      this.alone ||
      (s.sysFlags & (FLAG.T | FLAG.R)) !== 0 ||
      breakpointsArmed(s, 'execute') ||
      breakpointsArmed(s, 'data') ||
      breakpointsArmed(s, 'io') ||
      this.#isWatched() ||
      (s.nonRoot !== 0 && windowOpen(s));
    if (step !== this.debugRequested) {
      if (step) Atomics.or(this.machine.i32, this.requestWord, REQUEST.debug);
      else Atomics.and(this.machine.i32, this.requestWord, ~REQUEST.debug);
      this.debugRequested = step;
    }
    return step;
  }

  /** Does the debugger want to see the next instruction? */
  #isWatched(): boolean {
    const { watcher } = this;
    if (watcher === undefined) return false;
    return watcher.each || watcher.data || (watcher.pages.size > 0 && watcher.pages.has(this.linearIp >> 12n));
  }

  #frame(): WatchedFrame {
    const { s, memory, linearIp } = this;
    return {
      rsp: s.gpr[4] as bigint,
      cr3: s.cr3,
      cpl: s.cpl,
      byte: (at) => {
        try {
          return Number(memory.read(8, linearIp + BigInt(at), s.cpl === 3 ? 'user' : 'supervisor'));
        } catch (thrown) {
          if (thrown instanceof GuestFault || thrown instanceof VmExit) return undefined;
          throw thrown;
        }
      },
    };
  }

  /** A debugger wants to stop between two instructions. */
  #takeStop(): boolean {
    if (this.left !== 'stop') return false;
    this.left = undefined;
    return true;
  }

  #instructionBreakpoint(): boolean {
    const { s } = this;
    if ((s.sysFlags & FLAG.R) !== 0 || s.shadow === 2) return false;
    const hits = instructionBreakpoints(s, BigInt.asUintN(64, s.rip + s.fetchBase));
    if (hits === 0) return false;
    deliverEvent(this, { vector: 1, kind: 'fault', debug: hits });
    return true;
  }

  // ---- what generated code calls ----

  /** Block at RIP; 0 when there is none (a fault is queued) or the arena began anew. */
  lookup(): number {
    if (this.watcher === undefined || this.watcher.pages.size === 0) return this.#code.lookup('known');
    if (!this.#isWatched()) return this.#code.lookup('jump');
    // Nothing is cached of a watched page: all ways into it come by here.
    return this.stepping ? this.#code.lookup('forgotten') : 0;
  }

  /** A block was entered often enough to deserve a region. */
  hot(block: number): number {
    const { watcher } = this;
    const isStepped = watcher !== undefined && (watcher.each || watcher.data || watcher.pages.size > 0);
    if (!isStepped) this.#code.jit?.hot(block >>> 0);
    return 0;
  }

  /** Pages of a region with code of several pages were written: is its code what it was? */
  farWritten(entry: number): number {
    return this.#code.farWritten(entry);
  }

  /** They are not where they were. */
  farMissing(entry: number): number {
    return this.#code.farMissing(entry);
  }

  /** Decoded bytes were overwritten by this vCPU. */
  codeWritten(host: number, bytes: number): number {
    return this.#code.codeWritten(host, bytes);
  }
}
