/**
 * Where the time goes: how long a vCPU stays in the guest and in the handlers of its exits, in powers of two of a nanosecond. Added up
 * where it happens, in shared memory, so that nothing is lost however fast a guest exits.
 */

import type { Happening } from './event-names.ts';
import { exitReasonName } from './exit-reasons.ts';
import { PROBE } from './probe-table.ts';

/** `counts[n]`: how many took from 2^n to below 2^(n+1) ns; the first also counts what took less. */
export interface Histogram {
  readonly counts: readonly number[];
  readonly nanoseconds: number;
}

export interface VcpuTimes {
  readonly vcpu: number;
  readonly guest: Histogram;
  readonly handlers: Histogram;
  /** From HLT until the guest goes on: a halted vCPU sleeps, which says nothing about the handler. */
  readonly halted: Histogram;
  readonly reasons: readonly { readonly reason: string; readonly count: number; readonly nanoseconds: number }[];
}

const BUCKETS = 48;
const REASONS = 72;
const HLT = 12;
/** Places of histograms and of the sums by reason in the cells: buckets and a sum each, then count and sum for each reason. */
const AT = { guest: 0, handlers: BUCKETS + 1, halted: 2 * (BUCKETS + 1), reasons: 3 * (BUCKETS + 1) } as const;
/** 64-bit floating-point cells of one vCPU. */
export const TIME_CELLS = AT.reasons + 2 * REASONS;

/** Adds up the times of one vCPU. On its own thread. */
export class TimeRecorder {
  readonly #cells: Float64Array;
  readonly #wanted: (exit: Happening) => boolean;
  #entered: number | undefined;
  #exited: { readonly time: number; readonly reason: number } | undefined;

  /** `wanted` chooses the exits that count: the time in the guest before them, and the time until the guest goes on. */
  constructor(cells: Float64Array, wanted: (exit: Happening) => boolean) {
    this.#cells = cells;
    this.#wanted = wanted;
  }

  feed(event: Happening): void {
    const { probe, time, args } = event;
    if (probe === PROBE.entry) {
      if (this.#exited !== undefined) this.#handled(this.#exited.reason, time - this.#exited.time);
      this.#entered = time;
      this.#exited = undefined;
    } else if (probe === PROBE.exit) {
      const wanted = this.#wanted(event);
      if (wanted && this.#entered !== undefined) this.#add(AT.guest, time - this.#entered);
      this.#entered = undefined;
      this.#exited = wanted ? { time, reason: Number((args[0] as bigint) & 0xffffn) } : undefined;
    }
  }

  #handled(reason: number, nanoseconds: number): void {
    this.#add(reason === HLT ? AT.halted : AT.handlers, nanoseconds);
    const at = AT.reasons + 2 * Math.min(reason, REASONS - 1);
    this.#cells[at] = (this.#cells[at] as number) + 1;
    this.#cells[at + 1] = (this.#cells[at + 1] as number) + nanoseconds;
  }

  #add(at: number, nanoseconds: number): void {
    const bucket = at + Math.min(BUCKETS - 1, Math.floor(Math.log2(Math.max(1, nanoseconds))));
    this.#cells[bucket] = (this.#cells[bucket] as number) + 1;
    this.#cells[at + BUCKETS] = (this.#cells[at + BUCKETS] as number) + nanoseconds;
  }
}

/** What was added up so far. On any thread. */
export function readTimes(vcpu: number, cells: Float64Array): VcpuTimes {
  const histogram = (at: number): Histogram => ({
    counts: [...cells.subarray(at, at + BUCKETS)],
    nanoseconds: cells[at + BUCKETS] as number,
  });
  const reasons = Array.from({ length: REASONS }, (_, reason) => ({
    reason: exitReasonName(reason),
    count: cells[AT.reasons + 2 * reason] as number,
    nanoseconds: cells[AT.reasons + 2 * reason + 1] as number,
  }));
  return {
    vcpu,
    guest: histogram(AT.guest),
    handlers: histogram(AT.handlers),
    halted: histogram(AT.halted),
    reasons: reasons.filter(({ count }) => count > 0),
  };
}
