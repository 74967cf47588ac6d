/** RDMSR and WRMSR (SDM vol. 4). An MSR that is not listed, or not claimed by the model, raises #GP(0). */
import type { SlowContext } from '../context.ts';
import { claims } from '../model/cpuid.ts';
import { FEATURE_CONTROL, vmxCapability } from '../vmx/capabilities.ts';
import { raiseGp, requireRing0 } from './faults.ts';
import { isRangeMsr, readRange, writeRange } from './ranges.ts';
import { CR0, cr0, EFER, efer, gpr, gpr32, isCanonical, low32, RAX, RCX, RDX, setGpr32 } from './registers.ts';

const U64 = 64;
const ALL_ONES = (1n << 64n) - 1n;
const APIC_BASE = 0x1b;
const APIC_BASE_X2 = 0x400n;
const TSC_DEADLINE = 0x6e0;
const isX2Apic = (index: number): boolean => index >= 0x800 && index <= 0x8ff;
const MC_FIRST = 0x400;
const MC_BANKS = 10;
const isBank = (index: number): boolean => index >= MC_FIRST && index < MC_FIRST + 4 * MC_BANKS;
/** Bits 7, 11, 12 and 23 tell of features; they are kept as written, as KVM does. */
const MISC_WRITABLE = (1n << 34n) | 0xc51889n;
const MISC_XD_DISABLE = 1n << 34n;
/** Revision 1: what a processor reports once microcode was loaded. */
const MICROCODE_REVISION = 1n << 32n;

/** MSRs the machine answers for: the local APIC's. `false` when the model does not have them. */
function isHost(c: SlowContext, index: number): boolean {
  if (index === APIC_BASE) return true;
  if (index === TSC_DEADLINE) return claims.tscDeadline(c.features);
  return isX2Apic(index) && claims.x2apic(c.features);
}

function read(c: SlowContext, index: number): bigint {
  const { s, features } = c;
  switch (index) {
    case 0x10:
      return c.tsc();
    case 0x17: // IA32_PLATFORM_ID
      return 0n;
    case 0x3a: // IA32_FEATURE_CONTROL: locked by firmware
      return claims.vmx(features) ? FEATURE_CONTROL : 1n;
    case 0x3b:
      return claims.tscAdjust(features) ? s.tscAdjust : raiseGp();
    case 0x48:
      return claims.specCtrl(features) ? s.specCtrl : raiseGp();
    case 0x8b: // IA32_BIOS_SIGN_ID
      return MICROCODE_REVISION;
    case 0xce: // MSR_PLATFORM_INFO: non-turbo ratio of 100 MHz
      return BigInt(Math.round(features.clocks.tscHz / 1e8) & 0xff) << 8n;
    case 0x10a:
      return claims.archCapabilities(features) ? features.archCapabilities : raiseGp();
    case 0x174:
      return s.sysenterCs;
    case 0x175:
      return s.sysenterEsp;
    case 0x176:
      return s.sysenterEip;
    case 0x179: // IA32_MCG_CAP: ten banks, IA32_MCG_CTL present
      return BigInt(MC_BANKS | 0x100);
    case 0x17a:
      return s.mcgStatus;
    case 0x17b:
      return s.mcgCtl;
    case 0x1a0:
      return s.miscEnable;
    case 0x1d9: // IA32_DEBUGCTL: no last-branch recording, nothing kept
      return 0n;
    case 0xc0000080:
      return s.efer;
    case 0xc0000081:
      return s.star;
    case 0xc0000082:
      return s.lstar;
    case 0xc0000083:
      return s.cstar;
    case 0xc0000084:
      return s.sfmask;
    case 0xc0000100:
      return s.fsBase;
    case 0xc0000101:
      return s.gsBase;
    case 0xc0000102:
      return s.kernelGsBase;
    case 0xc0000103:
      return claims.rdtscp(features) ? s.tscAux : raiseGp();
    default:
      break;
  }
  const vmx = claims.vmx(features) ? vmxCapability(features, index) : undefined;
  if (vmx !== undefined) return vmx;
  if (isRangeMsr(index)) return readRange(c, index);
  if (isBank(index)) return s.mcBanks[index - MC_FIRST] as bigint;
  return (isHost(c, index) ? c.host.readMsr(c.index, index) : undefined) ?? raiseGp();
}

function writeEfer(c: SlowContext, value: bigint): void {
  const { s } = c;
  const nx = (s.miscEnable & MISC_XD_DISABLE) === 0n;
  const allowed = BigInt(EFER.SCE | EFER.LME | EFER.LMA | (nx ? EFER.NXE : 0));
  if ((value & ~allowed) !== 0n) raiseGp();
  const changed = (low32(value) ^ efer(s)) & (EFER.LME | EFER.NXE);
  if ((changed & EFER.LME) !== 0 && (cr0(s) & CR0.PG) !== 0) raiseGp();
  s.efer = (value & ~BigInt(EFER.LMA)) | (s.efer & BigInt(EFER.LMA));
  if (changed !== 0) c.flushTlb('all');
  c.modeChanged();
}

