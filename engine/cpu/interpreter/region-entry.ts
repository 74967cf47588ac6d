/** Where the loop meets the beginning of a block: it is counted, and its region runs in its place where it has one. */
import type { Code, Label } from '../../wasm/code.ts';
import { BLOCK, LEFT } from '../regions.ts';
import { offsetOf, type RegionCounter } from '../state.ts';
import type { LoopBudget } from './loop-budget.ts';

const CPU = 0;

export interface RegionEntryOptions {
  readonly functionIndex: (name: string) => number;
  readonly regionType: number;
  /** RIP and budget of the loop; its record and status, which say nothing any more when a region has run; whether interrupts are held back. */
  readonly locals: {
    readonly rip: number;
    readonly budget: LoopBudget;
    readonly record: number;
    readonly status: number;
    readonly shadow: number;
  };
}

export class RegionEntry {
  readonly #code: Code;
  readonly #options: RegionEntryOptions;
  /** What the last region returned: not 0, and the block at RIP is interpreted. */
  readonly #skip: number;
  readonly #slot: number;

  constructor(code: Code, options: RegionEntryOptions) {
    this.#code = code;
    this.#options = options;
    this.#skip = code.local('i32');
    this.#slot = code.local('i32');
  }

  /** Execution stands before the block in the local `block`; RIP is set. After a region it goes on at `outer`. */
  enter(block: number, outer: Label): void {
    const code = this.#code;
    const { functionIndex, regionType, locals } = this.#options;
    code.get(block);
    code.get(block);
    code.memory('i32.load', BLOCK.heat);
    code.i32(-1);
    code.op('i32.add');
    code.tee(this.#slot);
    code.memory('i32.store', BLOCK.heat);
    code.get(this.#slot);
    code.op('i32.eqz');
    code.if(undefined, false);
    this.#save();
    code.get(CPU);
    code.get(block);
    code.call(functionIndex('hot'));
    code.drop();
    code.end();
    code.i32(0);
    code.get(block);
    code.memory('i32.load', BLOCK.region);
    code.get(this.#skip);
    code.select();
    code.tee(this.#slot);
    code.i32(0);
    code.set(this.#skip);
    code.if();
    this.#save();
    code.get(CPU);
    code.get(this.#slot);
    code.callIndirect(regionType, 0);
    code.tee(this.#slot);
    code.i32(LEFT.skip);
    code.op('i32.and');
    code.set(this.#skip);
    code.get(this.#slot);
    code.i32(LEFT.shadow);
    code.op('i32.and');
    code.set(locals.shadow);
    this.#count('regionRetired', () => {
      locals.budget.takeLess();
      code.op('i64.extend_i32_u');
    });
    this.#count('regionEntries', () => code.i64(1n));
    this.goOn(outer);
    code.end();
  }

  /** At the RIP in the state, which no record leads to. */
  goOn(outer: Label): void {
    const code = this.#code;
    const { locals } = this.#options;
    code.get(CPU);
    code.memory('i64.load', offsetOf('rip'));
    code.set(locals.rip);
    for (const local of [locals.record, locals.status]) {
      code.i32(0);
      code.set(local);
    }
    code.br(outer);
  }

  #count(what: RegionCounter, amount: () => void): void {
    const code = this.#code;
    code.get(CPU);
    code.get(CPU);
    code.memory('i64.load', offsetOf(what));
    amount();
    code.op('i64.add');
    code.memory('i64.store', offsetOf(what));
  }

  #save(): void {
    const code = this.#code;
    const { locals } = this.#options;
    code.get(CPU);
    code.get(locals.rip);
    code.memory('i64.store', offsetOf('rip'));
    locals.budget.store();
  }
}
