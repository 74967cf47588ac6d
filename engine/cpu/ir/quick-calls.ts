/** Slow routines that have a quick form in wasm: which routine of the module stands for which call. */
import type { SlowName } from '../../isa/fields.ts';
import { sseIndex } from '../../isa/sse/ops.ts';
import { X87_FORMAT, X87_OPS, type X87Op } from '../../isa/x87/ops.ts';

/** x87 operations whose quick form differs by the format in argument b. */
const X87_BY_SOURCE = ['add', 'mul', 'sub', 'subr', 'div', 'divr', 'com', 'ucom', 'comi', 'ucomi', 'load'] as const;
/** By the format in argument a. */
const X87_BY_TARGET = ['store', 'storeTruncated'] as const;
/** With one quick form. */
const X87_SIMPLE = [
  ...['tst', 'xam', 'load80', 'loadConstant', 'store80', 'storeRegister', 'exchange', 'move', 'free', 'rotate', 'nop'],
  ...['chs', 'abs', 'sqrt', 'rndint', 'scale', 'sin', 'cos', 'sincos', 'ptan', 'patan', 'yl2x', 'yl2xp1', 'f2xm1'],
  ...['prem', 'prem1', 'xtract', 'loadBcd', 'storeBcd'],
] as const satisfies readonly X87Op[];

/** Routines besides x87 whose calls all have a quick form. */
const QUICK: readonly SlowName[] = [
  'syscall',
  'rdtsc',
  'rdtscp',
  'readControl',
  'writeControl',
  'fxsave',
  'fxrstor',
  'xsave',
  'xrstor',
];

const FENCE = BigInt(sseIndex('fence'));
const LOAD_MXCSR = BigInt(sseIndex('loadMxcsr'));

export type X87Format = keyof typeof X87_FORMAT;
const FORMATS = Object.keys(X87_FORMAT) as X87Format[];

/** Name of the quick form of an x87 operation. */
const x87Quick = (op: X87Op, format?: X87Format): string => (format === undefined ? `x87.${op}` : `x87.${op}.${format}`);

const includes = (list: readonly X87Op[], op: X87Op): boolean => list.includes(op);

/**
 * The routine (cpu, record, arguments) → status to call instead of a slow one, and how many of the first arguments it does not take.
 * `constants` are the arguments as far as they are known.
 */
export function quickCall(
  name: SlowName,
  constants: readonly (bigint | undefined)[],
): { callee: string; skip: number } | undefined {
  if (QUICK.includes(name)) return { callee: `quick.${name}`, skip: 0 };
  if ((name === 'sysret' || name === 'iret') && constants[0] === 64n) return { callee: `quick.${name}64`, skip: 0 };
  if (name === 'iret' && constants[0] === 32n) return { callee: 'quick.iret32', skip: 0 };
  if (name === 'interrupt' && constants[1] === 0n) return { callee: 'quick.interrupt', skip: 0 };
  if (name === 'sse' && constants[0] === FENCE) return { callee: 'quick.fence', skip: constants.length };
  if (name === 'sse') return constants[0] === LOAD_MXCSR ? { callee: 'quick.loadMxcsr', skip: 1 } : undefined;
  if (name !== 'x87') return undefined;
  const op = X87_OPS[Number(constants[0])] as X87Op;
  const [a, b] = constants.slice(1).map((value) => FORMATS[Number(value)]);
  if (includes(X87_BY_SOURCE, op)) return { callee: x87Quick(op, b), skip: 1 };
  if (includes(X87_BY_TARGET, op)) return { callee: x87Quick(op, a), skip: 1 };
  return includes(X87_SIMPLE, op) ? { callee: x87Quick(op), skip: 1 } : undefined;
}
