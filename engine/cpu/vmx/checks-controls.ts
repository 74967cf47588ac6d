/** Rules for the VMX controls (SDM vol. 3, 26.2.1), in the manual's order. */
import type { SlowContext } from '../context.ts';
import { ALLOWED, CR3_TARGETS, VM_FUNCTIONS } from './capabilities.ts';
import { EXIT_CONTROL, PIN, PROC, PROC2, VM_FUNCTION, type VmcsFieldName } from './fields.ts';
import { type EntryView, procRule, type Rule, rule } from './rule.ts';

/** Controls have 32 bits. */
const within = (name: VmcsFieldName, kind: keyof typeof ALLOWED): ((v: EntryView) => boolean) => {
  const [ones, may] = [Number(ALLOWED[kind].ones) | 0, Number(ALLOWED[kind].may) | 0];
  return (v) => {
    const value = v.number(name);
    return (value & ones) === ones && (value & ~may) === 0;
  };
};
const proc2Within = within('proc2Controls', 'proc2');

const switchesEptp = (v: EntryView): boolean =>
  v.secondary(PROC2.vmFunctions) && v.has('vmFunctionControls', VM_FUNCTION.eptpSwitching);

/** Memory type UC or WB, four levels, no reserved bit. */
export function validEptPointer(c: SlowContext, pointer: bigint): boolean {
  const type = pointer & 7n;
  return (
    (type === 0n || type === 6n) &&
    ((pointer >> 3n) & 7n) === 3n &&
    (pointer & 0xf80n) === 0n &&
    pointer >> BigInt(c.features.physicalBits) === 0n
  );
}

/** An MSR area of `count` entries of 16 bytes. */
const area = (v: EntryView, address: VmcsFieldName, count: VmcsFieldName): boolean => {
  const entries = BigInt(v.number(count));
  if (entries === 0n) return true;
  const last = v.big(address) + entries * 16n - 1n;
  return v.physical(address, 15n) && last >> BigInt(v.c.features.physicalBits) === 0n;
};

/** Of the event to inject: valid, type, vector, error code wanted. */
export const injection = (v: EntryView) => {
  const info = v.number('entryInterruptionInfo');
  return { info, valid: (info & 0x80000000) !== 0, type: (info >>> 8) & 7, vector: info & 0xff, error: (info & 0x800) !== 0 };
};

const WITH_ERROR = [8, 10, 11, 12, 13, 14, 17];
const inject = (
  name: string,
  fields: readonly VmcsFieldName[],
  ok: (v: EntryView, e: ReturnType<typeof injection>) => boolean,
): Rule =>
  rule(name, ['entryInterruptionInfo', ...fields], (v) => {
    const event = injection(v);
    return !event.valid || ok(v, event);
  });

const protectedGuest = (v: EntryView): boolean => !v.secondary(PROC2.unrestricted) || (v.big('guestCr0') & 1n) !== 0n;

