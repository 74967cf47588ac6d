/**
 * VM entry asks whether MOV SS came just before, a VM exit tells of STI, and only who has called `run` knows: in VMX operation an
 * instruction that may ask runs by itself.
 */
import type { Code } from '../../wasm/code.ts';
import type { Statement } from '../ir/node.ts';
import { walk } from '../ir/walk.ts';
import { BLOCK_BYTES, REC, SPECIAL_COUNT } from '../regions.ts';
import { offsetOf } from '../state.ts';

const CPU = 0;
/** Routines in TypeScript, and quick forms of them: they may begin or end VMX non-root operation. */
const ASKING = /^(slow$|quick\.|x87\.)/;

export interface ShadowOptions {
  /** IR of the handlers in the loop. */
  readonly inline: readonly (readonly Statement[])[];
  /** Locals: not 0 where the instruction before holds interrupts back, the block that is entered, and one that is free. */
  readonly shadow: number;
  readonly block: number;
  readonly scratch: number;
  /** Leave `run` before the block. */
  readonly leave: () => void;
}

/** Before a block is entered. */
export function aloneInShadow(code: Code, { inline, shadow, block, scratch, leave }: ShadowOptions): void {
  code.get(shadow);
  code.if();
  code.i32(0);
  code.set(shadow);
  code.get(CPU);
  code.memory('i32.load', offsetOf('vmxonPointer') + 4);
  code.i32(-1);
  code.op('i32.ne');
  code.if();
  const quiet = code.block();
  const alone = code.block();
  code.get(block);
  code.memory('i32.load16_u', BLOCK_BYTES + REC.op);
  code.tee(scratch);
  code.i32(SPECIAL_COUNT);
  code.op('i32.lt_u');
  code.brIf(alone);
  code.get(scratch);
  code.i32(SPECIAL_COUNT + inline.length);
  code.op('i32.ge_u');
  code.brIf(alone);
  for (const number of asking(inline)) {
    code.get(scratch);
    code.i32(number);
    code.op('i32.eq');
    code.brIf(alone);
  }
  code.br(quiet);
  code.end(); // alone
  leave();
  code.end(); // quiet
  code.end();
  code.end();
}

/** Handler numbers of the cases that may ask. */
function asking(inline: readonly (readonly Statement[])[]): number[] {
  return inline.flatMap((statements, i) => {
    let asks = false;
    walk(statements, (statement) => {
      if (statement.s === 'def' && statement.node.what.op === 'call' && ASKING.test(statement.node.what.callee)) asks = true;
    });
    return asks ? [SPECIAL_COUNT + i] : [];
  });
}
