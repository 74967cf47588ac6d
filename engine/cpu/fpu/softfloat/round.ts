/** Rounding of working numbers to a format, with IEEE 754 exceptions as x86 detects them (tininess after rounding). */
import type { Format } from './formats.ts';
import { FINITE, normalize, setInfinity, setZero, shiftRightSticky, type Wide, ZERO } from './wide.ts';

/** Exception bits as in MXCSR, the x87 status word and (as masks) the control word. */
export const IE = 1;
export const DE = 2;
export const ZE = 4;
export const OE = 8;
export const UE = 16;
export const PE = 32;

/** Rounding mode as encoded in RC: 0 to nearest even, 1 down, 2 up, 3 towards zero. */
export type RoundingMode = 0 | 1 | 2 | 3;

export interface RoundingControl {
  mode: RoundingMode;
  /** Exceptions whose bit is set give the default result; the others ask for what the handler gets. */
  masks: number;
  /** MXCSR.FTZ: tiny results become zero while UE is masked. */
  flushToZero: boolean;
}

/** What the last rounding did, beside changing its operand. */
export interface RoundingStatus {
  /** OE, UE and PE. */
  flags: number;
  /** The magnitude was increased (x87 C1). */
  up: boolean;
}

/** Result of the latest call of a function of this file; read it before the next call. */
export const rounding: RoundingStatus = { flags: 0, up: false };

/** How the bits below the precision compare with half a unit: 0 none, 1 below, 2 equal, 3 above. */
function remainderClass(w: Wide, precision: number): 0 | 1 | 2 | 3 {
  let part: number;
  let half: number;
  let below: number;
  if (precision === 64) {
    part = w.ext;
    half = 0x80000000;
    below = 0;
  } else if (precision === 53) {
    part = w.lo & 0x7ff;
    half = 0x400;
    below = w.ext;
  } else {
    part = w.hi & 0xff;
    half = 0x80;
    below = w.lo | w.ext;
  }
  if (part === 0) return below === 0 ? 0 : 1;
  if (part < half) return 1;
  return part === half && below === 0 ? 2 : 3;
}

function isOdd(w: Wide, precision: number): boolean {
  return ((precision === 64 ? w.lo : precision === 53 ? w.lo >>> 11 : w.hi >>> 8) & 1) !== 0;
}

function increases(w: Wide, precision: number, mode: RoundingMode): boolean {
  const rest = remainderClass(w, precision);
  if (rest === 0 || mode === 3) return false;
  if (mode === 0) return rest === 3 || (rest === 2 && isOdd(w, precision));
  return (mode === 1) === (w.sign === 1);
}

function truncate(w: Wide, precision: number): void {
  w.ext = 0;
  if (precision === 53) w.lo = (w.lo & ~0x7ff) >>> 0;
  else if (precision === 24) {
    w.lo = 0;
    w.hi = (w.hi & ~0xff) >>> 0;
  }
}

/** Add a unit in the last place of a truncated number; true when it carried out of bit 95 (the number is then 2^95). */
function increment(w: Wide, precision: number): boolean {
  if (precision === 24) w.hi += 0x100;
  else {
    w.lo += precision === 64 ? 1 : 0x800;
    if (w.lo > 0xffffffff) {
      w.lo = 0;
      w.hi += 1;
    }
  }
  if (w.hi <= 0xffffffff) return false;
  w.hi = 0x80000000;
  return true;
}

/** All bits from the top down to the precision are ones: rounding up would carry out. */
function isAllOnes(w: Wide, precision: number): boolean {
  if (precision === 24) return w.hi >= 0xffffff00;
  return w.hi === 0xffffffff && w.lo >= (precision === 64 ? 0xffffffff : 0xfffff800);
}

/** Rounds in place at the precision; `rounding.up` and PE in `rounding.flags` are set (flags are added to). */
function roundSignificand(w: Wide, precision: number, mode: RoundingMode): void {
  const up = increases(w, precision, mode);
  if (remainderClass(w, precision) !== 0) rounding.flags |= PE;
  truncate(w, precision);
  rounding.up = up;
  if (up && increment(w, precision)) w.exponent += 1;
}

function overflow(w: Wide, format: Format, control: RoundingControl): void {
  rounding.flags |= OE | PE;
  const { mode } = control;
  rounding.up = mode === 0 || (mode === 1 && w.sign === 1) || (mode === 2 && w.sign === 0);
  if (rounding.up) {
    setInfinity(w, w.sign);
    return;
  }
  w.exponent = format.maxExponent;
  w.hi = 0xffffffff;
  w.lo = 0xffffffff;
  truncate(w, format.precision);
}

/**
 * Round a finite number in place. Masked exceptions give IEEE 754's default results. An unmasked overflow or underflow gives the
 * number with its exponent moved by `format.wrap` (what an x87 register receives, SDM vol. 1, 8.5.4 and 8.5.5); `rounding` tells
 * which exceptions there were. A denormal result has bit 95 clear and the exponent `format.minExponent`.
 */
export function roundTo(w: Wide, format: Format, control: RoundingControl): void {
  rounding.flags = 0;
  rounding.up = false;
  if (w.kind !== FINITE) return;
  const { precision } = format;
  if (w.exponent >= format.minExponent) {
    roundSignificand(w, precision, control.mode);
    if (w.exponent <= format.maxExponent) return;
    if ((control.masks & OE) === 0) {
      w.exponent -= format.wrap;
      rounding.flags |= OE;
      return;
    }
    overflow(w, format, control);
    return;
  }
  const tiny = w.exponent < format.minExponent - 1 || !(isAllOnes(w, precision) && increases(w, precision, control.mode));
  if (tiny && (control.masks & UE) === 0) {
    roundSignificand(w, precision, control.mode);
    w.exponent += format.wrap;
    rounding.flags |= UE;
    return;
  }
  if (tiny && control.flushToZero) {
    rounding.flags = UE | PE;
    setZero(w, w.sign);
    return;
  }
  shiftRightSticky(w, format.minExponent - w.exponent);
  w.exponent = format.minExponent;
  roundSignificand(w, precision, control.mode);
  if (tiny && rounding.flags !== 0) rounding.flags |= UE;
  if ((w.hi | w.lo) === 0) {
    w.kind = ZERO;
    w.exponent = 0;
  }
}

/**
 * Round a finite number to an integer value in place: afterwards its integer is hi:lo when `exponent` is 63 (not normalised), or
 * the number was already too large to have a fraction (exponent above 63, unchanged). `rounding` is set.
 */
export function roundToInteger(w: Wide, mode: RoundingMode): void {
  rounding.flags = 0;
  rounding.up = false;
  if (w.exponent > 63) return;
  shiftRightSticky(w, 63 - w.exponent);
  w.exponent = 63;
  roundSignificand(w, 64, mode);
}

/** Make a working number of what `roundToInteger` left: normalised, or a zero that keeps its sign. */
export function integerToWide(w: Wide): void {
  if ((w.hi | w.lo) === 0) setZero(w, w.sign);
  else normalize(w);
}
