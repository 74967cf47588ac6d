/** Raising exceptions from slow routines. */
import { GuestFault, type SlowContext } from '../context.ts';

/** Vectors (SDM vol. 3, table 6-1). */
export const VECTOR = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
} as const;

export function raise(vector: number, errorCode?: number): never {
  throw new GuestFault(vector, errorCode);
}

export const raiseUd = (): never => raise(VECTOR.UD);
export const raiseGp = (errorCode = 0): never => raise(VECTOR.GP, errorCode);
export const raiseNp = (errorCode: number): never => raise(VECTOR.NP, errorCode);
export const raiseSs = (errorCode = 0): never => raise(VECTOR.SS, errorCode);
export const raiseTs = (errorCode: number): never => raise(VECTOR.TS, errorCode);

/** Error code of a selector: RPL is replaced by EXT (bit 0) and IDT (bit 1, here always 0). SDM vol. 3, 6.13. */
export const selectorCode = (selector: number, ext: number): number => (selector & 0xfffc) | ext;

/** #GP(0) unless CPL is 0. */
export function requireRing0(c: SlowContext): void {
  if (c.s.cpl !== 0) raiseGp();
}
