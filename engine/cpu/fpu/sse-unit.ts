/** The working numbers of one SSE operation: operands, result, rounding control and the exceptions found. */
import {
  BINARY32,
  BINARY64,
  type Format,
  joinWords,
  loadWords,
  pack32,
  pack64High,
  pack64Low,
  unpack32,
  unpack64,
} from './softfloat/formats.ts';
import { DE, IE, type RoundingControl, type RoundingMode, rounding, roundTo } from './softfloat/round.ts';
import { copyWide, isNaNKind, quiet, SIGNALLING, setDefaultNaN, setZero, Wide } from './softfloat/wide.ts';

export type Bits = 32 | 64;

const DAZ = 0x40;

/** Operands and result of the operation under way. */
export const A = new Wide();
export const B = new Wide();
export const R = new Wide();
export const control: RoundingControl = { mode: 0, masks: 0, flushToZero: false };
/** Exceptions found so far, and denormals-are-zeros. */
export const status = { found: 0, daz: false };

/** Start an operation under this MXCSR. */
export function begin(mxcsr: number): void {
  status.found = 0;
  status.daz = (mxcsr & DAZ) !== 0;
  control.mode = ((mxcsr >>> 13) & 3) as RoundingMode;
  control.masks = (mxcsr >>> 7) & 0x3f;
  control.flushToZero = (mxcsr & 0x8000) !== 0;
}

/** Lane `lane` of a 64-bit value (lane 0 when `bits` is 64); denormals become zeros under DAZ. */
export function load(value: bigint, bits: Bits, lane: number, w: Wide): void {
  const words = loadWords(value);
  if (bits === 32) unpack32(words[lane] as number, w);
  else unpack64(words[1] as number, words[0] as number, w);
  if (status.daz && w.denormal) setZero(w, w.sign);
}

/** The rounded number in R as raw bits. */
export function store(bits: Bits): bigint {
  return bits === 32 ? BigInt(pack32(R)) : joinWords(pack64High(R), pack64Low(R));
}

export const formatOf = (bits: Bits): Format => (bits === 32 ? BINARY32 : BINARY64);

/** R becomes the default NaN. */
export function invalid(): void {
  status.found |= IE;
  setDefaultNaN(R);
}

export function noteDenormals(): void {
  if (A.denormal || B.denormal) status.found |= DE;
}

/** Round R to the format. */
export function round(bits: Bits): void {
  roundTo(R, formatOf(bits), control);
  status.found |= rounding.flags;
}

/** Result of two operands of which one is a NaN: the first NaN in operand order (SDM vol. 1, table 4-7). */
export function propagate(): boolean {
  const first = isNaNKind(A);
  if (!first && !isNaNKind(B)) return false;
  if (A.kind === SIGNALLING || B.kind === SIGNALLING) status.found |= IE;
  copyWide(R, first ? A : B);
  quiet(R);
  return true;
}
