/**
 * The x87 unit of the vCPU that runs now: its register stack, status word and exception rules (SDM vol. 1, chapter 8). Operations are
 * functions over this one object; it holds nothing between instructions.
 */
import type { VcpuState } from '../../context.ts';
import { EXTENDED, EXTENDED_24, EXTENDED_53, type Format, pack80SignExponent, unpack80 } from '../softfloat/formats.ts';
import { DE, IE, type RoundingControl, type RoundingMode, rounding, roundTo, ZE } from '../softfloat/round.ts';
import { copyWide, isNaNKind, quiet, SIGNALLING, setDefaultNaN, setZero, UNSUPPORTED, Wide } from '../softfloat/wide.ts';

/** Stack fault, beside the six exceptions of round.ts. */
const SF = 0x40;
export const C0 = 0x100;
const C1 = 0x200;
export const C2 = 0x400;
export const C3 = 0x4000;
/** Error summary and its copy, the busy bit. */
const ES_B = 0x8080;
const PRECOMPUTED = IE | DE | ZE;

const PRECISION: readonly Format[] = [EXTENDED_24, EXTENDED, EXTENDED_53, EXTENDED];

/** Working numbers of the operation under way. */
export const A = new Wide();
export const B = new Wide();
export const R = new Wide();

let state: VcpuState;
let words: Uint32Array;
let firstWord = 0;
export const control: RoundingControl = { mode: 0, masks: 0, flushToZero: false };

/** Take up the state for one operation: rounding control and masks are read from the control word. C1 is cleared unless `keepsC1`. */
export function enter(s: VcpuState, keepsC1: boolean): void {
  state = s;
  words = s.views.u32;
  firstWord = s.fpr.byteOffset >>> 2;
  const { fcw } = s;
  control.mode = ((fcw >>> 10) & 3) as RoundingMode;
  control.masks = fcw & 0x3f;
  if (!keepsC1) s.fsw &= ~C1;
}

/** Result of an operation whose effects on status word and stack are taken back. */
export function unchanged<T>(operation: () => T): T {
  const { fsw, ftop, ftag } = state;
  const result = operation();
  state.fsw = fsw;
  state.ftop = ftop;
  state.ftag = ftag;
  return result;
}

/** Rounding format by the precision control. */
export const precision = (): Format => PRECISION[(state.fcw >>> 8) & 3] as Format;

const physical = (i: number): number => (state.ftop + i) & 7;

export const isEmpty = (i: number): boolean => (state.ftag & (1 << physical(i))) === 0;

/** ST(i) as a working number. */
export function load(i: number, w: Wide): void {
  const at = firstWord + physical(i) * 4;
  unpack80((words[at + 2] as number) & 0xffff, words[at + 1] as number, words[at] as number, w);
}

function put(i: number, value: { signExponent: number; hi: number; lo: number }): void {
  const slot = physical(i);
  const at = firstWord + slot * 4;
  words[at] = value.lo;
  words[at + 1] = value.hi;
  words[at + 2] = value.signExponent;
  state.ftag |= 1 << slot;
}

/** Write a rounded number to ST(i), which becomes valid. */
export function store(i: number, w: Wide): void {
  put(i, { signExponent: pack80SignExponent(w), hi: w.hi, lo: w.lo });
}

export const storeRaw = put;

/** Copy the 80 bits of ST(from) to ST(to). */
export function copyRegister(from: number, to: number): void {
  const at = firstWord + physical(from) * 4;
  put(to, { signExponent: (words[at + 2] as number) & 0xffff, hi: words[at + 1] as number, lo: words[at] as number });
}

export function exchangeRegisters(i: number): void {
  const [x, y] = [firstWord + physical(0) * 4, firstWord + physical(i) * 4];
  for (let word = 0; word < 3; word++) {
    const kept = words[x + word] as number;
    words[x + word] = words[y + word] as number;
    words[y + word] = kept;
  }
}

