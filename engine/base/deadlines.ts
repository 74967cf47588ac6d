import { assert } from './assert.ts';
import type { MachineClock } from './clock.ts';
import { Lock } from './lock.ts';

/** How many timers one machine can have. Finding the next among so few costs less than keeping a heap in order across threads. */
const TIMERS = 128;
/** Bytes of the block, 8-byte aligned. */
export const DEADLINES_BYTES = 16 + TIMERS * 8;

const LOCK = 0;
const READY = 1;
const MADE = 2;
const SLOTS = 2;

/** A deadline of one device. */
export interface Timer {
  /** Arm for machine time `ns`; an earlier deadline of this timer is replaced. A time already past fires at the next service. */
  at(ns: number): void;
  cancel(): void;
  /** Machine time in ns, Infinity when not armed. */
  readonly deadline: number;
}

/**
 * All deadlines of a machine in shared memory: any thread arms, any thread that holds the machine lock serves, a vCPU bounds its budget
 * by `next()`. Every thread makes the same timers in the same order, so a timer's number means the same in all.
 * Block: i32 lock, ready, timers made, –; then one f64 per timer.
 */
export class Deadlines {
  readonly clock: MachineClock;
  /** Called after this thread has armed a deadline for machine time `ns`: its next wait or run may have to end sooner. */
  onArmed: ((ns: number) => void) | undefined;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  readonly #lock: Lock;
  readonly #fire: ((due: number) => void)[] = [];

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, at: number, clock: MachineClock) {
    this.clock = clock;
    this.#words = new Int32Array(buffer, at, 4);
    this.#times = new Float64Array(buffer, at, SLOTS + TIMERS);
    this.#lock = new Lock(this.#words, LOCK);
    this.#lock.run(() => {
      if (this.#words[READY] !== 0) return;
      this.#words[READY] = 1;
      this.#times.fill(Number.POSITIVE_INFINITY, SLOTS);
    });
  }

  /** Make the next timer. `fire` runs on the thread that serves it, under the machine lock, with the time that was asked for. */
  timer(fire: (due: number) => void): Timer {
    const number = this.#fire.length;
    assert(number < TIMERS, `a machine has at most ${TIMERS} timers`);
    this.#fire.push(fire);
    this.#lock.run(() => {
      this.#words[MADE] = Math.max(this.#words[MADE] as number, number + 1);
    });
    const times = this.#times;
    const arm = (ns: number) => this.#arm(number, ns);
    return {
      at: arm,
      cancel: () => arm(Number.POSITIVE_INFINITY),
      get deadline() {
        return times[SLOTS + number] as number;
      },
    };
  }

  /** The earliest deadline in machine ns, Infinity when there is none. */
  next(): number {
    return this.#lock.run(() => this.#times[SLOTS + this.#earliest()] as number);
  }

  /** Fire everything due at machine time `now`. The caller holds the machine lock and has made all timers. Returns how many fired. */
  serve(now: number): number {
    for (let fired = 0; ; fired++) {
      // A device that keeps arming the past must not hold the thread here: what remains is served by the next call.
      if (fired === 4 * TIMERS) return fired;
      let due = 0;
      const number = this.#lock.run(() => {
        const first = this.#earliest();
        due = this.#times[SLOTS + first] as number;
        if (!(due <= now)) return -1;
        this.#times[SLOTS + first] = Number.POSITIVE_INFINITY;
        return first;
      });
      if (number < 0) return fired;
      this.#fire[number]?.(due);
    }
  }

  #arm(number: number, ns: number): void {
    this.#lock.run(() => {
      this.#times[SLOTS + number] = ns;
    });
    if (ns !== Number.POSITIVE_INFINITY) this.onArmed?.(ns);
  }

  #earliest(): number {
    const times = this.#times;
    let first = 0;
    const made = this.#words[MADE] as number;
    for (let i = 1; i < made; i++) {
      if ((times[SLOTS + i] as number) < (times[SLOTS + first] as number)) first = i;
    }
    return first;
  }
}
