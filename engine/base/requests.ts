import { assert } from './assert.ts';
import { Lock } from './lock.ts';

/**
 * Bits of a vCPU's request word. `interrupt` and `nmi` are served inside `run()`, which returns for init, sipi, stop and sync; `debug` and
 * `window` are the processor's own.
 */
export const REQUEST = {
  interrupt: 1,
  nmi: 2,
  init: 4,
  sipi: 8,
  stop: 16,
  flushTlb: 32,
  sync: 64,
  debug: 128,
  window: 256,
} as const;

const GATE = 0;
const LOCK = 1;
const WAITERS = 2;
const EPOCHS = 4;

/** Bytes of the block `Requests` needs for `vcpus` vCPUs, zero-filled at first, 4-byte aligned. */
export function requestsBytes(vcpus: number): number {
  return 4 * (EPOCHS + vcpus);
}

export interface RequestsPlace {
  /** View of the whole shared memory. */
  readonly words: Int32Array;
  /** Byte address of the block of `requestsBytes`. */
  readonly block: number;
  readonly vcpus: number;
  /** Byte address of a vCPU's request word. */
  readonly requestWord: (vcpu: number) => number;
}

/**
 * The one primitive between threads: raise bits in a vCPU's request word, wake it, and know when it has passed a safe point.
 *
 * Each vCPU has an epoch word: odd while it may touch guest memory on its own (inside `run()`), even at a safe point: halted, waiting for
 * the machine lock, in a host call, outside `run()`. Whoever must know that a vCPU sees a change raises a bit first and then waits until
 * the epoch has changed or is even; a vCPU that leaves a safe point makes the epoch odd first and then looks at the gate and its request
 * word. Both orders are sequentially consistent, so one of the two sees the other.
 *
 * Lock order: machine lock, then exclusive section. A body of `exclusive` never takes the machine lock.
 */
export class Requests {
  readonly vcpus: number;
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #requestWord: (vcpu: number) => number;
  readonly #lock: Lock;

  constructor(place: RequestsPlace) {
    this.vcpus = place.vcpus;
    this.#words = place.words;
    this.#at = place.block >>> 2;
    this.#requestWord = place.requestWord;
    this.#lock = new Lock(place.words, this.#at + LOCK);
  }

  /** Byte addresses of all request words, for a thread that builds its own view without the processors. */
  requestWords(): number[] {
    return Array.from({ length: this.vcpus }, (_, vcpu) => this.#requestWord(vcpu));
  }

  /** Raise `bits` for every vCPU in `mask` (bit i = vCPU i) and wake those that wait. Returns at once; callable from any thread. */
  raise(mask: number, bits: number): void {
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) if ((mask >>> vcpu) & 1) this.raiseOne(vcpu, bits);
  }

