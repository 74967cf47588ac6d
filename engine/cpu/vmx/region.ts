/**
 * A VMCS in guest memory: revision identifier at 0, VMX-abort indicator at 4, launch state at 8, then the fields as `fields.ts` places
 * them. The address is physical; EPT never applies.
 */
import type { SlowContext } from '../context.ts';
import { VMCS, type VmcsField, type VmcsFieldName } from './fields.ts';

/** Pointer value when there is no current VMCS, and VMXON pointer outside VMX operation. */
export const NO_REGION = 0xffff_ffff_ffff_ffffn;
const ABORT = 4;
const LAUNCH = 8;
export const LAUNCH_STATE = { clear: 0n, launched: 1n } as const;

export const inVmx = (c: SlowContext): boolean => c.s.vmxonPointer !== NO_REGION;

const base = (c: SlowContext): number => Number(c.s.vmcsPointer);

export const readField = (c: SlowContext, field: VmcsField): bigint => c.memory.readPhysical(64, base(c) + field.offset);

/** Keeps as many bits as the field has. */
export function writeField(c: SlowContext, field: VmcsField, value: bigint): void {
  const bits = field.width === 'natural' ? 64 : field.width;
  c.memory.writePhysical(64, base(c) + field.offset, BigInt.asUintN(bits, value));
}

/** A field of the current VMCS. */
export const get = (c: SlowContext, name: VmcsFieldName): bigint => readField(c, VMCS[name]);
/** A field of at most 32 bits. */
export const get32 = (c: SlowContext, name: VmcsFieldName): number => Number(BigInt.asUintN(32, readField(c, VMCS[name])));
export const set = (c: SlowContext, name: VmcsFieldName, value: bigint | number): void =>
  writeField(c, VMCS[name], BigInt(value));

export const revisionAt = (c: SlowContext, pa: bigint): number => Number(c.memory.readPhysical(32, Number(pa)));
export const launchState = (c: SlowContext): bigint => c.memory.readPhysical(32, base(c) + LAUNCH);
export const setLaunchState = (c: SlowContext, region: bigint, state: bigint): void =>
  c.memory.writePhysical(32, Number(region) + LAUNCH, state);
export const setAbort = (c: SlowContext, code: number): void => c.memory.writePhysical(32, base(c) + ABORT, BigInt(code));

/** Is this an address software may give for a region: aligned to 4 KiB, inside the physical-address width? */
export const isRegionAddress = (c: SlowContext, pa: bigint): boolean =>
  (pa & 0xfffn) === 0n && pa >> BigInt(c.features.physicalBits) === 0n;
