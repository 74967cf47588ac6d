/** A VMCS as it is shown: every field with its value, and what the bits of a value mean. */
import { exitReasonName } from './exit-reasons.ts';
import { bitSentence, fieldSentence } from './vmcs-words.ts';

export interface VmcsFieldImage {
  readonly name: string;
  readonly encoding: number;
  readonly width: 16 | 32 | 64 | 'natural';
  readonly area: 'control' | 'read-only' | 'guest' | 'host';
  readonly value: bigint;
  /** Names of single bits, where the processor's table has them. */
  readonly bits?: Readonly<Record<number, string>>;
  /** Where a capability MSR decides: bits that must be 1, and bits that may be. */
  readonly ones?: bigint;
  readonly may?: bigint;
}

/** A rule of VM entry as it was judged; those after the failed one were not reached. */
export interface EntryCheck {
  readonly stage: 'controls' | 'host' | 'guest';
  readonly rule: string;
  readonly ok: boolean;
  /** What it compares. Where a capability MSR decides: bits that must be 1, and bits that may be. */
  readonly fields: readonly { readonly name: string; readonly value: bigint; readonly ones?: bigint; readonly may?: bigint }[];
}

export interface VmcsImage {
  /** Physical address of the region. */
  readonly pointer: bigint;
  readonly launched: boolean;
  readonly fields: readonly VmcsFieldImage[];
  /** The checklist of the last VM entry that failed. */
  readonly failure?: readonly EntryCheck[];
}

const CR0 = { 0: 'PE', 1: 'MP', 2: 'EM', 3: 'TS', 4: 'ET', 5: 'NE', 16: 'WP', 18: 'AM', 29: 'NW', 30: 'CD', 31: 'PG' };
const CR4 = {
  ...{ 0: 'VME', 1: 'PVI', 2: 'TSD', 3: 'DE', 4: 'PSE', 5: 'PAE', 6: 'MCE', 7: 'PGE', 8: 'PCE', 9: 'OSFXSR', 10: 'OSXMMEXCPT' },
  ...{ 11: 'UMIP', 13: 'VMXE', 14: 'SMXE', 16: 'FSGSBASE', 17: 'PCIDE', 18: 'OSXSAVE', 20: 'SMEP', 21: 'SMAP', 22: 'PKE' },
};
const EFER = { 0: 'SCE', 8: 'LME', 10: 'LMA', 11: 'NXE' };
const RFLAGS = {
  ...{
    0: 'CF',
    2: 'PF',
    4: 'AF',
    6: 'ZF',
    7: 'SF',
    8: 'TF',
    9: 'IF',
    10: 'DF',
    11: 'OF',
    14: 'NT',
    16: 'RF',
    17: 'VM',
    18: 'AC',
  },
  ...{ 19: 'VIF', 20: 'VIP', 21: 'ID' },
};
const PENDING_DEBUG = { 0: 'B0', 1: 'B1', 2: 'B2', 3: 'B3', 12: 'enabled breakpoint', 14: 'BS' };
const VECTORS = {
  0: '#DE',
  1: '#DB',
  3: '#BP',
  4: '#OF',
  5: '#BR',
  6: '#UD',
  7: '#NM',
  8: '#DF',
  10: '#TS',
  11: '#NP',
  12: '#SS',
};
const MORE_VECTORS = { 13: '#GP', 14: '#PF', 16: '#MF', 17: '#AC', 18: '#MC', 19: '#XM' };
const EXCEPTIONS: Readonly<Record<number, string>> = { ...VECTORS, ...MORE_VECTORS };
const EVENTS = ['external interrupt', '', 'NMI', 'exception', 'software interrupt', 'INT1', 'software exception', ''];
const ACTIVITIES = ['active', 'HLT', 'shutdown', 'wait for SIPI'];

