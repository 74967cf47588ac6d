/** What every x87 definition does: checks before, the call of the routine, the operand pointer after. */
import { defineInstruction } from '../define.ts';
import type { Emitter, Facts, Int, Operand } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { takePendingException } from '../mmx/state.ts';
import { type X87Op, x87Index } from './ops.ts';

const CR0_EM_TS = 12;
const ES = 7;

/** #NM with CR0.EM or CR0.TS. Non-waiting control instructions do no more. */
export function requireX87(e: Emitter): void {
  e.raiseIf(e.ne(e.and(e.field('cr0'), e.const(CR0_EM_TS)), e.const(0)), 7);
}

/** Waiting instructions also take a pending exception. */
export function begin(e: Emitter): void {
  requireX87(e);
  takePendingException(e);
}

export function call(e: Emitter, op: X87Op, args: readonly (number | Int)[] = []): [Int, Int] {
  const [a, b, c] = [0, 1, 2].map((i) => args[i] ?? 0).map((arg) => (typeof arg === 'number' ? e.const(arg) : arg)) as [
    Int,
    Int,
    Int,
  ];
  return e.slow('x87', e.const(x87Index(op)), a, b, c);
}

/** FDP follows the operand of an instruction that leaves an unmasked exception behind (CPUID.7.0:EBX bit 6). */
export function noteOperand(e: Emitter, op: Operand): void {
  e.if(e.bit(e.field('fsw'), ES), () => e.setField('fdp', e.address(op)));
}

export function define(name: string, forms: readonly string[], run: (e: Emitter, f: Facts) => void): Definition {
  const all = forms.map((form) => `${form} feature:fpu`);
  return defineInstruction({ name, forms: all, flags: { reads: '', writes: '' }, run });
}
