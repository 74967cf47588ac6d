/**
 * Timer of a local APIC (SDM vol. 3, 10.5.4): one-shot, periodic, TSC deadline. One tick of the bus clock is 1 ns. The time when it
 * expires is state; the count is computed from it on read.
 */
import type { MachineClock, Timer } from '../../base/index.ts';
import { type LapicState, REG } from './lapic-state.ts';

/** A periodic timer fires at most this often, in ns: a guest may program 1 ns. */
const SHORTEST_PERIOD = 200_000;
const MODE = { oneShot: 0, periodic: 1, deadline: 2 } as const;
/** Counts of the TSC that rounding may be off by. */
const ROUNDING = 4n;

export interface LapicTimerHost {
  readonly clock: MachineClock;
  /** The guest's time-stamp counter, and its frequency in Hz. */
  guestTsc(): bigint;
  readonly tscHz: number;
  /** The timer expires: deliver its interrupt. */
  expired(): void;
}

export class LapicTimer {
  readonly #state: LapicState;
  readonly #host: LapicTimerHost;
  readonly #timer: Timer;

  constructor(state: LapicState, host: LapicTimerHost, timer: Timer) {
    this.#state = state;
    this.#host = host;
    this.#timer = timer;
  }

  get #mode(): number {
    return (this.#reg(REG.lvtTimer) >>> 17) & 3;
  }

  /** Ticks of the bus clock per count. */
  get #divisor(): number {
    const code = this.#reg(REG.divide);
    return 1 << ((((code & 3) | ((code >>> 1) & 4)) + 1) & 7);
  }

  get currentCount(): number {
    if (this.#mode === MODE.deadline || this.#state.due < 0n) return 0;
    const left = Number(this.#state.due) - this.#host.clock.now();
    const count = Math.ceil(left / this.#divisor);
    const initial = this.#reg(REG.initialCount);
    if (count > 0) return Math.min(count, initial);
    // Overdue and not yet served: a periodic timer already counts its next round.
    return this.#mode === MODE.periodic && initial > 0 ? initial - 1 - (-count % initial) : 0;
  }

  writeInitialCount(value: number): void {
    this.settle();
    if (this.#mode === MODE.deadline) return;
    this.#set(REG.initialCount, value);
    if (value === 0) this.disarm();
    else this.#arm(this.#host.clock.now() + (value >>> 0) * this.#divisor);
  }

  /** The remaining counts go on at the new rate. */
  writeDivide(value: number): void {
    const count = this.currentCount;
    this.#set(REG.divide, value & 0x0b);
    if (this.#state.due >= 0n && this.#mode !== MODE.deadline) this.#arm(this.#host.clock.now() + count * this.#divisor);
  }

  /** The LVT entry was `before`: changing into or out of deadline mode disarms. */
  modeWritten(before: number): void {
    if (((before ^ this.#reg(REG.lvtTimer)) & (MODE.deadline << 17)) === 0) return;
    this.#state.tscDeadline = 0n;
    this.#set(REG.initialCount, 0);
    this.disarm();
  }

  /** IA32_TSC_DEADLINE; ignored in other modes. */
  writeDeadline(value: bigint): void {
    if (this.#mode !== MODE.deadline) return;
    this.#state.tscDeadline = value;
    if (value === 0n) this.disarm();
    else {
      this.#armDeadline();
      // A time already past interrupts after this very instruction.
      this.settle();
    }
  }

  /** The guest's counter jumped: a deadline that counts on it moves with it. */
  counterMoved(): void {
    if (this.#mode !== MODE.deadline || this.#state.tscDeadline === 0n) return;
    this.#armDeadline();
    this.settle();
  }

  get deadline(): bigint {
    return this.#mode === MODE.deadline ? this.#state.tscDeadline : 0n;
  }

  /** What is due already and not served yet happens before a register changes its meaning. */
  settle(): void {
    const { due } = this.#state;
    if (due >= 0n && Number(due) <= this.#host.clock.now()) this.expire(Number(due));
  }

  /** The time asked for has come. */
  expire(due: number): void {
    if (this.#state.due < 0n) return;
    const mode = this.#mode;
    if (mode === MODE.deadline) {
      // The guest may have changed its counter since it armed.
      if (BigInt.asIntN(64, this.#state.tscDeadline - this.#host.guestTsc()) > ROUNDING) {
        this.#armDeadline();
        return;
      }
      this.#state.tscDeadline = 0n;
    }
    const initial = this.#reg(REG.initialCount);
    if (mode === MODE.periodic && initial !== 0) {
      // Ticks that a busy host missed are dropped: the request register would merge them anyway.
      const period = Math.max(SHORTEST_PERIOD, initial * this.#divisor);
      const late = Math.max(0, Math.floor((this.#host.clock.now() - due) / period));
      this.#arm(due + (late + 1) * period);
    } else {
      this.disarm();
    }
    this.#host.expired();
  }

  disarm(): void {
    this.#state.due = -1n;
    this.#timer.cancel();
  }

  /** Go on from the counts in the register page. */
  resume(counts: number): void {
    if (this.#mode === MODE.deadline || counts === 0) this.disarm();
    else this.#arm(this.#host.clock.now() + counts * this.#divisor);
  }

  /** The deadline again from state. */
  restored(): void {
    if (this.#state.due < 0n) this.#timer.cancel();
    else if (this.#mode === MODE.deadline) this.#armDeadline();
    else this.#timer.at(Number(this.#state.due));
  }

  #armDeadline(): void {
    const ticks = Number(BigInt.asIntN(64, this.#state.tscDeadline - this.#host.guestTsc()));
    this.#arm(this.#host.clock.now() + Math.max(0, (ticks / this.#host.tscHz) * 1e9));
  }

  #arm(due: number): void {
    const bounded = Math.min(Math.ceil(due), 2 ** 61);
    this.#state.due = BigInt(bounded);
    this.#timer.at(bounded);
  }

  #reg(at: number): number {
    return this.#state.regs[at >>> 2] as number;
  }

  #set(at: number, value: number): void {
    this.#state.regs[at >>> 2] = value;
  }
}