/** IA32_TIME_STAMP_COUNTER and IA32_TSC_ADJUST move together (SDM vol. 3, 17.17.3). */
function moveTsc(c: SlowContext, delta: bigint): void {
  const { s } = c;
  s.tscOffset = BigInt.asUintN(U64, s.tscOffset + delta);
  s.tscAdjust = BigInt.asUintN(U64, s.tscAdjust + delta);
  c.host.tscMoved?.(c.index);
}

function writeMisc(c: SlowContext, value: bigint): void {
  const { s } = c;
  s.miscEnable = (s.miscEnable & ~MISC_WRITABLE) | (value & MISC_WRITABLE);
}

const canonical = (value: bigint): bigint => (isCanonical(value) ? value : raiseGp());
/** Bits outside `mask` raise #GP(0). */
const within = (value: bigint, mask: bigint): bigint => ((value & ~mask) === 0n ? value : raiseGp());

function write(c: SlowContext, index: number, value: bigint): void {
  const { s, features } = c;
  switch (index) {
    case 0xc0000100:
      s.fsBase = canonical(value);
      c.segmentChanged(4);
      return;
    case 0xc0000101:
      s.gsBase = canonical(value);
      c.segmentChanged(5);
      return;
    case 0xc0000102:
      s.kernelGsBase = canonical(value);
      return;
    case 0x10:
      // From non-root operation too it is the counter itself that is written (SDM vol. 3, 25.3).
      moveTsc(c, value - BigInt(c.host.ticks(c.index)) - s.tscOffset);
      return;
    case 0x3b:
      if (!claims.tscAdjust(features)) raiseGp();
      moveTsc(c, value - s.tscAdjust);
      return;
    case 0x48: // IBRS, STIBP, SSBD, BHI_DIS_S
      s.specCtrl = claims.specCtrl(features) ? within(value, 0x407n) : raiseGp();
      return;
    case 0x49: // IA32_PRED_CMD
      if (!claims.specCtrl(features)) raiseGp();
      within(value, 1n);
      return;
    case 0x79: // IA32_BIOS_UPDT_TRIG: an update that changes nothing
    case 0x8b:
      return;
    case 0x174:
      s.sysenterCs = value & 0xffffffffn;
      return;
    case 0x175:
      s.sysenterEsp = canonical(value);
      return;
    case 0x176:
      s.sysenterEip = canonical(value);
      return;
    case 0x17a:
      s.mcgStatus = within(value, 7n);
      return;
    case 0x17b:
      s.mcgCtl = value;
      return;
    case 0x1a0:
      writeMisc(c, value);
      return;
    case 0x1d9:
      within(value, 3n);
      return;
    case 0xc0000080:
      writeEfer(c, value);
      return;
    case 0xc0000081:
      s.star = value;
      return;
    case 0xc0000082:
      s.lstar = canonical(value);
      return;
    case 0xc0000083:
      s.cstar = canonical(value);
      return;
    case 0xc0000084:
      s.sfmask = within(value, 0xffffffffn);
      return;
    case 0xc0000103:
      s.tscAux = claims.rdtscp(features) ? within(value, 0xffffffffn) : raiseGp();
      return;
    default:
      break;
  }
  if (isRangeMsr(index)) writeRange(c, index, value);
  else if (isBank(index)) {
    // CTL takes all zeros or all ones, STATUS can only be cleared, ADDR and MISC take anything.
    const allowed = (index & 3) === 0 ? value === 0n || value === ALL_ONES : (index & 3) !== 1 || value === 0n;
    if (!allowed) raiseGp();
    s.mcBanks[index - MC_FIRST] = value;
  } else {
    if (!isHost(c, index) || (index === APIC_BASE && (value & APIC_BASE_X2) !== 0n && !claims.x2apic(features))) raiseGp();
    if (c.host.writeMsr(c.index, index, value) !== true) raiseGp();
  }
}

export function rdmsr(c: SlowContext): void {
  requireRing0(c);
  const msr = gpr32(c.s, RCX);
  const value = read(c, msr);
  setGpr32(c.s, RAX, low32(value));
  setGpr32(c.s, RDX, low32(value >> 32n));
  c.notice?.({ kind: 'msr', msr, value, write: false });
}

export function wrmsr(c: SlowContext): void {
  requireRing0(c);
  const { s } = c;
  const msr = gpr32(s, RCX);
  const value = BigInt.asUintN(U64, (gpr(s, RDX) << 32n) | BigInt(gpr32(s, RAX)));
  write(c, msr, value);
  c.notice?.({ kind: 'msr', msr, value, write: true });
}

/** The value of an MSR as RDMSR would give it; throws `GuestFault` where RDMSR would fault. For the register groups. */
export const readMsr = read;
/** Write as WRMSR would, from outside. */
export const writeMsr = write;
