/** Bytes of the clock's block, 8-byte aligned. */
export const CLOCK_BYTES = 32;

/** Nanoseconds of the host's monotonic clock as a number below 2^53 (104 days). Given by `host`, or by a test. */
export type HostNow = () => number;

/**
 * The one clock of a machine in ns: the host's monotonic time, scaled and offset, standing still while the machine is stopped. Every
 * timer and counter of the machine is computed from it on read. All threads share one block: i32 sequence (odd while it changes), i32
 * running, f64 machine ns at the origin, f64 host ns at the origin, f64 scale.
 *
 * The result never goes backwards while the host's clock does not; a host clock that goes backwards is passed on, and devices bear it.
 */
export class MachineClock {
  readonly #words: Int32Array;
  readonly #values: Float64Array;
  readonly #hostNow: HostNow;
  /** What the block said at this sequence; -1: nothing yet. */
  #known = { sequence: -1, running: false, offset: 0, origin: 0, scale: 1 };

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, at: number, hostNow: HostNow) {
    this.#words = new Int32Array(buffer, at, 2);
    this.#values = new Float64Array(buffer, at + 8, 3);
    this.#hostNow = hostNow;
  }

  /** Machine time in ns, not negative, not an integer in general. */
  now(): number {
    if (Atomics.load(this.#words, 0) !== this.#known.sequence) this.#read();
    const { running, offset, origin, scale } = this.#known;
    return running ? Math.max(0, offset + (this.#hostNow() - origin) * scale) : offset;
  }

  #read(): void {
    for (;;) {
      const sequence = Atomics.load(this.#words, 0);
      const running = Atomics.load(this.#words, 1) !== 0;
      const [offset, origin, scale] = [this.#values[0] as number, this.#values[1] as number, this.#values[2] as number];
      if ((sequence & 1) !== 0 || Atomics.load(this.#words, 0) !== sequence) continue;
      this.#known = { sequence, running, offset, origin, scale };
      return;
    }
  }

  get running(): boolean {
    return Atomics.load(this.#words, 1) !== 0;
  }

  /** Let time pass; `scale` is machine ns per host ns. */
  start(scale = 1): void {
    this.#change(this.now(), true, scale);
  }

  stop(): void {
    this.#change(this.now(), false, 1);
  }

  /** Set machine time, for restore. Only while the machine is stopped. */
  set(ns: number): void {
    this.#change(ns, false, 1);
  }

  /** Host ns until machine time reaches `ns`; Infinity while the clock stands. */
  hostUntil(ns: number): number {
    if (!this.running) return Number.POSITIVE_INFINITY;
    return Math.max(0, (ns - this.now()) / (this.#values[2] as number));
  }

  #change(offset: number, running: boolean, scale: number): void {
    Atomics.add(this.#words, 0, 1);
    this.#values[0] = offset;
    this.#values[1] = this.#hostNow();
    this.#values[2] = scale;
    Atomics.store(this.#words, 1, running ? 1 : 0);
    Atomics.add(this.#words, 0, 1);
  }
}
