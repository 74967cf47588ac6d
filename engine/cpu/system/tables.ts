/** LLDT, LTR, LGDT, LIDT and the TLB instructions (SDM vol. 2). */
import type { SlowContext } from '../context.ts';
import { attrOf, baseOf, isNull, isPresent, limitOf, locate, readDescriptor, TYPE, typeOf } from './descriptors.ts';
import { raiseGp, raiseNp, raiseUd, requireRing0, selectorCode } from './faults.ts';
import { ATTR, CR0, cr0, cr4, is64, isCanonical, isLongActive, isProtected, isVm86 } from './registers.ts';
import { upperBase } from './segments.ts';

const CR4_PCIDE = 0x20000;

export function loadLdt(c: SlowContext, selector: number): void {
  const { s } = c;
  if (!isProtected(s) || isVm86(s)) raiseUd();
  requireRing0(c);
  if (isNull(selector)) {
    s.ldtrSelector = selector;
    s.ldtrBase = 0n;
    s.ldtrLimit = 0;
    s.ldtrAttr = ATTR.UNUSABLE;
    return;
  }
  const code = selectorCode(selector, 0);
  const long = isLongActive(s);
  if ((selector & 4) !== 0) raiseGp(code);
  const d = readDescriptor(c, locate(s, selector, long ? 16 : 8) ?? raiseGp(code));
  if (typeOf(d) !== TYPE.LDT) raiseGp(code);
  const base = BigInt(baseOf(d)) | (long ? upperBase(c, d, code) : 0n);
  if (!isCanonical(base)) raiseGp(code);
  if (!isPresent(d)) raiseNp(code);
  s.ldtrSelector = selector;
  s.ldtrBase = base;
  s.ldtrLimit = limitOf(d);
  s.ldtrAttr = attrOf(d);
}

export function loadTr(c: SlowContext, selector: number): void {
  const { s } = c;
  if (!isProtected(s) || isVm86(s)) raiseUd();
  requireRing0(c);
  if (isNull(selector)) raiseGp();
  const code = selectorCode(selector, 0);
  const long = isLongActive(s);
  if ((selector & 4) !== 0) raiseGp(code);
  const d = readDescriptor(c, locate(s, selector, long ? 16 : 8) ?? raiseGp(code));
  if (typeOf(d) !== TYPE.TSS32 && (typeOf(d) !== TYPE.TSS16 || long)) raiseGp(code);
  const base = BigInt(baseOf(d)) | (long ? upperBase(c, d, code) : 0n);
  if (!isCanonical(base)) raiseGp(code);
  if (!isPresent(d)) raiseNp(code);
  c.memory.write(8, d.address + 5n, BigInt(((d.hi >>> 8) & 0xff) | 2), 'implicit');
  s.trSelector = selector;
  s.trBase = base;
  s.trLimit = limitOf(d);
  s.trAttr = attrOf(d) | 2;
}

export function loadGdt(c: SlowContext, limit: number, base: bigint): void {
  requireRing0(c);
  if (is64(c.s) && !isCanonical(base)) raiseGp();
  c.s.gdtrBase = base;
  c.s.gdtrLimit = limit;
}

export function loadIdt(c: SlowContext, limit: number, base: bigint): void {
  requireRing0(c);
  if (is64(c.s) && !isCanonical(base)) raiseGp();
  c.s.idtrBase = base;
  c.s.idtrLimit = limit;
}

export function invlpg(c: SlowContext, address: bigint): void {
  requireRing0(c);
  // A non-canonical address is a NOP (SDM vol. 2, INVLPG).
  if ((cr0(c.s) & CR0.PG) !== 0 && (!is64(c.s) || isCanonical(address))) c.flushTlb('page', address);
}

/** INVPCID: types 0 one address, 1 one PCID, 2 everything, 3 all but global pages. */
export function invpcid(c: SlowContext, type: bigint, descriptor: readonly [low: bigint, address: bigint]): void {
  const [low, address] = descriptor;
  requireRing0(c);
  if (type > 3n) raiseGp();
  if (low >> 12n !== 0n) raiseGp();
  const pcid = Number(low);
  if (type < 2n && pcid !== 0 && (cr4(c.s) & CR4_PCIDE) === 0) raiseGp();
  if (type === 0n) {
    if (!isCanonical(address)) raiseGp();
    c.flushTlb('pcidPage', address, pcid);
  } else if (type === 1n) c.flushTlb('pcid', BigInt(pcid));
  else c.flushTlb(type === 2n ? 'all' : 'allNonGlobal');
}
