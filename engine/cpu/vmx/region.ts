/**
 * A VMCS in guest memory: revision identifier at 0, VMX-abort indicator at 4, launch state at 8, then the fields as `fields.ts` places
 * them. The address is physical; EPT never applies.
 */
import type { SlowContext } from '../context.ts';
import { PROC, VMCS, type VmcsField, type VmcsFieldName, wordOf } from './fields.ts';

/** Pointer value when there is no current VMCS, and VMXON pointer outside VMX operation. */
export const NO_REGION = 0xffff_ffff_ffff_ffffn;
const ABORT_WORD = 1;
const LAUNCH = 8;
export const LAUNCH_STATE = { clear: 0n, launched: 1n } as const;

export const inVmx = (c: SlowContext): boolean => c.s.vmxonPointer !== NO_REGION;

const U32 = 2 ** 32;
const PROC_WORD = wordOf('procControls');
const RFLAGS_WORD = wordOf('guestRflags');
/** RFLAGS.VM. */
export const RFLAGS_VM = 0x20000;
const MASK: Readonly<Record<number, number>> = { 16: 0xffff, 32: 0xffffffff };

export function readField(c: SlowContext, field: VmcsField): bigint {
  const at = c.vmcs.locate() + (field.offset >>> 2);
  const { words } = c.vmcs;
  const low = words[at] as number;
  if (field.width === 16 || field.width === 32) return BigInt(low);
  const high = words[at + 1] as number;
  return high < 0x200000 ? BigInt(high * U32 + low) : (BigInt(high) << 32n) | BigInt(low);
}

/** Low bits that changed, -1 where upper ones did too. */
function store(c: SlowContext, field: VmcsField, value: bigint): number {
  const at = c.vmcs.locateToWrite() + (field.offset >>> 2);
  const { words } = c.vmcs;
  const narrow = field.width === 16 || field.width === 32;
  const low = Number(BigInt.asUintN(32, value)) & (narrow ? (MASK[field.width] as number) : -1);
  const high = narrow ? 0 : Number(BigInt.asUintN(64, value) >> 32n);
  const differs = words[at + 1] === high ? (words[at] as number) ^ low : -1;
  words[at] = low;
  words[at + 1] = high;
  return differs;
}

/** As VMWRITE does: keeps as many bits as the field has, and the rules that depend on it are looked at before the next VM entry. */
export function writeField(c: SlowContext, field: VmcsField, value: bigint): void {
  const differs = store(c, field, value);
  if (differs === 0) return;
  const word = field.offset >>> 2;
  c.vmcs.changed(word, differs);
  const all = (word === PROC_WORD && (differs & PROC.secondary) !== 0) || (word === RFLAGS_WORD && (differs & RFLAGS_VM) !== 0);
  if (all) c.vmcs.forget();
}

/** A field of the current VMCS. */
export const get = (c: SlowContext, name: VmcsFieldName): bigint => readField(c, VMCS[name]);
/** The low 32 bits of a field. */
export const get32 = (c: SlowContext, name: VmcsFieldName): number => {
  const at = c.vmcs.locate() + (VMCS[name].offset >>> 2);
  return c.vmcs.words[at] as number;
};
/** As a VM exit writes a field. */
export const set = (c: SlowContext, name: VmcsFieldName, value: bigint | number): void => {
  store(c, VMCS[name], BigInt(value));
};

export const revisionAt = (c: SlowContext, pa: bigint): number => Number(c.memory.readPhysical(32, Number(pa)));
export const launchState = (c: SlowContext): bigint => c.memory.readPhysical(32, Number(c.s.vmcsPointer) + LAUNCH);
export const setLaunchState = (c: SlowContext, region: bigint, state: bigint): void =>
  c.memory.writePhysical(32, Number(region) + LAUNCH, state);
export const setAbort = (c: SlowContext, code: number): void => {
  const at = c.vmcs.locateToWrite();
  c.vmcs.words[at + ABORT_WORD] = code;
};

/** Is this an address software may give for a region: aligned to 4 KiB, inside the physical-address width? */
export const isRegionAddress = (c: SlowContext, pa: bigint): boolean =>
  (pa & 0xfffn) === 0n && pa >> BigInt(c.features.physicalBits) === 0n;
