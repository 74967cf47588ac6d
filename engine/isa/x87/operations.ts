/**
 * x87 arithmetic, comparisons and conditional moves (SDM vol. 1, chapter 8). Each checks that the unit may be used and takes a pending
 * exception before it touches memory; the work itself is the `x87` slow routine's.
 */
import { defineInstruction } from '../define.ts';
import type { Emitter, Int } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { begin, call, define, noteOperand } from './calls.ts';
import { X87_FORMAT, type X87Op } from './ops.ts';

/** Operand of an arithmetic instruction or comparison: format by opcode. */
const MEMORY = [
  { opcode: 'D8', operand: 'Md', format: X87_FORMAT.f32, integer: false },
  { opcode: 'DC', operand: 'Mq', format: X87_FORMAT.f64, integer: false },
  { opcode: 'DA', operand: 'Md', format: X87_FORMAT.i32, integer: true },
  { opcode: 'DE', operand: 'Mw', format: X87_FORMAT.i16, integer: true },
] as const;

const memoryName = (name: string, integer: boolean): string => (integer ? `fi${name}` : `f${name}`);

/** ModRM byte of a register form, in hexadecimal. */
const modrm = (digit: number): string => (0xc0 + digit * 8).toString(16).toUpperCase();

const BINARY: readonly [op: 'add' | 'mul' | 'sub' | 'subr' | 'div' | 'divr', digit: number][] = [
  ['add', 0],
  ['mul', 1],
  ['sub', 4],
  ['subr', 5],
  ['div', 6],
  ['divr', 7],
];

const binary = BINARY.flatMap(([op, digit]) => {
  // With ST(i) as destination the encodings of the reversed operations are exchanged.
  const turned = modrm(digit < 4 ? digit : digit ^ 1);
  return [
    define(`f${op}`, [`D8 ${modrm(digit)}+i ST0,STi`], (e, { src }) => {
      begin(e);
      call(e, op, [e.registerNumber(src), X87_FORMAT.register, 0]);
    }),
    define(`f${op}`, [`DC ${turned}+i STi,ST0`], (e, { dst }) => {
      begin(e);
      call(e, op, [0, X87_FORMAT.register, e.registerNumber(dst)]);
    }),
    define(`f${op}p`, [`DE ${turned}+i STi,ST0`], (e, { dst }) => {
      begin(e);
      call(e, op, [0, X87_FORMAT.register, e.or(e.registerNumber(dst), e.const(8))]);
    }),
    ...MEMORY.map(({ opcode, operand, format, integer }) =>
      define(memoryName(op, integer), [`${opcode}/${digit} ${operand}`], (e, { dst }) => {
        begin(e);
        call(e, op, [e.read(dst), format, 0]);
        noteOperand(e, dst);
      }),
    ),
  ];
});

function compareRegister(name: string, forms: readonly string[], what: { op: 'com' | 'ucom'; pops: number }): Definition {
  return define(name, forms, (e, { dst }) => {
    begin(e);
    call(e, what.op, [e.registerNumber(dst), X87_FORMAT.register, what.pops]);
  });
}

function compareTwo(name: string, form: string, op: 'com' | 'ucom'): Definition {
  return define(name, [form], (e) => {
    begin(e);
    call(e, op, [1, X87_FORMAT.register, 2]);
  });
}

function compareMemory(name: string, digit: number, pops: number): Definition[] {
  return MEMORY.map(({ opcode, operand, format, integer }) =>
    define(memoryName(name, integer), [`${opcode}/${digit} ${operand}`], (e, { dst }) => {
      begin(e);
      call(e, 'com', [e.read(dst), format, pops]);
      noteOperand(e, dst);
    }),
  );
}

function compareToFlags(name: string, form: string, what: { op: 'comi' | 'ucomi'; pops: number }): Definition {
  return defineInstruction({
    name,
    forms: [`${form} feature:cmov`],
    flags: { reads: '', writes: 'OSZAPC' },
    run(e, { src }) {
      begin(e);
      e.setStatus(call(e, what.op, [e.registerNumber(src), X87_FORMAT.register, what.pops])[0]);
    },
  });
}

