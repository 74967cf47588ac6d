/** Whether vCPUs may run: one word of shared memory that every vCPU thread looks at between two runs. */
import type { MachineMemory } from '../memory/index.ts';

const CLOSED = 0;
const OPEN = 1;
const ENDING = 2;

/** Zero-filled memory is a closed gate. */
export class Gate {
  readonly #words: Int32Array;
  readonly #index: number;

  constructor({ arena, i32, vcpus }: MachineMemory) {
    this.#words = i32;
    this.#index = arena.take('gate', 4 * (1 + vcpus), 64) >>> 2;
  }

  get state(): 'closed' | 'open' | 'ending' {
    const word = Atomics.load(this.#words, this.#index);
    return word === CLOSED ? 'closed' : word === OPEN ? 'open' : 'ending';
  }

  /** Let vCPUs run. Nothing happens once the machine is ending. */
  open(): void {
    if (Atomics.compareExchange(this.#words, this.#index, CLOSED, OPEN) === CLOSED) Atomics.notify(this.#words, this.#index);
  }

  /** Keep vCPUs from running again; whoever closes then raises `stop`. Callable from any thread. */
  close(): void {
    Atomics.compareExchange(this.#words, this.#index, OPEN, CLOSED);
  }

  /** For good: threads end instead of waiting. */
  end(): void {
    Atomics.store(this.#words, this.#index, ENDING);
    Atomics.notify(this.#words, this.#index);
  }

  /** Blocks while the gate is closed. Not for the main thread. */
  waitWhileClosed(): void {
    while (Atomics.load(this.#words, this.#index) === CLOSED) Atomics.wait(this.#words, this.#index, CLOSED);
  }

  /** Ask a vCPU for a report; whoever asks then raises `sync`. */
  wantReport(vcpu: number): void {
    Atomics.store(this.#words, this.#index + 1 + vcpu, 1);
  }

  /** Whether a report was asked for since the last call. */
  takeReportWanted(vcpu: number): boolean {
    return (
      Atomics.load(this.#words, this.#index + 1 + vcpu) !== 0 && Atomics.exchange(this.#words, this.#index + 1 + vcpu, 0) !== 0
    );
  }
}