/** The 80 bits of ST(i): sign and exponent, high and low half of the significand. */
export function rawRegister(i: number): { signExponent: number; hi: number; lo: number } {
  const at = firstWord + physical(i) * 4;
  return { signExponent: (words[at + 2] as number) & 0xffff, hi: words[at + 1] as number, lo: words[at] as number };
}

export function setSign(i: number, change: (signExponent: number) => number): void {
  const at = firstWord + physical(i) * 4 + 2;
  words[at] = change(words[at] as number) & 0xffff;
}

export function storeDefaultNaN(i: number): void {
  put(i, { signExponent: 0xffff, hi: 0xc0000000, lo: 0 });
}

/** TOP moves down; the new ST0 is written by the caller. */
export function push(): void {
  state.ftop = (state.ftop + 7) & 7;
}

export function pop(count: number): void {
  for (let i = 0; i < count; i++) {
    free(0);
    state.ftop = (state.ftop + 1) & 7;
  }
}

export function free(i: number): void {
  state.ftag &= ~(1 << physical(i));
}

export function rotate(by: number): void {
  state.ftop = (state.ftop + by) & 7;
}

export function setConditions(bits: number): void {
  state.fsw = (state.fsw & ~(C0 | C2 | C3)) | bits;
}

export function setC1(on: boolean): void {
  if (on) state.fsw |= C1;
  else state.fsw &= ~C1;
}

export function setC2(on: boolean): void {
  if (on) state.fsw |= C2;
  else state.fsw &= ~C2;
}

/**
 * Record exceptions. False when an unmasked invalid-operation, denormal or zero-divide exception stops the instruction: nothing may be
 * written or popped then, and overflow, underflow and precision are not reported (SDM vol. 1, 8.5).
 */
export function signal(flags: number): boolean {
  if (flags === 0) return true;
  const unmasked = flags & ~control.masks & 0x3f;
  const stopped = (unmasked & PRECOMPUTED) !== 0;
  state.fsw |= stopped ? flags & (PRECOMPUTED | SF) : flags;
  if (unmasked !== 0) state.fsw |= ES_B;
  return !stopped;
}

/** An operand was missing; true when the masked response (a default NaN) is to be written. */
export function underflow(): boolean {
  setC1(false);
  return signal(IE | SF);
}

/** No room for a push. */
export function overflow(): boolean {
  setC1(true);
  return signal(IE | SF);
}

/** Round R by `format`, record `flags` with those of rounding and C1; true when R may be written. */
export function roundResult(format: Format, flags = 0): boolean {
  roundTo(R, format, control);
  const go = signal(flags | rounding.flags);
  if (go && rounding.up) setC1(true);
  return go;
}

/** The value is refused by every operation: invalid, default NaN. */
export const unsupported = (): boolean => A.kind === UNSUPPORTED || B.kind === UNSUPPORTED;

/** R becomes the default NaN; the flag of it. */
export function invalid(): number {
  setDefaultNaN(R);
  return IE;
}

/** Which of two NaNs survives (SDM vol. 1, table 4-7): the quiet one, else the larger significand, else the positive one. */
function survivor(): Wide {
  if (!isNaNKind(A)) return B;
  if (!isNaNKind(B)) return A;
  if (A.kind !== B.kind) return A.kind === SIGNALLING ? B : A;
  if (A.hi !== B.hi) return A.hi > B.hi ? A : B;
  if (A.lo !== B.lo) return A.lo > B.lo ? A : B;
  return A.sign <= B.sign ? A : B;
}

/** Where A or B is a NaN or unsupported: R is the result, and the flags are returned; -1 when both are numbers. */
export function nanResult(): number {
  if (unsupported()) return invalid();
  if (!isNaNKind(A) && !isNaNKind(B)) return -1;
  const flags = A.kind === SIGNALLING || B.kind === SIGNALLING ? IE : 0;
  copyWide(R, survivor());
  quiet(R);
  return flags;
}

/** The same for one operand in A. */
export function nanResult1(): number {
  setZero(B, 0);
  return nanResult();
}

export const denormals = (): number => (A.denormal || B.denormal ? DE : 0);
