/** x87 control instructions: they neither wait for pending exceptions (but FLDCW, FLDENV and FRSTOR do) nor change FIP. */
import { defineInstruction } from '../define.ts';
import type { Emitter, Facts, Int, Operand } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { takePendingException } from '../mmx/state.ts';

import { begin, call, define, requireX87 } from './calls.ts';
import type { X87Op } from './ops.ts';

/** Bits of the control word that can be written; bit 6 reads 1. */
const FCW_MASK = 0x1f3f;
const FCW_ONE = 0x40;
const EXCEPTIONS = 0x3f;
const ES_B = 0x8080;

/** ES and B follow from exceptions and masks. */
function summarize(e: Emitter, status: Int, control: Int): Int {
  const unmasked = e.and(e.and(status, e.not(64, control)), e.const(EXCEPTIONS));
  const cleared = e.and(status, e.const(0xffff & ~ES_B));
  return e.select(e.ne(unmasked, e.const(0)), e.or(cleared, e.const(ES_B)), cleared);
}

const statusWord = (e: Emitter): Int => e.or(e.field('fsw'), e.shl(64, e.field('ftop'), e.const(11)));

/** 16-bit layout by operand size, real layout outside protected and long mode. */
function image(op: X87Op, e: Emitter, { dst, width, mode }: Facts): void {
  const isProtected = mode === 'protected' || mode === 'long';
  call(e, op, [e.linear(dst), width === 16 ? 16 : 32, isProtected ? 1 : 0]);
}

const imageBytes = (width: number, registers: boolean): number => (width === 16 ? 14 : 28) + (registers ? 80 : 0);

/** Limits, first and last page and the alignment of the words or dwords are checked through the segment before the routine reads. */
function checkReadable(e: Emitter, op: Operand, bytes: number): void {
  e.loadAt(op, 0, bytes % 4 === 0 ? 32 : 16);
  e.loadAt(op, bytes - 1, 8);
}

const words = [
  define('fldcw', ['D9/5 Mw'], (e, { dst }) => {
    begin(e);
    const control = e.or(e.and(e.read(dst), e.const(FCW_MASK)), e.const(FCW_ONE));
    e.setField('fcw', control);
    e.setField('fsw', summarize(e, e.field('fsw'), control));
  }),
  define('fnstcw', ['D9/7 Mw'], (e, { dst }) => {
    requireX87(e);
    e.write(dst, e.field('fcw'));
  }),
  define('fnstsw', ['DD/7 Mw', 'DF E0 AX'], (e, { dst }) => {
    requireX87(e);
    e.write(dst, statusWord(e));
  }),
  define('fnclex', ['DB E2'], (e) => {
    requireX87(e);
    e.setField('fsw', e.and(e.field('fsw'), e.const(0x7f00)));
  }),
  define('fninit', ['DB E3'], (e) => {
    requireX87(e);
    e.setField('fcw', e.const(0x37f));
    for (const field of ['fsw', 'ftop', 'ftag', 'fop', 'fip', 'fdp', 'fcs', 'fds'] as const) e.setField(field, e.const(0));
  }),
  // FENI, FDISI and FSETPM of older coprocessors do nothing.
  define('fneni', ['DB E0'], requireX87),
  define('fndisi', ['DB E1'], requireX87),
  define('fnsetpm', ['DB E4'], requireX87),
];

const images = [
  define('fnstenv', ['D9/6 M'], (e, f) => {
    requireX87(e);
    e.probeWrite(f.dst, imageBytes(f.width, false));
    image('storeEnvironment', e, f);
  }),
  define('fldenv', ['D9/4 M'], (e, f) => {
    begin(e);
    checkReadable(e, f.dst, imageBytes(f.width, false));
    image('loadEnvironment', e, f);
  }),
  define('fnsave', ['DD/6 M'], (e, f) => {
    requireX87(e);
    e.probeWrite(f.dst, imageBytes(f.width, true));
    image('saveState', e, f);
  }),
  define('frstor', ['DD/4 M'], (e, f) => {
    begin(e);
    checkReadable(e, f.dst, imageBytes(f.width, true));
    image('restoreState', e, f);
  }),
];

/** FWAIT: #NM needs both CR0.TS and CR0.MP (SDM vol. 3, 2.5). */
const wait = defineInstruction({
  name: 'fwait',
  forms: ['9B'],
  flags: { reads: '', writes: '' },
  run(e) {
    const both = 8 | 2;
    e.raiseIf(e.eq(e.and(e.field('cr0'), e.const(both)), e.const(both)), 7);
    takePendingException(e);
  },
});

export const x87Control: readonly Definition[] = [...words, ...images, wait];