function bitsOf(value: bigint, names: Readonly<Record<number, string>>): string[] {
  return Object.entries(names)
    .filter(([bit]) => ((value >> BigInt(bit)) & 1n) !== 0n)
    .map(([, name]) => name);
}

function event(value: bigint): string[] {
  if ((value & 0x8000_0000n) === 0n) return [];
  const vector = Number(value & 0xffn);
  const type = Number((value >> 8n) & 7n);
  const name = type === 3 || type === 6 ? EXCEPTIONS[vector] : undefined;
  return [`${EVENTS[type] || `type ${type}`} ${name ?? vector}`, ...((value & 0x800n) === 0n ? [] : ['error code'])];
}

/** Access rights (SDM vol. 3, table 24-2). */
function rights(value: bigint): string[] {
  if ((value & 0x10000n) !== 0n) return ['unusable'];
  const type = Number(value & 15n);
  const system = (value & 0x10n) === 0n;
  const kind = system ? `system type ${type}` : (type & 8) === 0 ? ((type & 2) === 0 ? 'data' : 'data, writable') : 'code';
  const dpl = `DPL ${(value >> 5n) & 3n}`;
  return [kind, dpl, ...bitsOf(value, { 7: 'P', 12: 'AVL', 13: 'L', 14: 'DB', 15: 'G' })];
}

function eptPointer(value: bigint): string[] {
  if (value === 0n) return [];
  const type = (value & 7n) === 6n ? 'WB' : (value & 7n) === 0n ? 'UC' : `type ${value & 7n}`;
  return [type, `${((value >> 3n) & 7n) + 1n} levels`, ...bitsOf(value, { 6: 'A/D' })];
}

const DECODERS: Readonly<Record<string, (value: bigint) => string[]>> = {
  exitReason: (value) => [exitReasonName(Number(value & 0xffffn)), ...bitsOf(value, { 31: 'entry failed' })],
  exitInterruptionInfo: event,
  vectoringInfo: event,
  entryInterruptionInfo: event,
  guestActivity: (value) => [ACTIVITIES[Number(value)] ?? `${value}`],
  exceptionBitmap: (value) => bitsOf(value, EXCEPTIONS),
  eptPointer,
  guestRflags: (value) => bitsOf(value, RFLAGS),
  guestPendingDebug: (value) => bitsOf(value, PENDING_DEBUG),
};

/** What is set in a value, in words; empty where the value speaks for itself. */
export function decodeField({ name, value, bits }: VmcsFieldImage): string[] {
  const decoder = DECODERS[name];
  if (decoder !== undefined) return decoder(value);
  if (bits !== undefined) return bitsOf(value, bits);
  if (/Rights$/.test(name)) return rights(value);
  if (/^(guest|host)Cr0$|^cr0(Mask|Shadow)$/.test(name)) return bitsOf(value, CR0);
  if (/^(guest|host)Cr4$|^cr4(Mask|Shadow)$/.test(name)) return bitsOf(value, CR4);
  if (/Efer$/.test(name)) return bitsOf(value, EFER);
  return [];
}

const SETS: readonly (readonly [RegExp, Readonly<Record<number, string>>])[] = [
  [/^(guest|host)Cr0$|^cr0(Mask|Shadow)$/, CR0],
  [/^(guest|host)Cr4$|^cr4(Mask|Shadow)$/, CR4],
  [/Efer$/, EFER],
  [/^guestRflags$/, RFLAGS],
  [/^guestPendingDebug$/, PENDING_DEBUG],
  [/^exceptionBitmap$/, EXCEPTIONS],
];

/** What a field is for, and the bits that have names, lowest first. */
export function describeField({ name, bits }: Pick<VmcsFieldImage, 'name' | 'bits'>) {
  const named = bits ?? SETS.find(([pattern]) => pattern.test(name))?.[1] ?? {};
  return {
    text: fieldSentence(name),
    bits: Object.entries(named).map(([at, bit]) => ({ at: Number(at), name: bit, text: bitSentence(name, bit) })),
  };
}
