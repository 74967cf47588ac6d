/** IA32_VMX_* (SDM vol. 3, appendix A): what VM entry allows, derived from the controls that act and nothing else. */

import { CR4 } from '../model/bits.ts';
import type { CpuModel } from '../model/model.ts';
import { ENTRY_CONTROL, EXIT_CONTROL, HIGHEST_INDEX, PIN, PROC, PROC2, VM_FUNCTION } from './fields.ts';

/** Our VMCS revision identifier; changes with the layout of regions. */
export const VMCS_REVISION = 0x524d5601 & 0x7fffffff;
/** The preemption timer counts at the rate of the time-stamp counter divided by two to this power. */
export const PREEMPTION_SHIFT = 5n;
/** IA32_FEATURE_CONTROL as firmware leaves it: VMX outside SMX enabled, locked. */
export const FEATURE_CONTROL = 5n;
export const CR3_TARGETS = 4;
/** CR0.PE, NE and PG; PE and PG may be 0 for an unrestricted guest. */
export const CR0_FIXED = 0x80000021n;
export const CR4_FIXED = BigInt(CR4.vmxe);

const all = (bits: Readonly<Record<string, number>>): bigint => Object.values(bits).reduce((sum, bit) => sum | BigInt(bit), 0n);

interface Allowed {
  /** Bits that must be 1. */
  readonly ones: bigint;
  /** Bits that may be 1. */
  readonly may: bigint;
}

const allowed = (defaults: bigint, bits: Readonly<Record<string, number>>): Allowed => ({
  ones: defaults,
  may: defaults | all(bits),
});

/** What the TRUE capability MSRs say; the older MSRs keep the controls that were once always 1. */
export const ALLOWED = {
  pin: allowed(0x16n, PIN),
  proc: allowed(0x04006172n, PROC),
  proc2: allowed(0n, PROC2),
  exit: allowed(0x36dfbn, EXIT_CONTROL),
  entry: allowed(0x11fbn, ENTRY_CONTROL),
} as const;
const DEFAULT1 = { pin: 0x16n, proc: 0x0401e172n, exit: 0x36dffn, entry: 0x11ffn } as const;

const word = (low: bigint, high: bigint): bigint => low | (high << 32n);
const old = (name: keyof typeof DEFAULT1): bigint => word(DEFAULT1[name], ALLOWED[name].may | DEFAULT1[name]);
const exact = (name: keyof typeof ALLOWED): bigint => word(ALLOWED[name].ones, ALLOWED[name].may);

/** EPT: execute-only, four levels, UC and WB, 2 MiB and 1 GiB pages, INVEPT of one or all, A/D flags; INVVPID of all four types. */
const EPT_VPID = word(0x06334141n, 0xf01n);

/** IA32_VMX_VMFUNC. */
export const VM_FUNCTIONS = all(VM_FUNCTION);

/** CR4 bits that may be 1 in VMX operation. */
export const cr4Allowed = (model: CpuModel): bigint => BigInt(model.cr4) | CR4_FIXED;

/** A capability MSR by index; `undefined` when there is none. */
export function vmxCapability(model: CpuModel, index: number): bigint | undefined {
  switch (index) {
    case 0x480: // regions of 4 KiB, write-back, INS and OUTS information, TRUE MSRs
      return BigInt(VMCS_REVISION) | (4096n << 32n) | (6n << 50n) | (1n << 54n) | (1n << 55n);
    case 0x481:
      return old('pin');
    case 0x482:
      return old('proc');
    case 0x483:
      return old('exit');
    case 0x484:
      return old('entry');
    case 0x485: // IA32e guest is stored on exit, HLT and wait-for-SIPI, CR3 targets, software interrupts of length 0
      return PREEMPTION_SHIFT | (1n << 5n) | (1n << 6n) | (1n << 8n) | (BigInt(CR3_TARGETS) << 16n) | (1n << 30n);
    case 0x486:
      return CR0_FIXED;
    case 0x487:
      return 0xffffffffn;
    case 0x488:
      return CR4_FIXED;
    case 0x489:
      return cr4Allowed(model);
    case 0x48a:
      return BigInt(HIGHEST_INDEX);
    case 0x48b:
      return exact('proc2');
    case 0x48c:
      return EPT_VPID;
    case 0x48d:
      return exact('pin');
    case 0x48e:
      return exact('proc');
    case 0x48f:
      return exact('exit');
    case 0x490:
      return exact('entry');
    case 0x491:
      return VM_FUNCTIONS;
    default:
      return undefined;
  }
}
