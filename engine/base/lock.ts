import { assert } from './assert.ts';

/**
 * A lock between threads in one i32 word: 0 free, 1 held, 2 held and somebody may wait. Not reentrant. Zero-filled memory is a free
 * lock. One object per thread and lock, made over the same word.
 */
export class Lock {
  readonly #words: Int32Array;
  readonly #index: number;
  #held = false;
  /** Called by the thread that has just taken the lock, which it holds. */
  acquired: () => void = () => undefined;
  /** Called by the thread that has just released the lock; it may take it again. */
  released: () => void = () => undefined;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  /** Whether this thread holds the lock (through this object). */
  get held(): boolean {
    return this.#held;
  }

  tryAcquire(): boolean {
    assert(!this.#held, 'a lock is not taken twice by one thread');
    this.#held = Atomics.compareExchange(this.#words, this.#index, 0, 1) === 0;
    if (this.#held) this.acquired();
    return this.#held;
  }

  /** Waits without limit. A vCPU thread is at a safe point (`Requests.leaveRun`) while it waits here. */
  acquire(): void {
    if (this.tryAcquire()) return;
    while (Atomics.exchange(this.#words, this.#index, 2) !== 0) Atomics.wait(this.#words, this.#index, 2);
    this.#held = true;
    this.acquired();
  }

  release(): void {
    assert(this.#held, 'only the holder releases a lock');
    this.#held = false;
    if (Atomics.exchange(this.#words, this.#index, 0) === 2) Atomics.notify(this.#words, this.#index, 1);
    this.released();
  }

  /** Runs `body` with the lock held. */
  run<T>(body: () => T): T {
    this.acquire();
    try {
      return body();
    } finally {
      this.release();
    }
  }
}
