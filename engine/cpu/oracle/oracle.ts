/**
 * The oracle: a logical processor that evaluates definitions directly, one instruction at a time, without TLB, decode cache or lazy
 * binding. Slow (tens of microseconds per instruction) and meant to be obviously right; tests compare the generated tiers with it.
 */

import type { Decoded } from '../../isa/decoded.ts';
import type { Decode, DecodeFailure } from '../../isa/decoder.ts';
import type { DecodeMode } from '../../isa/variants.ts';
import { GuestFault, type LeaveReason, type VcpuState } from '../context.ts';
import { type CpuEvent, deliverEvent, faultEvent } from '../system/events.ts';
import { Finished, OracleEmitter } from './emitter.ts';
import { Frame, type FrameOptions } from './frame.ts';

const TRAP_FLAG = 0x100;
const INTERRUPT_FLAG = 0x200;
const RESUME_FLAG = 0x10000;
const SINGLE_STEP = 0x4000;

/** Repetitions of string instructions one `run` does before it gives up: guests may ask for 2^64. */
const PATIENCE = 20_000;

/** Why `run` returns at once, by the state's `activity`. */
const WAITING: readonly (LeaveReason | undefined)[] = [undefined, 'halt', 'shutdown', 'stop', 'mwait'];

export interface OracleExit {
  readonly reason: 'limit' | 'patience' | LeaveReason;
  /** Instructions completed. */
  readonly retired: number;
}

export interface OracleOptions extends FrameOptions {
  readonly decode: Decode;
}

export class Oracle {
  readonly s: VcpuState;
  readonly #options: OracleOptions;
  readonly #frame: Frame;
  readonly #emitter: OracleEmitter;
  /** The last step was one repetition of a string instruction that goes on. */
  #repeated = false;

  constructor(options: OracleOptions) {
    this.#options = options;
    this.s = options.s;
    this.#frame = new Frame(options);
    this.#emitter = new OracleEmitter(this.#frame);
  }

  /** The slow routines' view of this processor, for tests that call one by hand. */
  get context(): Frame {
    return this.#frame;
  }

