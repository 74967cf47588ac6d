/** The `x87` slow routine: one operation of X87_OPS (engine/isa/x87/ops.ts) on the unit of the state. */
import { X87_OPS, type X87Op } from '../../../isa/x87/ops.ts';
import type { SlowContext } from '../../context.ts';
import * as arithmetic from './arithmetic.ts';
import * as environment from './environment.ts';
import * as transcendental from './transcendental.ts';
import * as transfer from './transfer.ts';
import * as unit from './unit.ts';

/** Operations that leave the instruction pointer and opcode of the unit alone: control instructions. */
const CONTROL = new Set<X87Op>(['pending', 'storeEnvironment', 'loadEnvironment', 'saveState', 'restoreState']);

/** Operations that leave C1 alone unless the stack faults (observed on an Intel processor; the manual calls it undefined or cleared). */
const KEEPS_C1 = new Set<X87Op>(['nop', 'move', 'comi', 'ucomi']);

const IMAGES = {
  storeEnvironment: environment.storeEnvironment,
  loadEnvironment: environment.loadEnvironment,
  saveState: environment.saveState,
  restoreState: environment.restoreState,
} as const;

type Result = readonly bigint[] | undefined;

/** a, b and c of the operation; small ones are numbers. */
function run(c: SlowContext, op: X87Op, args: readonly [bigint, bigint, bigint]): Result {
  const [a, b] = args;
  const third = Number(args[2] & 0xffn);
  const quietCompare = op === 'ucom' || op === 'ucomi';
  switch (op) {
    case 'pending':
      environment.takePending(c);
      return undefined;
    case 'add':
    case 'mul':
    case 'sub':
    case 'subr':
    case 'div':
    case 'divr':
      arithmetic.arithmetic(op, a, Number(b), third);
      return undefined;
    case 'com':
    case 'ucom':
      arithmetic.compareToConditions(a, Number(b), { quiet: quietCompare, pops: third });
      return undefined;
    case 'comi':
    case 'ucomi':
      return arithmetic.compareToFlags(a, Number(b), { quiet: quietCompare, pops: third });
    case 'tst':
      arithmetic.testZero();
      return undefined;
    case 'xam':
      arithmetic.examine();
      return undefined;
    case 'load':
      transfer.loadValue(a, Number(b));
      return undefined;
    case 'load80':
      transfer.load80(a, b);
      return undefined;
    case 'loadBcd':
      transfer.loadBcd(a, b);
      return undefined;
    case 'loadConstant':
      transfer.loadConstant(Number(a));
      return undefined;
    case 'store':
    case 'storeTruncated':
      return transfer.storeValue(Number(a), Number(b), op === 'storeTruncated');
    case 'store80':
      return transfer.store80(Number(a));
    case 'storeBcd':
      return transfer.storeBcd(Number(a));
    case 'storeRegister':
      transfer.storeRegister(Number(a), Number(b) & 7, Number(b) > 7);
      return undefined;
    case 'exchange':
      transfer.exchange(Number(a));
      return undefined;
    case 'move':
      transfer.conditionalMove(Number(a), b !== 0n);
      return undefined;
    case 'free':
      unit.free(Number(a));
      unit.pop(Number(b));
      return undefined;
    case 'rotate':
      unit.rotate(Number(a));
      return undefined;
    case 'nop':
      return undefined;
    case 'storeEnvironment':
    case 'loadEnvironment':
    case 'saveState':
    case 'restoreState':
      IMAGES[op](c, a, b === 16n ? 16 : 32, third !== 0);
      return undefined;
    default:
      calculate(op);
      return undefined;
  }
}

function calculate(op: X87Op): void {
  switch (op) {
    case 'chs':
      transfer.changeSign((signExponent) => signExponent ^ 0x8000);
      return;
    case 'abs':
      transfer.changeSign((signExponent) => signExponent & 0x7fff);
      return;
    case 'sqrt':
      arithmetic.squareRoot();
      return;
    case 'rndint':
      arithmetic.roundInteger();
      return;
    case 'scale':
      arithmetic.scale();
      return;
    case 'xtract':
      arithmetic.extract();
      return;
    case 'prem':
    case 'prem1':
      arithmetic.remainder(op === 'prem1');
      return;
    case 'f2xm1':
      transcendental.exponentialOnTop();
      return;
    case 'yl2x':
      transcendental.onTwo(transcendental.yLog2x);
      return;
    case 'yl2xp1':
      transcendental.onTwo(transcendental.yLog2xPlus1);
      return;
    case 'patan':
      transcendental.onTwo(transcendental.angle);
      return;
    case 'sin':
    case 'cos':
    case 'sincos':
    case 'ptan':
      transcendental.trigonometric(op);
      return;
  }
}

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
  const op = X87_OPS[Number(a0)] as X87Op;
  const { s } = c;
  if (CONTROL.has(op)) return run(c, op, [a1, a2, a3]) ?? NOTHING;
  s.fip = c.ip();
  unit.enter(s, KEEPS_C1.has(op));
  const result = run(c, op, [a1, a2, a3]) ?? NOTHING;
  // Earlier exceptions were taken before the instruction began: a summary bit now is this instruction's.
  if ((s.fsw & 0x80) !== 0) s.fop = opcodeOf(c);
  return result;
}

const NOTHING = [0n, 0n] as const;
