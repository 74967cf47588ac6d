/** The capability MSRs as a table for people: what each is, what it says, and what it allows of which field (SDM vol. 3, appendix A). */
import type { CpuModel } from '../model/model.ts';
import { vmxCapability } from './capabilities.ts';
import { VMCS, type VmcsFieldName } from './fields.ts';

interface CapabilityRow {
  readonly index: number;
  readonly name: string;
  readonly value: bigint;
  /** What it says besides, in words. */
  readonly meaning: readonly string[];
  /** The fields it decides about: bits that must be 1, and bits that may be. */
  readonly allowed?: {
    readonly fields: readonly VmcsFieldName[];
    readonly ones: bigint;
    readonly may: bigint;
    readonly bits?: Readonly<Record<number, string>>;
  };
}

const LOW = 0xffff_ffffn;
/** Allowed-0 settings in the lower half, allowed-1 settings in the upper one. */
const halves = (value: bigint) => ({ ones: value & LOW, may: value >> 32n });
const pair = (model: CpuModel, first: number) => ({
  ones: vmxCapability(model, first) ?? 0n,
  may: vmxCapability(model, first + 1) ?? 0n,
});

const NAMES = new Map<number, string>([
  [0x480, 'IA32_VMX_BASIC'],
  [0x481, 'IA32_VMX_PINBASED_CTLS'],
  [0x482, 'IA32_VMX_PROCBASED_CTLS'],
  [0x483, 'IA32_VMX_EXIT_CTLS'],
  [0x484, 'IA32_VMX_ENTRY_CTLS'],
  [0x485, 'IA32_VMX_MISC'],
  [0x486, 'IA32_VMX_CR0_FIXED0'],
  [0x487, 'IA32_VMX_CR0_FIXED1'],
  [0x488, 'IA32_VMX_CR4_FIXED0'],
  [0x489, 'IA32_VMX_CR4_FIXED1'],
  [0x48a, 'IA32_VMX_VMCS_ENUM'],
  [0x48b, 'IA32_VMX_PROCBASED_CTLS2'],
  [0x48c, 'IA32_VMX_EPT_VPID_CAP'],
  [0x48d, 'IA32_VMX_TRUE_PINBASED_CTLS'],
  [0x48e, 'IA32_VMX_TRUE_PROCBASED_CTLS'],
  [0x48f, 'IA32_VMX_TRUE_EXIT_CTLS'],
  [0x490, 'IA32_VMX_TRUE_ENTRY_CTLS'],
  [0x491, 'IA32_VMX_VMFUNC'],
]);
const CONTROLS = new Map<number, VmcsFieldName>([
  [0x481, 'pinControls'],
  [0x482, 'procControls'],
  [0x483, 'exitControls'],
  [0x484, 'entryControls'],
  [0x48b, 'proc2Controls'],
  [0x48d, 'pinControls'],
  [0x48e, 'procControls'],
  [0x48f, 'exitControls'],
  [0x490, 'entryControls'],
]);

const bit = (value: bigint, at: number): boolean => ((value >> BigInt(at)) & 1n) !== 0n;
const part = (value: bigint, high: number, low: number): bigint => (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
/** The names of the bits that are set. */
const set = (value: bigint, names: Readonly<Record<number, string>>): string[] =>
  Object.entries(names)
    .filter(([at]) => bit(value, Number(at)))
    .map(([, name]) => name);

/** SDM vol. 3, A.1, A.6, A.9 and A.10. */
const MEANINGS = new Map<number, (value: bigint) => readonly string[]>([
  [
    0x480,
    (value) => [
      `revision 0x${part(value, 30, 0).toString(16)}`,
      `regions of ${part(value, 44, 32)} bytes`,
      part(value, 53, 50) === 6n ? 'write-back' : 'uncached',
      ...set(value, { 48: 'addresses of 32 bits', 54: 'INS and OUTS leave information', 55: 'TRUE capability MSRs' }),
    ],
  ],
  [
    0x485,
    (value) => [
      `preemption timer: TSC / ${1n << part(value, 4, 0)}`,
      `${part(value, 24, 16)} CR3 targets`,
      ...set(value, { 5: 'LMA is stored', 6: 'HLT state', 7: 'shutdown state', 8: 'wait-for-SIPI state' }),
      ...set(value, { 29: 'VMWRITE to every field', 30: 'software interrupts of length 0' }),
    ],
  ],
  [0x48a, (value) => [`highest index ${part(value, 9, 1)}`]],
  [
    0x48c,
    (value) => [
      ...set(value, { 0: 'execute-only', 6: '4 levels', 7: '5 levels', 8: 'UC', 14: 'WB', 16: '2 MiB pages', 17: '1 GiB pages' }),
      ...set(value, { 20: 'INVEPT', 21: 'accessed and dirty flags', 25: 'INVEPT of one', 26: 'INVEPT of all', 32: 'INVVPID' }),
      ...set(value, { 40: 'INVVPID of an address', 41: 'INVVPID of one', 42: 'INVVPID of all', 43: 'INVVPID but globals' }),
    ],
  ],
]);

/** Every capability MSR that the model has, in order; none when it has no VMX. */
export function vmxCapabilityReport(model: CpuModel): CapabilityRow[] {
  return [...NAMES].flatMap(([index, name]): CapabilityRow[] => {
    const value = vmxCapability(model, index);
    if (value === undefined) return [];
    const allowed = allowedBy(model, index, value);
    return [{ index, name, value, meaning: MEANINGS.get(index)?.(value) ?? [], ...(allowed && { allowed }) }];
  });
}

function allowedBy(model: CpuModel, index: number, value: bigint): CapabilityRow['allowed'] {
  const field = CONTROLS.get(index);
  if (field !== undefined) return { fields: [field], ...halves(value), ...bitsOf(field) };
  if (index === 0x486 || index === 0x487) return { fields: ['guestCr0', 'hostCr0'], ...pair(model, 0x486) };
  if (index === 0x488 || index === 0x489) return { fields: ['guestCr4', 'hostCr4'], ...pair(model, 0x488) };
  if (index === 0x491) return { fields: ['vmFunctionControls'], ones: 0n, may: value, ...bitsOf('vmFunctionControls') };
  return undefined;
}

function bitsOf(field: VmcsFieldName): { readonly bits?: Readonly<Record<number, string>> } {
  const { bits } = VMCS[field];
  return bits === undefined ? {} : { bits };
}