const compares = [
  // DC D0+i, DC D8+i and DE D0+i are further encodings of FCOM and FCOMP.
  compareRegister('fcom', ['D8 D0+i STi', 'DC D0+i STi'], { op: 'com', pops: 0 }),
  compareRegister('fcomp', ['D8 D8+i STi', 'DC D8+i STi', 'DE D0+i STi'], { op: 'com', pops: 1 }),
  compareRegister('fucom', ['DD E0+i STi'], { op: 'ucom', pops: 0 }),
  compareRegister('fucomp', ['DD E8+i STi'], { op: 'ucom', pops: 1 }),
  compareTwo('fcompp', 'DE D9', 'com'),
  compareTwo('fucompp', 'DA E9', 'ucom'),
  ...compareMemory('com', 2, 0),
  ...compareMemory('comp', 3, 1),
  compareToFlags('fcomi', 'DB F0+i ST0,STi', { op: 'comi', pops: 0 }),
  compareToFlags('fcomip', 'DF F0+i ST0,STi', { op: 'comi', pops: 1 }),
  compareToFlags('fucomi', 'DB E8+i ST0,STi', { op: 'ucomi', pops: 0 }),
  compareToFlags('fucomip', 'DF E8+i ST0,STi', { op: 'ucomi', pops: 1 }),
];

const CONDITIONS: readonly [name: string, code: string, holds: (e: Emitter) => Int][] = [
  ['b', 'DA C0', (e) => e.int(e.flag('C'))],
  ['e', 'DA C8', (e) => e.int(e.flag('Z'))],
  ['be', 'DA D0', (e) => e.int(e.orB(e.flag('C'), e.flag('Z')))],
  ['u', 'DA D8', (e) => e.int(e.flag('P'))],
  ['nb', 'DB C0', (e) => e.int(e.notB(e.flag('C')))],
  ['ne', 'DB C8', (e) => e.int(e.notB(e.flag('Z')))],
  ['nbe', 'DB D0', (e) => e.int(e.notB(e.orB(e.flag('C'), e.flag('Z'))))],
  ['nu', 'DB D8', (e) => e.int(e.notB(e.flag('P')))],
];

const conditionalMoves = CONDITIONS.map(([name, code, holds]) =>
  defineInstruction({
    name: `fcmov${name}`,
    forms: [`${code}+i ST0,STi feature:cmov`],
    flags: { reads: 'ZPC', writes: '' },
    run(e, { src }) {
      begin(e);
      call(e, 'move', [e.registerNumber(src), holds(e)]);
    },
  }),
);

const SIMPLE: readonly [name: string, code: string, op: X87Op, argument?: number][] = [
  ['fnop', 'D0', 'nop'],
  ['fchs', 'E0', 'chs'],
  ['fabs', 'E1', 'abs'],
  ['ftst', 'E4', 'tst'],
  ['fxam', 'E5', 'xam'],
  ['f2xm1', 'F0', 'f2xm1'],
  ['fyl2x', 'F1', 'yl2x'],
  ['fptan', 'F2', 'ptan'],
  ['fpatan', 'F3', 'patan'],
  ['fxtract', 'F4', 'xtract'],
  ['fprem1', 'F5', 'prem1'],
  ['fdecstp', 'F6', 'rotate', 7],
  ['fincstp', 'F7', 'rotate', 1],
  ['fprem', 'F8', 'prem'],
  ['fyl2xp1', 'F9', 'yl2xp1'],
  ['fsqrt', 'FA', 'sqrt'],
  ['fsincos', 'FB', 'sincos'],
  ['frndint', 'FC', 'rndint'],
  ['fscale', 'FD', 'scale'],
  ['fsin', 'FE', 'sin'],
  ['fcos', 'FF', 'cos'],
];

const simple = SIMPLE.map(([name, code, op, argument]) =>
  define(name, [`D9 ${code}`], (e) => {
    begin(e);
    call(e, op, [argument ?? 0]);
  }),
);

export const x87Operations: readonly Definition[] = [...binary, ...compares, ...conditionalMoves, ...simple];
