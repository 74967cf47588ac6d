/**
 * x87 instructions (SDM vol. 1, chapter 8). Each checks that the unit may be used and takes a pending exception before it touches memory;
 * the work itself is the `x87` slow routine's. Control instructions are described here.
 */
import { defineInstruction } from '../define.ts';
import type { Emitter, Facts, Int, Operand } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { takePendingException } from '../mmx/state.ts';
import { X87_FORMAT, type X87Op, x87Index } from './ops.ts';

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
function noteOperand(e: Emitter, op: Operand): void {
  e.if(e.bit(e.field('fsw'), ES), () => e.setField('fdp', e.address(op)));
}

export function define(name: string, forms: readonly string[], run: (e: Emitter, f: Facts) => void): Definition {
  const all = forms.map((form) => `${form} feature:fpu`);
  return defineInstruction({ name, forms: all, flags: { reads: '', writes: '' }, run });
}

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

function loadMemory(name: string, form: string, format: number): Definition {
  return define(name, [form], (e, { dst }) => {
    begin(e);
    call(e, 'load', [e.read(dst), format]);
    noteOperand(e, dst);
  });
}

function load80(name: string, form: string, op: 'load80' | 'loadBcd'): Definition {
  return define(name, [form], (e, { dst }) => {
    begin(e);
    const low = e.loadAt(dst, 0, 64);
    call(e, op, [low, e.loadAt(dst, 8, 16)]);
    noteOperand(e, dst);
  });
}

const loads = [
  loadMemory('fld', 'D9/0 Md', X87_FORMAT.f32),
  loadMemory('fld', 'DD/0 Mq', X87_FORMAT.f64),
  loadMemory('fild', 'DF/0 Mw', X87_FORMAT.i16),
  loadMemory('fild', 'DB/0 Md', X87_FORMAT.i32),
  loadMemory('fild', 'DF/5 Mq', X87_FORMAT.i64),
  load80('fld', 'DB/5 Mt', 'load80'),
  load80('fbld', 'DF/4 Mt', 'loadBcd'),
  define('fld', ['D9 C0+i STi'], (e, { dst }) => {
    begin(e);
    call(e, 'load', [e.registerNumber(dst), X87_FORMAT.register]);
  }),
  ...['fld1', 'fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2', 'fldz'].map((name, which) =>
    define(name, [`D9 ${(0xe8 + which).toString(16).toUpperCase()}`], (e) => {
      begin(e);
      call(e, 'loadConstant', [which]);
    }),
  ),
];

/**
 * The destination is tested before the register stack changes. An unmasked exception that will keep the store from happening is found
 * first: then memory is not touched at all.
 */
function probeStore(e: Emitter, dst: Operand, what: { op: X87Op; args: readonly number[]; bytes: number }): void {
  const probe = (): void => e.probeWrite(dst, what.bytes);
  const masks = e.const(0x3f);
  e.if(e.eq(e.and(e.field('fcw'), masks), masks), probe, () => {
    const stored = call(e, 'peek', [x87Index(what.op), ...what.args])[1];
    e.if(e.ne(stored, e.const(0)), probe);
  });
}

function storeMemory(name: string, form: string, what: { format: number; pops: number; op?: X87Op }): Definition {
  const op = what.op ?? 'store';
  const args = [what.format, what.pops];
  return define(name, [form], (e, { dst }) => {
    begin(e);
    probeStore(e, dst, { op, args, bytes: dst.width / 8 });
    const [value, stored] = call(e, op, args);
    e.if(e.ne(stored, e.const(0)), () => e.write(dst, value));
    noteOperand(e, dst);
  });
}

function store80(name: string, form: string, op: 'store80' | 'storeBcd'): Definition {
  return define(name, [form], (e, { dst }) => {
    begin(e);
    probeStore(e, dst, { op, args: [1], bytes: 10 });
    const [low, high] = call(e, op, [1]);
    e.if(e.bit(high, 16), () => {
      e.storeAt(dst, 0, 64, low);
      e.storeAt(dst, 8, 16, e.trunc(16, high));
    });
    noteOperand(e, dst);
  });
}

const { f32, f64, i16, i32, i64 } = X87_FORMAT;
const stores = [
  storeMemory('fst', 'D9/2 Md', { format: f32, pops: 0 }),
  storeMemory('fstp', 'D9/3 Md', { format: f32, pops: 1 }),
  storeMemory('fst', 'DD/2 Mq', { format: f64, pops: 0 }),
  storeMemory('fstp', 'DD/3 Mq', { format: f64, pops: 1 }),
  storeMemory('fist', 'DF/2 Mw', { format: i16, pops: 0 }),
  storeMemory('fistp', 'DF/3 Mw', { format: i16, pops: 1 }),
  storeMemory('fist', 'DB/2 Md', { format: i32, pops: 0 }),
  storeMemory('fistp', 'DB/3 Md', { format: i32, pops: 1 }),
  storeMemory('fistp', 'DF/7 Mq', { format: i64, pops: 1 }),
  store80('fstp', 'DB/7 Mt', 'store80'),
  store80('fbstp', 'DF/6 Mt', 'storeBcd'),
];

/** FISTTP came with SSE3. */
const truncatingStores = (
  [
    ['DF/1 Mw', i16],
    ['DB/1 Md', i32],
    ['DD/1 Mq', i64],
  ] as const
).map(([form, format]) => storeMemory('fisttp', `${form} feature:sse3`, { format, pops: 1, op: 'storeTruncated' }));

function onRegister(name: string, forms: readonly string[], what: { op: X87Op; second: number }): Definition {
  return define(name, forms, (e, { dst }) => {
    begin(e);
    call(e, what.op, [e.registerNumber(dst), what.second]);
  });
}

const registers = [
  onRegister('fst', ['DD D0+i STi'], { op: 'storeRegister', second: 0 }),
  // DF D0+i and DF D8+i are further encodings of FSTP, DD C8+i and DF C8+i of FXCH.
  onRegister('fstp', ['DD D8+i STi', 'DF D0+i STi', 'DF D8+i STi'], { op: 'storeRegister', second: 1 }),
  // An encoding of FSTP that does not care whether ST0 is empty (observed; the manual does not list it).
  onRegister('fstpnce', ['D9 D8+i STi'], { op: 'storeRegister', second: 9 }),
  onRegister('fxch', ['D9 C8+i STi', 'DD C8+i STi', 'DF C8+i STi'], { op: 'exchange', second: 0 }),
  onRegister('ffree', ['DD C0+i STi'], { op: 'free', second: 0 }),
  onRegister('ffreep', ['DF C0+i STi'], { op: 'free', second: 1 }),
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

export const x87Operations: readonly Definition[] = [
  ...binary,
  ...compares,
  ...loads,
  ...stores,
  ...truncatingStores,
  ...registers,
  ...conditionalMoves,
  ...simple,
];
