/** The `x87` slow routine: one operation of X87_OPS (engine/isa/x87/ops.ts) on the unit of the state. */
import { X87_OPS, type X87Op } from '../../../isa/x87/ops.ts';
import type { SlowContext } from '../../context.ts';
import * as arithmetic from './arithmetic.ts';
import * as comparison from './compare.ts';
import * as environment from './environment.ts';
import { remainder } from './remainder.ts';
import * as transcendental from './transcendental.ts';
import * as transfer from './transfer.ts';
import * as unit from './unit.ts';

type Result = readonly bigint[] | undefined;
/** Arguments as ops.ts says; the third is always small. */
type Operation = (a: bigint, b: bigint, third: number) => Result;
type Image = (c: SlowContext, at: bigint, width: 16 | 32, isProtected: boolean) => void;

const n = Number;
/** An operation without results. */
const act =
  (body: (a: bigint, b: bigint, third: number) => void): Operation =>
  (a, b, third) => {
    body(a, b, third);
    return undefined;
  };
const binary = (op: arithmetic.BinaryOp): Operation => act((a, b, where) => arithmetic.arithmetic(op, a, n(b), where));
const compare = (quiet: boolean): Operation => act((a, b, pops) => comparison.compareToConditions(a, n(b), { quiet, pops }));
const compareFlags =
  (quiet: boolean): Operation =>
  (a, b, pops) =>
    comparison.compareToFlags(a, n(b), { quiet, pops });
const circular = (which: transcendental.Trigonometric): Operation => act(() => transcendental.trigonometric(which));

const OPERATIONS: Readonly<Record<Exclude<X87Op, ControlOp>, Operation>> = {
  add: binary('add'),
  mul: binary('mul'),
  sub: binary('sub'),
  subr: binary('subr'),
  div: binary('div'),
  divr: binary('divr'),
  com: compare(false),
  ucom: compare(true),
  comi: compareFlags(false),
  ucomi: compareFlags(true),
  tst: act(() => comparison.testZero()),
  xam: act(() => comparison.examine()),
  load: act((a, b) => transfer.loadValue(a, n(b))),
  load80: act((a, b) => transfer.load80(a, b)),
  loadBcd: act((a, b) => transfer.loadBcd(a, b)),
  loadConstant: act((a) => transfer.loadConstant(n(a))),
  store: (a, b) => transfer.storeValue(n(a), n(b), false),
  storeTruncated: (a, b) => transfer.storeValue(n(a), n(b), true),
  store80: (a) => transfer.store80(n(a)),
  storeBcd: (a) => transfer.storeBcd(n(a)),
  peek: (op, a, b) => unit.unchanged(() => TABLE[n(op)]?.operation(a, BigInt(b), 0)),
  storeRegister: act((a, b) => transfer.storeRegister(n(a), n(b) & 7, n(b) > 7)),
  exchange: act((a) => transfer.exchange(n(a))),
  move: act((a, b) => transfer.conditionalMove(n(a), b !== 0n)),
  free: act((a, b) => {
    unit.free(n(a));
    unit.pop(n(b));
  }),
  rotate: act((a) => unit.rotate(n(a))),
  nop: () => undefined,
  chs: act(() => transfer.changeSign((signExponent) => signExponent ^ 0x8000)),
  abs: act(() => transfer.changeSign((signExponent) => signExponent & 0x7fff)),
  sqrt: act(() => arithmetic.squareRoot()),
  rndint: act(() => arithmetic.roundInteger()),
  scale: act(() => arithmetic.scale()),
  xtract: act(() => arithmetic.extract()),
  prem: act(() => remainder(false)),
  prem1: act(() => remainder(true)),
  f2xm1: act(() => transcendental.exponentialOnTop()),
  yl2x: act(() => transcendental.onTwo(transcendental.yLog2x)),
  yl2xp1: act(() => transcendental.onTwo(transcendental.yLog2xPlus1)),
  patan: act(() => transcendental.onTwo(transcendental.angle)),
  sin: circular('sin'),
  cos: circular('cos'),
  sincos: circular('sincos'),
  ptan: circular('ptan'),
};

/** Control instructions leave the instruction pointer and opcode of the unit alone. */
type ControlOp = 'pending' | 'storeEnvironment' | 'loadEnvironment' | 'saveState' | 'restoreState';
const CONTROL: Readonly<Record<ControlOp, Image>> = {
  pending: (c) => environment.takePending(c),
  storeEnvironment: environment.storeEnvironment,
  loadEnvironment: environment.loadEnvironment,
  saveState: environment.saveState,
  restoreState: environment.restoreState,
};

/** Operations that leave C1 alone unless the stack faults (observed on an Intel processor; the manual calls it undefined or cleared). */
const KEEPS_C1: readonly X87Op[] = ['nop', 'move', 'comi', 'ucomi', 'peek'];

/** What a number of X87_OPS means. */
const TABLE = X87_OPS.map((op) => ({
  control: op in CONTROL ? CONTROL[op as ControlOp] : undefined,
  operation: OPERATIONS[op as Exclude<X87Op, ControlOp>],
  keepsC1: KEEPS_C1.includes(op),
  changes: op !== 'peek',
}));

const ESCAPE = 0xd8;

/** FOP: low bits of the escape byte and the ModRM byte of the instruction (SDM vol. 1, 8.1.9). */
function opcodeOf(c: SlowContext): number {
  const { s } = c;
  const access = s.cpl === 3 ? 'user' : 'supervisor';
  const at = s.csBase + c.ip();
  for (let i = 0n; i < BigInt(c.instructionLength()); i++) {
    const byte = Number(c.memory.read(8, at + i, access));
    if ((byte & 0xf8) === ESCAPE) return ((byte & 7) << 8) | Number(c.memory.read(8, at + i + 1n, access));
  }
  return 0;
}

export function x87Routine(c: SlowContext, a0: bigint, a1: bigint, a2: bigint, a3: bigint): readonly bigint[] {
  const entry = TABLE[n(a0)] as (typeof TABLE)[number];
  const { s } = c;
  environment.followSummary(s);
  if (entry.control !== undefined) {
    entry.control(c, a1, a2 === 16n ? 16 : 32, a3 !== 0n);
    return NOTHING;
  }
  if (entry.changes) s.fip = c.ip();
  unit.enter(s, entry.keepsC1);
  const result = entry.operation(a1, a2, n(a3));
  // Earlier exceptions were taken before the instruction began: a summary bit now is this instruction's.
  if ((s.fsw & 0x80) !== 0) {
    s.fop = opcodeOf(c);
    environment.assertFerr(c);
  }
  return result ?? NOTHING;
}

const NOTHING = [0n, 0n] as const;