  /**
   * Execute until `limit` instructions have completed or the processor leaves (halt, shutdown …). A repeated string instruction counts
   * once, at its end; `patience` means that one did not come to it.
   */
  run(limit: number): OracleExit {
    let retired = 0;
    let repetitions = 0;
    this.#frame.left = undefined;
    while (retired < limit) {
      if (!this.#awake()) return { reason: WAITING[this.s.activity] ?? 'halt', retired };
      if (this.step()) retired++;
      else if (this.#repeated && ++repetitions > PATIENCE) return { reason: 'patience', retired };
      const { left } = this.#frame;
      this.#frame.left = undefined;
      const waiting = left === 'halt' || left === 'mwait';
      if (left !== undefined && !(waiting && this.#awake())) return { reason: left, retired };
    }
    return { reason: 'limit', retired };
  }

  /** Running, or woken by an interrupt that may be taken. */
  #awake(): boolean {
    const { s } = this;
    if (s.activity === 0) return true;
    const { host, index } = this.#options;
    const wakes = (s.activity === 1 || s.activity === 4) && (s.sysFlags & INTERRUPT_FLAG) !== 0 && host.interruptPending(index);
    if (wakes) s.activity = 0;
    return wakes;
  }

  /** One instruction, or the delivery of one event. True when an instruction completed. */
  step(): boolean {
    const { s } = this;
    const frame = this.#frame;
    frame.begin(undefined);
    if (this.#interrupt()) return false;
    const stepping = (s.sysFlags & TRAP_FLAG) !== 0;
    const shadowed = s.shadow;
    this.#repeated = false;
    try {
      this.#instructionBreakpoint();
      const decoded = this.#fetch();
      frame.begin(decoded);
      this.#execute(decoded);
      this.#repeated = frame.repeats;
    } catch (fault) {
      if (!(fault instanceof GuestFault)) throw fault;
      if (!fault.late) s.debugTraps = 0;
      s.shadow = 0;
      if (fault.late) s.rip = frame.target;
      frame.begin(undefined);
      this.#deliver(faultEvent(fault));
      return false;
    }
    s.rip = frame.target;
    const trapped = stepping && frame.steps;
    frame.begin(undefined);
    if (s.shadow === shadowed) s.shadow = 0;
    this.#traps(trapped);
    return !this.#repeated;
  }

  #execute(decoded: Decoded): void {
    const { s } = this;
    const frame = this.#frame;
    s.shadow = 0;
    const resumed = (s.sysFlags & RESUME_FLAG) !== 0;
    try {
      decoded.definition.run(this.#emitter, decoded.facts);
    } catch (end) {
      if (!(end instanceof Finished)) throw end;
    }
    // RF that the instruction itself loaded (IRET) is for the next one.
    if (resumed && !frame.repeats) s.sysFlags &= ~RESUME_FLAG;
    if (frame.shadowAsked !== 0) s.shadow = frame.shadowAsked;
  }

  /** Debug traps due after an instruction: data breakpoints, task switches, single step (SDM vol. 3, 18.3.1). */
  #traps(stepping: boolean): void {
    const { s } = this;
    if (stepping && s.shadow !== 2) s.debugTraps |= SINGLE_STEP;
    if (s.debugTraps === 0 || s.shadow === 2) return;
    const debug = s.debugTraps;
    s.debugTraps = 0;
    this.#deliver({ vector: 1, kind: 'trap', debug, midRepeat: this.#repeated });
  }

  #interrupt(): boolean {
    const { s } = this;
    const { host, index } = this.#options;
    if ((s.sysFlags & INTERRUPT_FLAG) === 0 || s.shadow !== 0 || !host.interruptPending(index)) return false;
    const vector = host.acknowledgeInterrupt(index);
    if (vector < 0) return false;
    this.#deliver({ vector, kind: 'interrupt' });
    return true;
  }

  #deliver(event: CpuEvent): void {
    deliverEvent(this.#frame, event);
  }

  #instructionBreakpoint(): void {
    const { s } = this;
    const control = Number(s.dr7 & 0xffffffffn);
    if ((control & 0xff) === 0 || (s.sysFlags & RESUME_FLAG) !== 0 || s.shadow === 2) return;
    const linear = this.#frame.memory.linear(1, s.rip);
    let hits = 0;
    for (let i = 0; i < 4; i++) {
      const enabled = ((control >> (i * 2)) & 3) !== 0;
      if (enabled && ((control >> (16 + i * 4)) & 15) === 0 && s.dr[i] === linear) hits |= 1 << i;
    }
    if (hits !== 0) throw new GuestFault(1, undefined, { debug: hits });
  }

  get #mode(): DecodeMode {
    const { s } = this;
    const features = this.#options.model.decodeFeatures;
    if (this.#frame.memory.longCode) return { code: 64, stack: 64, kind: 'long', features };
    const virtual = (s.sysFlags & 0x20000) !== 0;
    const kind = (s.cr0 & 1n) === 0n ? 'real' : virtual ? 'vm86' : 'protected';
    return { code: (s.csAttr & 0x4000) !== 0 ? 32 : 16, stack: (s.ssAttr & 0x4000) !== 0 ? 32 : 16, kind, features };
  }

  /** Bytes from RIP until the decoder has enough; the fault of a byte counts only when that byte is needed. */
  #fetch(): Decoded {
    const { s } = this;
    const { memory } = this.#frame;
    const mode = this.#mode;
    const bytes = new Uint8Array(15);
    for (let count = 0; ; count++) {
      const result: Decoded | DecodeFailure = count === 0 ? 'need-more' : this.#options.decode(bytes, 0, count, mode);
      if (result === 'undefined') throw new GuestFault(6);
      if (result === 'too-long' || (result === 'need-more' && count === 15)) throw new GuestFault(13, 0);
      if (result !== 'need-more') return result;
      // Code does not wrap around at the end of its segment.
      const offset = mode.code === 64 ? BigInt.asUintN(64, s.rip + BigInt(count)) : s.rip + BigInt(count);
      this.#frame.checkTarget(offset);
      bytes[count] = memory.fetch(memory.linear(1, offset));
    }
  }
}
