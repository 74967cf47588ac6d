/**
 * Direct branches, linked to the block they lead to. Inside a page they lead to the same block wherever the page is mapped. Where a block of
 * another page was found last, it says itself: at which linear address, for which address spaces and in which epoch, as links of regions do
 * (decision 0125).
 */

import { FIXED } from '../../memory/index.ts';
import type { Code } from '../../wasm/code.ts';
import { FLAT_CODE } from '../derived.ts';
import { BLOCK, CPU_JUMPS, CPU_LINK_EPOCH, JUMP_ENTRY, REC, REC_FLAG } from '../regions.ts';
import { offsetOf } from '../state.ts';

const CPU = 0;

/** Locals of the loop: RIP, its linear address once that was asked for, the branch's record, the block, its place in the jump cache. */
export interface PageLinkLocals {
  readonly rip: number;
  readonly linear: number;
  readonly record: number;
  readonly found: number;
  readonly entry: number;
}

export class PageLinks {
  readonly #code: Code;
  readonly #locals: PageLinkLocals;

  constructor(code: Code, locals: PageLinkLocals) {
    this.#code = code;
    this.#locals = locals;
  }

  /** Leaves the linear address of RIP on the wasm stack. */
  linearOfRip(): void {
    const code = this.#code;
    code.get(this.#locals.rip);
    code.get(CPU);
    code.memory('i64.load', offsetOf('fetchBase'));
    code.op('i64.add');
    code.tee(this.#locals.linear);
  }

  /** Leaves on the wasm stack whether the block that was linked is what stands at RIP. */
  isWhereFound(): void {
    const code = this.#code;
    const { found } = this.#locals;
    const isKey = (name: 'jumpKey' | 'globalJumpKey'): void => {
      code.get(found);
      code.memory('i32.load', BLOCK.key);
      code.get(CPU);
      code.memory('i32.load', offsetOf(name));
      code.op('i32.eq');
    };
    this.linearOfRip();
    code.get(found);
    code.memory('i64.load', BLOCK.linear);
    code.op('i64.eq');
    isKey('jumpKey');
    isKey('globalJumpKey');
    code.op('i32.or');
    code.op('i32.and');
    this.#epochNow();
    code.get(found);
    code.memory('i32.load', BLOCK.epoch);
    code.op('i32.eq');
    code.op('i32.and');
  }

  /** A block was found for the branch, which ends the one in the local `from`: it goes straight there next time. `generationFits` as below. */
  link(from: number, generationFits: () => void): void {
    const code = this.#code;
    const { found, record } = this.#locals;
    code.get(record);
    code.memory('i32.load8_u', REC.flags);
    code.i32(REC_FLAG.samePage);
    code.op('i32.and');
    code.if();
    code.get(found);
    code.memory('i32.load', BLOCK.crossing);
    code.op('i32.eqz');
    code.get(found);
    code.memory('i32.load', BLOCK.generationAt);
    code.get(from);
    code.memory('i32.load', BLOCK.generationAt);
    code.op('i32.eq');
    code.op('i32.and');
    code.if();
    this.#store();
    code.end();
    code.else();
    this.#linkAfar(generationFits);
    code.end();
  }

  /**
   * To another page, if the jump cache has it there. Only where segments end nowhere, in long mode or flat code, and not where it
   * goes on in a second page, which may be mapped elsewhere. `generationFits` leaves on the wasm stack whether its page is as it was decoded.
   */
  #linkAfar(generationFits: () => void): void {
    const code = this.#code;
    const { found, entry, linear } = this.#locals;
    code.get(CPU);
    code.memory('i32.load', offsetOf('modeKey'));
    code.i32(FLAT_CODE);
    code.op('i32.and');
    code.op('i32.eqz');
    code.op('i32.eqz');
    code.get(found);
    code.memory('i32.load', BLOCK.crossing);
    code.op('i32.eqz');
    code.op('i32.and');
    code.get(entry);
    code.memory('i32.load', CPU_JUMPS + JUMP_ENTRY.block);
    code.get(found);
    code.op('i32.eq');
    code.op('i32.and');
    code.get(entry);
    code.memory('i64.load', CPU_JUMPS + JUMP_ENTRY.linear);
    code.get(linear);
    code.op('i64.eq');
    code.op('i32.and');
    code.if();
    code.get(found);
    code.get(linear);
    code.memory('i64.store', BLOCK.linear);
    code.get(found);
    code.get(entry);
    code.memory('i32.load', CPU_JUMPS + JUMP_ENTRY.key);
    code.memory('i32.store', BLOCK.key);
    // Before the generation is looked at once more: another vCPU may have changed it since the block was found.
    code.get(found);
    this.#epochNow();
    code.memory('i32.store', BLOCK.epoch);
    generationFits();
    code.if();
    this.#store();
    code.end();
    code.end();
  }

  #store(): void {
    const code = this.#code;
    code.get(this.#locals.record);
    code.get(this.#locals.found);
    code.memory('i32.store', REC.link);
  }

  /** As links of regions have it. Leaves it on the wasm stack. */
  #epochNow(): void {
    const code = this.#code;
    code.i32(0);
    code.memory('i32.load', FIXED.codeEpoch);
    code.get(CPU);
    code.memory('i32.load', CPU_LINK_EPOCH);
    code.op('i32.add');
  }
}
