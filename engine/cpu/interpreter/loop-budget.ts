/**
 * How many instructions the loop may still retire. In a block nothing is counted: the budget ends where a record would stand. Between blocks it
 * is a number. Both are in bytes of records, modulo 2^32.
 */
import type { Code } from '../../wasm/code.ts';
import { BLOCK_BYTES, RECORD_BYTES } from '../regions.ts';
import { offsetOf } from '../state.ts';

const CPU = 0;
const SHIFT = Math.log2(RECORD_BYTES);
/** The most instructions of one call of the loop. */
export const LONGEST_RUN = 2 ** 26;

export class LoopBudget {
  readonly #code: Code;
  readonly #record: number;
  readonly #left: number;
  readonly #limit: number;

  /** @param record local of the loop's record */
  constructor(code: Code, record: number) {
    this.#code = code;
    this.#record = record;
    this.#left = code.local('i32');
    this.#limit = code.local('i32');
  }

  /** Between blocks: take that of the state. */
  load(): void {
    this.#ofState();
    this.#code.set(this.#left);
  }

  /** Between blocks: bring the state up to date. */
  store(): void {
    this.#code.get(CPU);
    this.instructions();
    this.#code.memory('i32.store', offsetOf('budget'));
  }

  /** Between blocks: leaves it on the wasm stack. */
  instructions(): void {
    this.#code.get(this.#left);
    this.#code.i32(SHIFT);
    this.#code.op('i32.shr_u');
  }

  /** Between blocks: leaves on the wasm stack by how much the state's is less, and takes it. */
  takeLess(): void {
    const code = this.#code;
    code.get(this.#left);
    this.#ofState();
    code.tee(this.#left);
    code.op('i32.sub');
    code.i32(SHIFT);
    code.op('i32.shr_u');
  }

  /** Between blocks: leaves on the wasm stack whether it is used up. */
  isSpent(): void {
    this.#code.get(this.#left);
    this.#code.op('i32.eqz');
  }

  /** On to the first record of the block in a local. */
  begin(block: number): void {
    const code = this.#code;
    code.get(block);
    code.i32(BLOCK_BYTES);
    code.op('i32.add');
    code.tee(this.#record);
    code.get(this.#left);
    code.op('i32.add');
    code.set(this.#limit);
  }

  /** In a block: leaves on the wasm stack whether the record may not run any more. */
  isAtLimit(): void {
    this.#code.get(this.#record);
    this.#code.get(this.#limit);
    this.#code.op('i32.eq');
  }

  /** The block is left at its record, whose instruction has retired or not. */
  settle(instruction: 'retired' | 'not retired'): void {
    const code = this.#code;
    code.get(this.#limit);
    code.get(this.#record);
    code.op('i32.sub');
    if (instruction === 'retired') {
      code.i32(-RECORD_BYTES);
      code.op('i32.add');
    }
    code.set(this.#left);
  }

  /** In a block: the record counts as none, for it is no instruction or will be met again. */
  giveBack(): void {
    const code = this.#code;
    code.get(this.#limit);
    code.i32(RECORD_BYTES);
    code.op('i32.add');
    code.set(this.#limit);
  }

  #ofState(): void {
    const code = this.#code;
    code.get(CPU);
    code.memory('i32.load', offsetOf('budget'));
    code.i32(SHIFT);
    code.op('i32.shl');
  }
}
