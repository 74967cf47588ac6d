/**
 * Operations of the `x87` slow routine: `slow('x87', index, a, b, c)`. The routine works on the register stack of the state: it checks the
 * stack, calculates, sets the status word (exceptions, C0 to C3, ES and B), pops, and records FIP. Unmasked exceptions are left pending;
 * only `pending` raises. CR0.EM, CR0.TS and earlier pending exceptions are the definitions' business, before any memory is read.
 *
 * `format` says what a source or destination is: see X87_FORMAT. Stores return [value, 1 when the destination is written]; 80-bit
 * stores return [low 64 bits, high 16 bits | 0x10000 when written].
 */
export const X87_OPS = [
  // #MF, or with CR0.NE clear the processor's FERR signal, for the exception that is pending
  'pending',
  // destination = destination op source; a: source register or bits, b: format of a, c: destination register | pop << 3
  'add',
  'mul',
  'sub',
  'subr',
  'div',
  'divr',
  // comparisons of ST0 into C0, C2, C3; a: source register or bits, b: format, c: registers to pop
  'com',
  'ucom',
  // into ZF, PF, CF: returns their RFLAGS bits; arguments as above
  'comi',
  'ucomi',
  'tst',
  'xam',
  // push a value; a: bits or register, b: format
  'load',
  // a: low 64 bits, b: high 16 bits
  'load80',
  'loadBcd',
  // a: 0 FLD1, 1 FLDL2T, 2 FLDL2E, 3 FLDPI, 4 FLDLG2, 5 FLDLN2, 6 FLDZ
  'loadConstant',
  // a: format, b: registers to pop
  'store',
  'storeTruncated',
  // a: registers to pop
  'store80',
  'storeBcd',
  // what a store would return, without doing it; a: index of the store, b, c: its a and b
  'peek',
  // a: register, b: registers to pop | 8 when an empty ST0 is no stack fault
  'storeRegister',
  // a: register
  'exchange',
  // a: register, b: 1 when the condition holds
  'move',
  // a: register, b: registers to pop
  'free',
  // a: 1 FINCSTP, 7 FDECSTP
  'rotate',
  'nop',
  'chs',
  'abs',
  'sqrt',
  'rndint',
  'scale',
  'xtract',
  'prem',
  'prem1',
  'f2xm1',
  'yl2x',
  'yl2xp1',
  'ptan',
  'patan',
  'sin',
  'cos',
  'sincos',
  // a: linear address, b: 16 or 32, c: 1 for the protected-mode layout
  'storeEnvironment',
  'loadEnvironment',
  'saveState',
  'restoreState',
] as const;

export type X87Op = (typeof X87_OPS)[number];

/** Sources and destinations of loads, stores and arithmetic. */
export const X87_FORMAT = { register: 0, f32: 1, f64: 2, i16: 3, i32: 4, i64: 5 } as const;

const INDEX = new Map<X87Op, number>(X87_OPS.map((name, index) => [name, index]));

/** Argument of the slow routine for an operation. */
export const x87Index = (op: X87Op): number => INDEX.get(op) as number;
