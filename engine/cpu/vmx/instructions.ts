/** The VMX instructions (SDM vol. 3, chapter 30). Each returns how it ended: VMsucceed, VMfailInvalid or VMfailValid. */
import { type SlowContext, VmExit } from '../context.ts';
import { claims } from '../model/cpuid.ts';
import { raiseGp, raiseUd } from '../system/faults.ts';
import { CR0, cr0, cr4, is64, isCanonical, isLongActive, isProtected, isVm86 } from '../system/registers.ts';
import { CR0_FIXED, CR4_FIXED, cr4Allowed, VMCS_REVISION } from './capabilities.ts';
import { validEptPointer } from './checks-controls.ts';
import { fieldByEncoding } from './fields.ts';
import { instructionInformation } from './information.ts';
import {
  inVmx,
  isRegionAddress,
  LAUNCH_STATE,
  NO_REGION,
  readField,
  revisionAt,
  set,
  setLaunchState,
  writeField,
} from './region.ts';

/** Result of a VMX instruction, as its definition turns it into flags. */
export const STATUS = { succeed: 0n, failInvalid: 1n, failValid: 2n } as const;
/** VM-instruction errors (SDM vol. 3, 30.4). */
export const ERROR = {
  vmcallInRoot: 1,
  clearAddress: 2,
  clearVmxon: 3,
  launchNotClear: 4,
  resumeNotLaunched: 5,
  controls: 7,
  host: 8,
  loadAddress: 9,
  loadVmxon: 10,
  loadRevision: 11,
  unsupportedField: 12,
  readOnlyField: 13,
  vmxonInRoot: 15,
  entryUnderMovSs: 26,
  invalidOperand: 28,
} as const;

/** Exit reasons of VMX instructions, which are also the numbers by which definitions name them. */
const VMX_REASON = { vmcall: 18, vmxon: 27, vmread: 23, vmwrite: 25, invept: 50, invvpid: 53 } as const;

export function fail(c: SlowContext, error: number): bigint {
  if (c.s.vmcsPointer === NO_REGION) return STATUS.failInvalid;
  set(c, 'instructionError', error);
  return STATUS.failValid;
}

function raiseUdUnlessThere(c: SlowContext, reason: number): void {
  const { s } = c;
  const outside = reason === VMX_REASON.vmxon ? (cr4(s) & Number(CR4_FIXED)) === 0 : !inVmx(c);
  if (!claims.vmx(c.features) || outside || !isProtected(s) || isVm86(s) || (isLongActive(s) && !is64(s))) raiseUd();
}

/** What every VMX instruction checks before its operands in root operation: #UD, #GP(0) by privilege. */
export function vmxAllowed(c: SlowContext, reason: number): void {
  raiseUdUnlessThere(c, reason);
  if (c.s.cpl !== 0) raiseGp();
}

/** In non-root operation the exit comes between the two. It is returned: a throw costs more than the rest of the exit. */
export function vmxInstructionExit(c: SlowContext, reason: number): VmExit {
  raiseUdUnlessThere(c, reason);
  if (reason === VMX_REASON.vmcall) return new VmExit(reason);
  const { info, displacement } = instructionInformation(c);
  return new VmExit(reason, { qualification: displacement, info });
}

export function vmxon(c: SlowContext, pointer: bigint): bigint {
  const { s } = c;
  if (inVmx(c)) return fail(c, ERROR.vmxonInRoot);
  if ((s.cr0 & CR0_FIXED) !== CR0_FIXED || (s.cr4 & ~cr4Allowed(c.features)) !== 0n) raiseGp();
  if ((cr0(s) & CR0.PE) === 0) raiseGp();
  if (!isRegionAddress(c, pointer) || revisionAt(c, pointer) !== VMCS_REVISION) return STATUS.failInvalid;
  s.vmxonPointer = pointer;
  s.vmcsPointer = NO_REGION;
  return STATUS.succeed;
}

export function vmxoff(c: SlowContext): bigint {
  c.s.vmxonPointer = NO_REGION;
  c.s.vmcsPointer = NO_REGION;
  // An INIT that waited comes before the next instruction.
  c.leave('entry');
  return STATUS.succeed;
}

export function vmclear(c: SlowContext, pointer: bigint): bigint {
  if (!isRegionAddress(c, pointer)) return fail(c, ERROR.clearAddress);
  if (pointer === c.s.vmxonPointer) return fail(c, ERROR.clearVmxon);
  setLaunchState(c, pointer, LAUNCH_STATE.clear);
  if (pointer === c.s.vmcsPointer) c.s.vmcsPointer = NO_REGION;
  return STATUS.succeed;
}

export function vmptrld(c: SlowContext, pointer: bigint): bigint {
  if (!isRegionAddress(c, pointer)) return fail(c, ERROR.loadAddress);
  if (pointer === c.s.vmxonPointer) return fail(c, ERROR.loadVmxon);
  if (revisionAt(c, pointer) !== VMCS_REVISION) return fail(c, ERROR.loadRevision);
  c.s.vmcsPointer = pointer;
  c.vmcs.forget();
  return STATUS.succeed;
}

export const vmptrst = (c: SlowContext): bigint => c.s.vmcsPointer;

/** Value and status. */
export function vmread(c: SlowContext, encoding: bigint): readonly bigint[] {
  if (c.s.vmcsPointer === NO_REGION) return [0n, STATUS.failInvalid];
  const found = fieldByEncoding(encoding);
  if (found === undefined) return [0n, fail(c, ERROR.unsupportedField)];
  const value = readField(c, found.field);
  return [found.high ? value >> 32n : value, STATUS.succeed];
}

export function vmwrite(c: SlowContext, encoding: bigint, value: bigint): bigint {
  if (c.s.vmcsPointer === NO_REGION) return STATUS.failInvalid;
  const found = fieldByEncoding(encoding);
  if (found === undefined) return fail(c, ERROR.unsupportedField);
  const { field, high } = found;
  if (field.area === 'read-only') return fail(c, ERROR.readOnlyField);
  if (high) writeField(c, field, (readField(c, field) & 0xffffffffn) | (BigInt.asUintN(32, value) << 32n));
  else if (field.width === 64 && !is64(c.s))
    writeField(c, field, (readField(c, field) & ~0xffffffffn) | BigInt.asUintN(32, value));
  else writeField(c, field, value);
  return STATUS.succeed;
}

export const vmcall = (c: SlowContext): bigint => fail(c, ERROR.vmcallInRoot);

export function invept(c: SlowContext, type: bigint, pointer: bigint): bigint {
  if (type !== 1n && type !== 2n) return fail(c, ERROR.invalidOperand);
  if (type === 1n && !validEptPointer(c, pointer)) return fail(c, ERROR.invalidOperand);
  // Accessed and dirty flags belong to the pointer, the translations to its tables: all of them go.
  c.flushTlb('everything');
  return STATUS.succeed;
}

export function invvpid(c: SlowContext, type: bigint, descriptor: readonly [low: bigint, address: bigint]): bigint {
  const [low, address] = descriptor;
  if (type > 3n || low >> 16n !== 0n) return fail(c, ERROR.invalidOperand);
  if (type !== 2n && low === 0n) return fail(c, ERROR.invalidOperand);
  if (type === 0n && !isCanonical(address)) return fail(c, ERROR.invalidOperand);
  if (type === 2n) c.flushTlb('everything');
  else c.flushTlb('vpid', low);
  return STATUS.succeed;
}
