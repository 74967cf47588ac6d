/** The current VMCS, and how VM entry judges it, for people. Nothing here changes anything. */
import type { SlowContext } from '../context.ts';
import { ALLOWED, CR0_FIXED, VM_FUNCTIONS } from './capabilities.ts';
import { CONTROL_RULES } from './checks-controls.ts';
import { GUEST_RULES } from './checks-guest.ts';
import { HOST_RULES } from './checks-host.ts';
import { VMCS, type VmcsFieldName } from './fields.ts';
import { LAUNCH_STATE, NO_REGION } from './region.ts';
import { EntryView, type Rule } from './rule.ts';

/** Reads memory at a physical address; `undefined` where none answers. */
type ReadPhysical = (pa: bigint, bytes: 4 | 8) => bigint | undefined;

const LAUNCH = 8n;

/** The VMCS a vCPU has as its current one; `undefined` when there is none, or its region is not in memory. */
export function inspectVmcs(vmcsPointer: bigint, read: ReadPhysical) {
  if (vmcsPointer === NO_REGION) return undefined;
  const launch = read(vmcsPointer + LAUNCH, 4);
  if (launch === undefined) return undefined;
  const fields = Object.values(VMCS).map(({ name, encoding, width, area, offset, bits }) => {
    const value = read(vmcsPointer + BigInt(offset), 8) ?? 0n;
    return { name, encoding, width, area, value, ...(bits && { bits }), ...allowedBits(name) };
  });
  return { pointer: vmcsPointer, launched: launch === LAUNCH_STATE.launched, fields };
}

/** Bits that must be 1, and bits that may be, where a capability MSR decides. */
function allowedBits(field: VmcsFieldName): { readonly ones?: bigint; readonly may?: bigint } {
  if (field === 'vmFunctionControls') return { ones: 0n, may: VM_FUNCTIONS };
  if (field === 'hostCr0') return { ones: CR0_FIXED, may: 0xffffffffn };
  const capability = CAPABILITY[field];
  return capability === undefined ? {} : ALLOWED[capability];
}

const CAPABILITY: Partial<Record<VmcsFieldName, keyof typeof ALLOWED>> = {
  pinControls: 'pin',
  procControls: 'proc',
  proc2Controls: 'proc2',
  exitControls: 'exit',
  entryControls: 'entry',
};

const STAGES = [
  ['controls', CONTROL_RULES],
  ['host', HOST_RULES],
  ['guest', GUEST_RULES],
] as const;

/** Every rule of VM entry in the manual's order, up to and with the first that does not hold for the current VMCS. */
export function entryChecks(c: SlowContext, view = new EntryView(c)) {
  const checks: ReturnType<typeof check>[] = [];
  for (const [stage, rules] of STAGES) {
    for (const rule of rules) {
      const one = check(view, rule, stage);
      checks.push(one);
      if (!one.ok) return checks;
    }
  }
  return checks;
}

function check(view: EntryView, { name, fields, ok }: Rule, stage: (typeof STAGES)[number][0]) {
  const compared = fields.map((field) => {
    const capability = CAPABILITY[field];
    const allowed: { readonly ones?: bigint; readonly may?: bigint } = capability === undefined ? {} : ALLOWED[capability];
    return { name: field, value: view.big(field), ...allowed };
  });
  return { stage, rule: name, ok: ok(view), fields: compared };
}
