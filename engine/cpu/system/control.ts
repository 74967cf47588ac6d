/** Control registers, LMSW, CLTS, XCR0 (SDM vol. 3, 2.5, 2.6, 4.4.1, 9.8.5; vol. 2, MOV to control registers). */
import type { SlowContext } from '../context.ts';
import { claims } from '../model/cpuid.ts';
import { PROC2 } from '../vmx/fields.ts';
import { NO_REGION } from '../vmx/region.ts';
import { raiseGp, raiseUd, requireRing0 } from './faults.ts';
import { ATTR, CR0, cr0, cr4, EFER, efer, gpr32, high32, is64, isLongActive, low32, RAX, RCX, RDX } from './registers.ts';
import { flushForCr3, inPae, isPae, readPdptes, setPdptes } from './roots.ts';
import { isBigTss } from './tss.ts';

const CR4_PAE = 0x20;
const CR4_VMXE = 0x2000;
const CR4_PCIDE = 0x20000;
const CR4_OSXSAVE = 0x40000;
/** PSE, PAE, PGE, PCIDE, SMEP, SMAP: what cached translations depend on. */
const CR4_PAGING = 0x10 | 0x20 | 0x80 | 0x20000 | 0x100000 | 0x200000;
/** Changes of these reload the PDPTEs in PAE paging (SDM vol. 3, 4.4.1): PAE, PGE, PSE, SMEP. */
const CR4_PDPTE = 0x10 | 0x20 | 0x80 | 0x100000;
const CR0_WRITABLE = 0xe005003f;
const NO_FLUSH = 1n << 63n;

export function readControl(c: SlowContext, n: number): bigint {
  requireRing0(c);
  const { s } = c;
  switch (n) {
    case 0:
      return s.cr0;
    case 2:
      return s.cr2;
    case 3:
      return s.cr3;
    case 4:
      return s.cr4;
    case 8:
      return BigInt(c.host.getTpr(c.index) & 15);
    default:
      return raiseUd();
  }
}

/** Rules that hold between CR0 and the rest of the machine when paging is switched. Returns the new EFER. */
function pagingSwitch(c: SlowContext, next: number): number {
  const { s } = c;
  const before = efer(s);
  const on = (next & CR0.PG) !== 0;
  if (on === ((cr0(s) & CR0.PG) !== 0)) return before;
  if (!on) {
    if (is64(s) || (cr4(s) & CR4_PCIDE) !== 0) raiseGp();
    return before & ~EFER.LMA;
  }
  if ((before & EFER.LME) === 0) return before;
  if ((cr4(s) & CR4_PAE) === 0 || (s.csAttr & ATTR.L) !== 0 || !isBigTss(s.trAttr)) raiseGp();
  return before | EFER.LMA;
}

/** In VMX operation PE, NE and PG stay 1; an unrestricted guest may clear PE and PG (SDM vol. 3, 23.8). */
function requireFixed0(c: SlowContext, next: number): void {
  const { s } = c;
  if (s.vmxonPointer === NO_REGION) return;
  const free = s.nonRoot !== 0 && (s.proc2Controls & PROC2.unrestricted) !== 0;
  const fixed = free ? CR0.NE : CR0.NE | CR0.PE | CR0.PG;
  if ((next & fixed) >>> 0 !== fixed >>> 0) raiseGp();
}

function writeCr0(c: SlowContext, value: bigint): void {
  const { s } = c;
  const next = ((low32(value) & CR0_WRITABLE) | CR0.ET) >>> 0;
  const before = cr0(s);
  if (high32(value) !== 0) raiseGp();
  if ((next & CR0.PG) !== 0 && (next & CR0.PE) === 0) raiseGp();
  if ((next & CR0.NW) !== 0 && (next & CR0.CD) === 0) raiseGp();
  requireFixed0(c, next);
  const nextEfer = pagingSwitch(c, next);
  const changed = before ^ next;
  const pdptes =
    isPae(next, cr4(s), efer(s)) && (changed & (CR0.PG | CR0.CD | CR0.NW)) !== 0
      ? (readPdptes(c, s.cr3) ?? raiseGp())
      : undefined;
  if (pdptes !== undefined) setPdptes(c, pdptes);
  s.cr0 = BigInt(next);
  s.efer = (s.efer & ~BigInt(EFER.LMA)) | BigInt(nextEfer & EFER.LMA);
  if ((next & CR0.PE) === 0) s.cpl = 0;
  if ((changed & (CR0.PG | CR0.WP | CR0.PE)) !== 0) c.flushTlb('all');
  c.modeChanged();
}

