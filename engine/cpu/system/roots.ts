/** CR3 and the four page-directory-pointer entries that PAE paging keeps in registers (SDM vol. 3, 4.4.1). */
import type { SlowContext } from '../context.ts';
import { CR0, cr0, cr4, EFER, efer, isLongActive, low32 } from './registers.ts';

const CR4_PAE = 0x20;
const CR4_PCIDE = 0x20000;

/** Would these control registers mean PAE paging (not 4-level, not 32-bit)? */
export const isPae = (c0: number, c4: number, e: number): boolean =>
  (c0 & CR0.PG) !== 0 && (c4 & CR4_PAE) !== 0 && (e & EFER.LME) === 0;

/** Bits a present PDPTE must not have: 2:1, 8:5, 63:width. */
export const reservedPdpte = (c: SlowContext): bigint =>
  0x1e6n | (((1n << 64n) - 1n) & ~((1n << BigInt(c.features.physicalBits)) - 1n));

/** The PDPTEs at a CR3 value, `undefined` when a present one has reserved bits. Changes nothing. */
export function readPdptes(c: SlowContext, cr3: bigint): readonly bigint[] | undefined {
  const reserved = reservedPdpte(c);
  const at = low32(cr3 & 0xffffffe0n);
  const entries: bigint[] = [];
  for (let i = 0; i < 4; i++) {
    const entry =
      c.s.eptPointer !== 0n && c.memory.readGuest !== undefined
        ? c.memory.readGuest(64, at + 8 * i)
        : c.memory.readPhysical(64, at + 8 * i);
    if ((entry & 1n) !== 0n && (entry & reserved) !== 0n) return undefined;
    entries.push(entry);
  }
  return entries;
}

export function setPdptes(c: SlowContext, entries: readonly bigint[]): void {
  entries.forEach((entry, i) => {
    c.s.pdpte[i] = entry;
  });
}

/** Forget what the present CR3 no longer vouches for: one PCID, or everything that is not global. */
export function flushForCr3(c: SlowContext): void {
  const pcid = (cr4(c.s) & CR4_PCIDE) !== 0 ? c.s.cr3 & 0xfffn : 0n;
  c.flushTlb('pcid', pcid);
}

/** Is the present mode PAE paging? */
export const inPae = (c: SlowContext): boolean => !isLongActive(c.s) && isPae(cr0(c.s), cr4(c.s), efer(c.s));
