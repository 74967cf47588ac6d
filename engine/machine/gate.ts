/** Whether vCPUs may run: one word of shared memory that every vCPU thread looks at between two runs, and what it is asked there. */
import type { MachineMemory } from '../memory/index.ts';
import type { Question } from './messages.ts';
import { TextCell } from './text-cell.ts';

const CLOSED = 0;
const OPEN = 1;
const ENDING = 2;
/** The state stands in the low bits; above them counts the bell that wakes a thread which waits while the gate is closed. */
const STATE = 3;
const BELL = 4;
/** Longest question, as text: a page of memory to write. */
const QUESTION_BYTES = 24 * 1024;

/** Zero-filled memory is a closed gate. */
export class Gate {
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #questions: readonly TextCell[];

  constructor(memory: MachineMemory) {
    const { arena, i32, vcpus } = memory;
    this.#words = i32;
    this.#index = arena.take('gate', 4, 64) >>> 2;
    this.#questions = Array.from({ length: vcpus }, (_, vcpu) => new TextCell(memory, `question${vcpu}`, QUESTION_BYTES));
  }

  get state(): 'closed' | 'open' | 'ending' {
    const word = Atomics.load(this.#words, this.#index) & STATE;
    return word === CLOSED ? 'closed' : word === OPEN ? 'open' : 'ending';
  }

  /** Let vCPUs run. Nothing happens once the machine is ending. */
  open(): void {
    if (this.#change(CLOSED, OPEN)) Atomics.notify(this.#words, this.#index);
  }

  /** Keep vCPUs from running again; whoever closes then raises `stop`. Callable from any thread. False when it was closed already. */
  close(): boolean {
    return this.#change(OPEN, CLOSED);
  }

  /** For good: threads end instead of waiting. */
  end(): void {
    Atomics.store(this.#words, this.#index, ENDING);
    Atomics.notify(this.#words, this.#index);
  }

  /** Blocks while the gate is closed and none of these vCPUs is asked anything; may return early. Not for the main thread. */
  waitWhileClosed(vcpus: readonly number[]): void {
    const word = Atomics.load(this.#words, this.#index);
    if ((word & STATE) !== CLOSED || vcpus.some((vcpu) => this.#questions[vcpu]?.filled)) return;
    Atomics.wait(this.#words, this.#index, word);
  }

  /** Ask a vCPU something; whoever asks then raises `sync`. One question at a time. */
  ask(vcpu: number, serial: number, question: Question): void {
    const text = JSON.stringify(question, (_, value) => (typeof value === 'bigint' ? { big: value.toString(16) } : value));
    this.#questions[vcpu]?.put(serial, text);
    Atomics.add(this.#words, this.#index, BELL);
    Atomics.notify(this.#words, this.#index);
  }

  /** What a vCPU was asked since the last call. */
  takeQuestion(vcpu: number): { readonly serial: number; readonly question: Question } | undefined {
    const taken = this.#questions[vcpu]?.take();
    if (taken === undefined) return undefined;
    const big = (_: string, value: unknown): unknown => (isBig(value) ? BigInt(`0x${value.big}`) : value);
    return { serial: taken.serial, question: JSON.parse(taken.text, big) as Question };
  }

  #change(from: number, to: number): boolean {
    for (;;) {
      const word = Atomics.load(this.#words, this.#index);
      if ((word & STATE) !== from) return false;
      if (Atomics.compareExchange(this.#words, this.#index, word, (word & ~STATE) | to) === word) return true;
    }
  }
}

function isBig(value: unknown): value is { readonly big: string } {
  return typeof value === 'object' && value !== null && 'big' in value;
}