  /** `raise` for one vCPU. Returns which of the bits were raised already. */
  raiseOne(vcpu: number, bits: number): number {
    const word = this.#requestWord(vcpu) >>> 2;
    const before = Atomics.or(this.#words, word, bits) & bits;
    if (before !== bits) Atomics.notify(this.#words, word);
    return before;
  }

  /** Bits raised for a vCPU and not served yet. */
  pending(vcpu: number): number {
    return Atomics.load(this.#words, this.#requestWord(vcpu) >>> 2) >>> 0;
  }

  /** The vCPU's own thread says that it has served `bits`. Returns which of them were raised. */
  served(vcpu: number, bits: number): number {
    return Atomics.and(this.#words, this.#requestWord(vcpu) >>> 2, ~bits) & bits;
  }

  /** Blocks the vCPU's thread at a safe point until one of `wake` is raised or `milliseconds` have passed; true when one is raised. */
  wait(vcpu: number, wake: number, milliseconds: number): boolean {
    assert(!this.running(vcpu), 'a vCPU waits at a safe point only');
    const word = this.#requestWord(vcpu) >>> 2;
    const seen = Atomics.load(this.#words, word);
    if ((seen & wake) !== 0) return true;
    if (milliseconds > 0) Atomics.wait(this.#words, word, seen, milliseconds);
    return (Atomics.load(this.#words, word) & wake) !== 0;
  }

  /** Whether a vCPU may touch guest memory on its own, or is about to look whether it may. */
  running(vcpu: number): boolean {
    return (Atomics.load(this.#words, this.#epoch(vcpu)) & 1) === 1;
  }

  /** Leave a safe point; waits while an exclusive section of another thread lasts. The caller then looks at its request word. */
  enterRun(vcpu: number): void {
    for (;;) {
      Atomics.add(this.#words, this.#epoch(vcpu), 1);
      if (Atomics.load(this.#words, this.#at + GATE) === 0) return;
      this.leaveRun(vcpu);
      Atomics.wait(this.#words, this.#at + GATE, 1);
    }
  }

  /** Reach a safe point. */
  leaveRun(vcpu: number): void {
    const epoch = this.#epoch(vcpu);
    Atomics.add(this.#words, epoch, 1);
    if (Atomics.load(this.#words, this.#at + WAITERS) !== 0) Atomics.notify(this.#words, epoch);
  }

  /**
   * Raise `bits` and `sync` for `mask` and return once each of those vCPUs has been at a safe point since. `self` is the calling vCPU
   * or -1; it is left out. The vCPUs go on at once: what they must see has to be in memory before the call.
   */
  synchronize(mask: number, bits: number, self = -1): void {
    Atomics.add(this.#words, this.#at + WAITERS, 1);
    try {
      const epochs: [number, number][] = [];
      for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
        if (vcpu === self || ((mask >>> vcpu) & 1) === 0) continue;
        this.raiseOne(vcpu, bits | REQUEST.sync);
        epochs.push([this.#epoch(vcpu), Atomics.load(this.#words, this.#epoch(vcpu))]);
      }
      this.#asSafe(self, () => {
        for (const [word, seen] of epochs) {
          if ((seen & 1) === 1) while (Atomics.load(this.#words, word) === seen) Atomics.wait(this.#words, word, seen);
        }
      });
    } finally {
      Atomics.sub(this.#words, this.#at + WAITERS, 1);
    }
  }

  /**
   * Run `body` while every other vCPU stands at a safe point. `bits` are raised for all of them (`flushTlb` when the map changes).
   * `self` is the calling vCPU or -1. Sections of several threads follow one another; a section within a section is refused.
   */
  exclusive<T>(self: number, bits: number, body: () => T): T {
    this.beginExclusive(self, bits);
    try {
      return body();
    } finally {
      this.endExclusive();
    }
  }

  /**
   * The first half of `exclusive`, for a section around generated code. The caller ends it before it takes the machine lock, leaves
   * `run()` or enters a safe point in any other way. The wait is a safe point of `self`: what it knew of the map may have changed.
   */
  beginExclusive(self: number, bits: number): void {
    this.#asSafe(self, () => this.#lock.acquire());
    Atomics.store(this.#words, this.#at + GATE, 1);
    Atomics.add(this.#words, this.#at + WAITERS, 1);
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) if (vcpu !== self) this.raiseOne(vcpu, bits | REQUEST.sync);
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) if (vcpu !== self) this.#awaitSafe(this.#epoch(vcpu));
  }

  endExclusive(): void {
    Atomics.sub(this.#words, this.#at + WAITERS, 1);
    Atomics.store(this.#words, this.#at + GATE, 0);
    Atomics.notify(this.#words, this.#at + GATE);
    this.#lock.release();
  }

  #awaitSafe(word: number): void {
    for (let seen = Atomics.load(this.#words, word); (seen & 1) === 1; seen = Atomics.load(this.#words, word)) {
      Atomics.wait(this.#words, word, seen);
    }
  }

  /** While a running vCPU waits for others, it must not be what they wait for. */
  #asSafe(self: number, wait: () => void): void {
    const inside = self >= 0 && this.running(self);
    if (inside) this.leaveRun(self);
    wait();
    if (inside) this.enterRun(self);
  }

  #epoch(vcpu: number): number {
    return this.#at + EPOCHS + vcpu;
  }
}