export const CONTROL_RULES: readonly Rule[] = [
  rule('pin controls: reserved bits', ['pinControls'], within('pinControls', 'pin')),
  // Bits that may be 0 and 1 cannot break it.
  procRule(
    Number(BigInt.asIntN(32, ALLOWED.proc.ones | ~ALLOWED.proc.may)),
    ['processor controls: reserved bits'],
    within('procControls', 'proc'),
  ),
  procRule(
    PROC.secondary,
    ['secondary controls: reserved bits', 'proc2Controls'],
    (v) => (v.number('procControls') & PROC.secondary) === 0 || proc2Within(v),
  ),
  rule('CR3-target count', ['cr3TargetCount'], (v) => v.number('cr3TargetCount') <= CR3_TARGETS),
  procRule(
    PROC.ioBitmaps,
    ['I/O bitmaps: addresses', 'ioBitmapA', 'ioBitmapB'],
    (v) => !v.has('procControls', PROC.ioBitmaps) || (v.physical('ioBitmapA', 0xfffn) && v.physical('ioBitmapB', 0xfffn)),
  ),
  procRule(
    PROC.msrBitmaps,
    ['MSR bitmaps: address', 'msrBitmap'],
    (v) => !v.has('procControls', PROC.msrBitmaps) || v.physical('msrBitmap', 0xfffn),
  ),
  procRule(
    PROC.tprShadow,
    ['virtual-APIC page: address', 'virtualApicAddress'],
    (v) => !v.has('procControls', PROC.tprShadow) || v.physical('virtualApicAddress', 0xfffn),
  ),
  procRule(
    PROC.tprShadow,
    ['TPR threshold: reserved bits', 'tprThreshold'],
    (v) => !v.has('procControls', PROC.tprShadow) || v.number('tprThreshold') >>> 4 === 0,
  ),
  {
    ...procRule(PROC.tprShadow, ['TPR threshold above VTPR', 'tprThreshold', 'virtualApicAddress'], (v) => {
      if (!v.has('procControls', PROC.tprShadow) || v.number('tprThreshold') === 0) return true;
      const vtpr = Number(v.c.memory.readPhysical(32, Number(v.big('virtualApicAddress')) + 0x80));
      return v.number('tprThreshold') <= ((vtpr >>> 4) & 15);
    }),
    beyondFields: true,
  },
  rule(
    'virtual NMIs need NMI exiting',
    ['pinControls'],
    (v) => v.has('pinControls', PIN.nmi) || !v.has('pinControls', PIN.virtualNmi),
  ),
  procRule(
    PROC.nmiWindow,
    ['NMI-window exiting needs virtual NMIs', 'pinControls'],
    (v) => v.has('pinControls', PIN.virtualNmi) || !v.has('procControls', PROC.nmiWindow),
  ),
  rule('VPID is not 0', ['proc2Controls', 'vpid'], (v) => !v.secondary(PROC2.vpid) || v.number('vpid') !== 0),
  rule(
    'EPT pointer',
    ['proc2Controls', 'eptPointer'],
    (v) => !v.secondary(PROC2.ept) || validEptPointer(v.c, v.big('eptPointer')),
  ),
  rule('page-modification logging needs EPT', ['proc2Controls'], (v) => !v.secondary(PROC2.pml) || v.secondary(PROC2.ept)),
  rule(
    'page-modification log: address',
    ['proc2Controls', 'pmlAddress'],
    (v) => !v.secondary(PROC2.pml) || v.physical('pmlAddress', 0xfffn),
  ),
  rule('unrestricted guest needs EPT', ['proc2Controls'], (v) => !v.secondary(PROC2.unrestricted) || v.secondary(PROC2.ept)),
  rule(
    'VM-function controls: reserved bits',
    ['proc2Controls', 'vmFunctionControls'],
    (v) => !v.secondary(PROC2.vmFunctions) || (v.big('vmFunctionControls') & ~VM_FUNCTIONS) === 0n,
  ),
  rule('EPTP switching needs EPT', ['proc2Controls', 'vmFunctionControls'], (v) => !switchesEptp(v) || v.secondary(PROC2.ept)),
  rule(
    'EPTP list: address',
    ['proc2Controls', 'vmFunctionControls', 'eptpListAddress'],
    (v) => !switchesEptp(v) || v.physical('eptpListAddress', 0xfffn),
  ),
  rule(
    'TSC multiplier is not 0',
    ['proc2Controls', 'tscMultiplier'],
    (v) => !v.secondary(PROC2.tscScaling) || v.big('tscMultiplier') !== 0n,
  ),
  rule('exit controls: reserved bits', ['exitControls'], within('exitControls', 'exit')),
  rule(
    'saving the preemption timer needs it',
    ['exitControls', 'pinControls'],
    (v) => v.has('pinControls', PIN.preemptionTimer) || !v.has('exitControls', EXIT_CONTROL.savePreemptionTimer),
  ),
  rule('exit MSR-store area', ['exitMsrStoreAddress', 'exitMsrStoreCount'], (v) =>
    area(v, 'exitMsrStoreAddress', 'exitMsrStoreCount'),
  ),
  rule('exit MSR-load area', ['exitMsrLoadAddress', 'exitMsrLoadCount'], (v) =>
    area(v, 'exitMsrLoadAddress', 'exitMsrLoadCount'),
  ),
  rule('entry controls: reserved bits', ['entryControls'], within('entryControls', 'entry')),
  inject('injection: type', [], (_v, e) => e.type !== 1 && e.type !== 7),
  inject('injection: vector fits the type', [], (_v, e) => (e.type !== 2 || e.vector === 2) && (e.type !== 3 || e.vector <= 31)),
  inject(
    'injection: error code where the vector has one',
    ['guestCr0', 'proc2Controls'],
    (v, e) => e.error === (e.type === 3 && WITH_ERROR.includes(e.vector) && protectedGuest(v)),
  ),
  inject('injection: reserved bits', [], (_v, e) => (e.info & 0x7ffff000) === 0),
  inject(
    'injection: error code bits',
    ['entryExceptionError'],
    (v, e) => !e.error || v.number('entryExceptionError') >>> 16 === 0,
  ),
  inject(
    'injection: instruction length',
    ['entryInstructionLength'],
    (v, e) => e.type < 4 || v.number('entryInstructionLength') <= 15,
  ),
  rule('entry MSR-load area', ['entryMsrLoadAddress', 'entryMsrLoadCount'], (v) =>
    area(v, 'entryMsrLoadAddress', 'entryMsrLoadCount'),
  ),
];
