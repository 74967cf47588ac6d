/** Whether vCPUs may run: one word of shared memory that every vCPU thread looks at between two runs. */
import type { MachineMemory } from '../memory/index.ts';
import type { Question } from './messages.ts';

const CLOSED = 0;
const OPEN = 1;
const ENDING = 2;
/** Words of a vCPU's question: kind (0: none), serial number, low and high half of an address. */
const QUESTION_WORDS = 4;
const KINDS: readonly Question['kind'][] = ['registers', 'vmcs', 'entry-checks', 'walk'];

/** Zero-filled memory is a closed gate. */
export class Gate {
  readonly #words: Int32Array;
  readonly #index: number;

  constructor({ arena, i32, vcpus }: MachineMemory) {
    this.#words = i32;
    this.#index = arena.take('gate', 4 * (1 + QUESTION_WORDS * vcpus), 64) >>> 2;
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

  /** Ask a vCPU something; whoever asks then raises `sync`. One question at a time. */
  ask(vcpu: number, serial: number, question: Question): void {
    const at = this.#question(vcpu);
    const address = question.kind === 'walk' ? question.gva : 0n;
    // In this order: a vCPU that still reads an older question answers either that one, which nobody awaits any more, or this one.
    Atomics.store(this.#words, at + 2, Number(BigInt.asIntN(32, address)));
    Atomics.store(this.#words, at + 3, Number(BigInt.asIntN(32, address >> 32n)));
    Atomics.store(this.#words, at + 1, serial);
    Atomics.store(this.#words, at, 1 + KINDS.indexOf(question.kind));
  }

  /** What a vCPU was asked since the last call. */
  takeQuestion(vcpu: number): { readonly serial: number; readonly question: Question } | undefined {
    const at = this.#question(vcpu);
    if (Atomics.load(this.#words, at) === 0) return undefined;
    const kind = KINDS[Atomics.exchange(this.#words, at, 0) - 1];
    if (kind === undefined) return undefined;
    const serial = Atomics.load(this.#words, at + 1);
    const low = BigInt(Atomics.load(this.#words, at + 2) >>> 0);
    const gva = low | (BigInt(Atomics.load(this.#words, at + 3) >>> 0) << 32n);
    return { serial, question: kind === 'walk' ? { kind, gva } : { kind } };
  }

  #question(vcpu: number): number {
    return this.#index + 1 + QUESTION_WORDS * vcpu;
  }
}