function writeCr3(c: SlowContext, value: bigint): void {
  const { s } = c;
  const pcide = (cr4(s) & CR4_PCIDE) !== 0;
  const keep = pcide && (value & NO_FLUSH) !== 0n;
  const next = keep ? value & ~NO_FLUSH : value;
  if (isLongActive(s)) {
    if (next >> BigInt(c.features.physicalBits) !== 0n) raiseGp();
  } else if (inPae(c)) setPdptes(c, readPdptes(c, next) ?? raiseGp());
  s.cr3 = next;
  if (!keep) flushForCr3(c);
  c.modeChanged();
}

function writeCr4(c: SlowContext, value: bigint): void {
  const { s } = c;
  const next = low32(value);
  const before = cr4(s);
  const vmxe = claims.vmx(c.features) ? CR4_VMXE : 0;
  if (high32(value) !== 0 || (next & ~(c.features.cr4 | vmxe)) !== 0) raiseGp();
  if (c.s.vmxonPointer !== NO_REGION && (next & CR4_VMXE) === 0) raiseGp();
  const changed = before ^ next;
  if (isLongActive(s) && (next & CR4_PAE) === 0) raiseGp();
  if ((changed & next & CR4_PCIDE) !== 0 && (!isLongActive(s) || (s.cr3 & 0xfffn) !== 0n)) raiseGp();
  if (isPae(cr0(s), next, efer(s)) && (changed & CR4_PDPTE) !== 0) setPdptes(c, readPdptes(c, s.cr3) ?? raiseGp());
  s.cr4 = BigInt(next);
  if ((changed & CR4_PAGING) !== 0) c.flushTlb('all');
  c.modeChanged();
}

export function writeControl(c: SlowContext, n: number, value: bigint): void {
  setControl(c, n, value);
  c.notice?.({ kind: 'cr', cr: n, value });
}

/** A monitor's doing, with bits of its own: it tells itself what the guest wrote. */
export function setControl(c: SlowContext, n: number, value: bigint): void {
  requireRing0(c);
  writeRegister(c, n, value);
}

function writeRegister(c: SlowContext, n: number, value: bigint): void {
  switch (n) {
    case 0:
      writeCr0(c, value);
      return;
    case 2:
      c.s.cr2 = value;
      return;
    case 3:
      writeCr3(c, value);
      return;
    case 4:
      writeCr4(c, value);
      return;
    case 8:
      if (value > 15n) raiseGp();
      c.host.setTpr(c.index, Number(value));
      return;
    default:
      raiseUd();
  }
}

/** LMSW: PE, MP, EM and TS; PE can be set but not cleared. */
export function lmsw(c: SlowContext, value: number): void {
  requireRing0(c);
  const present = cr0(c.s);
  writeControl(c, 0, BigInt(((present & ~0xe) | (value & 0xf) | (present & CR0.PE)) >>> 0));
}

export function clts(c: SlowContext): void {
  requireRing0(c);
  c.s.cr0 &= ~BigInt(CR0.TS);
  c.modeChanged();
  c.notice?.({ kind: 'cr', cr: 0, value: c.s.cr0 });
}

export function xgetbv(c: SlowContext): bigint {
  if ((cr4(c.s) & CR4_OSXSAVE) === 0) raiseUd();
  if (gpr32(c.s, RCX) !== 0) raiseGp();
  return c.s.xcr0;
}

/** Only x87 (always on) and SSE state exist. */
export function xsetbv(c: SlowContext): void {
  const { s } = c;
  if ((cr4(s) & CR4_OSXSAVE) === 0) raiseUd();
  requireRing0(c);
  const low = gpr32(s, RAX);
  if (gpr32(s, RCX) !== 0 || gpr32(s, RDX) !== 0 || (low & 1) === 0 || (low & ~3) !== 0) raiseGp();
  s.xcr0 = BigInt(low);
}
