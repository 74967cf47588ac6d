/** x87 loads, stores and register moves (SDM vol. 1, 8.3.3). */
import type { Emitter, Operand } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { begin, call, define, noteOperand } from './calls.ts';
import { X87_FORMAT, type X87Op, x87Index } from './ops.ts';

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

export const x87Transfers: readonly Definition[] = [...loads, ...stores, ...truncatingStores, ...registers];
