/** One case per rule of VM entry: fields that break this rule and none before it, and what VMLAUNCH makes of them. */
import { describe, expect, it } from 'vitest';
import { ENTRY_CONTROL, EXIT_CONTROL, PIN, PROC, PROC2, type VmcsFieldName } from './fields.ts';
import { entryChecks } from './inspect.ts';
import { FIRST_GUEST_RULE, FIRST_HOST_RULE, RULES } from './rule-index.ts';
import { VmxStage } from './testing/vmx-stage.ts';

type Fields = Partial<Record<VmcsFieldName, number | bigint>>;
const NOT_CANONICAL = 1n << 63n;
const BEYOND = 1n << 60n;
const ENTRY = 0x11fb;
const ENTRY64 = ENTRY | ENTRY_CONTROL.ia32e;
const EXIT = 0x36dfb;
const EXIT64 = EXIT | EXIT_CONTROL.host64;
const EPTP = 0x1e;
const NMI = 0x80000202;
const CR4 = 0x12620n;
const PCIDE = 0x20000n;
const ALL = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs'] as const;
const rights = (name: (typeof ALL)[number], bits: number): Fields => ({
  [`guest${name}Rights`]: bits | (name === 'Cs' ? 0xa008 : 0xc000),
});
const vm86: Fields = Object.assign(
  { guestRflags: 0x20002 },
  ...ALL.map((name) => ({
    [`guest${name}Selector`]: 0,
    [`guest${name}Limit`]: 0xffff,
    [`guest${name}Rights`]: 0xf3,
  })),
);
const each = (names: readonly string[], rule: (name: string) => string, fields: (name: never) => Fields) =>
  Object.fromEntries(names.map((name) => [rule(name), fields(name as never)]));

const CASES: Readonly<Record<string, Fields>> = {
  'pin controls: reserved bits': { pinControls: 0x80000000 },
  'processor controls: reserved bits': { procControls: 1 },
  'secondary controls: reserved bits': { proc2Controls: 1 },
  'CR3-target count': { cr3TargetCount: 5 },
  'I/O bitmaps: addresses': { procControls: PROC.ioBitmaps, ioBitmapB: 1 },
  'MSR bitmaps: address': { procControls: PROC.msrBitmaps, msrBitmap: BEYOND },
  'virtual-APIC page: address': { procControls: PROC.tprShadow, virtualApicAddress: 8 },
  'TPR threshold: reserved bits': { procControls: PROC.tprShadow, tprThreshold: 0x10 },
  'TPR threshold above VTPR': { procControls: PROC.tprShadow, virtualApicAddress: 0x70000, tprThreshold: 1 },
  'virtual NMIs need NMI exiting': { pinControls: PIN.virtualNmi },
  'NMI-window exiting needs virtual NMIs': { procControls: PROC.nmiWindow },
  'VPID is not 0': { proc2Controls: PROC2.vpid },
  'EPT pointer': { proc2Controls: PROC2.ept, eptPointer: 1 },
  'page-modification logging needs EPT': { proc2Controls: PROC2.pml },
  'page-modification log: address': { proc2Controls: PROC2.pml | PROC2.ept, eptPointer: EPTP, pmlAddress: 1 },
  'unrestricted guest needs EPT': { proc2Controls: PROC2.unrestricted },
  'VM-function controls: reserved bits': { proc2Controls: PROC2.vmFunctions, vmFunctionControls: 2 },
  'EPTP switching needs EPT': { proc2Controls: PROC2.vmFunctions, vmFunctionControls: 1 },
  'EPTP list: address': {
    proc2Controls: PROC2.vmFunctions | PROC2.ept,
    eptPointer: EPTP,
    vmFunctionControls: 1,
    eptpListAddress: 1,
  },
  'TSC multiplier is not 0': { proc2Controls: PROC2.tscScaling },
  'exit controls: reserved bits': { exitControls: EXIT64 & ~1 },
  'saving the preemption timer needs it': { exitControls: EXIT64 | EXIT_CONTROL.savePreemptionTimer },
  'exit MSR-store area': { exitMsrStoreCount: 1, exitMsrStoreAddress: 8 },
  'exit MSR-load area': { exitMsrLoadCount: 2, exitMsrLoadAddress: (1n << 40n) - 16n },
  'entry controls: reserved bits': { entryControls: ENTRY64 | 0x400 },
  'injection: type': { entryInterruptionInfo: 0x80000100 },
  'injection: vector fits the type': { entryInterruptionInfo: 0x80000203 },
  'injection: error code where the vector has one': { entryInterruptionInfo: 0x8000030d },
  'injection: reserved bits': { entryInterruptionInfo: 0x80001306 },
  'injection: error code bits': { entryInterruptionInfo: 0x80000b0d, entryExceptionError: 0x10000 },
  'injection: instruction length': { entryInterruptionInfo: 0x80000480, entryInstructionLength: 16 },
  'entry MSR-load area': { entryMsrLoadCount: 1, entryMsrLoadAddress: 1 },

  'host CR0: fixed bits': { hostCr0: 0n },
  'host CR4: fixed bits': { hostCr4: 0n },
  'host CR3: width': { hostCr3: BEYOND },
  'hostSysenterEsp is canonical': { hostSysenterEsp: NOT_CANONICAL },
  'hostSysenterEip is canonical': { hostSysenterEip: NOT_CANONICAL },
  'host PAT: types': { exitControls: EXIT64 | EXIT_CONTROL.loadPat, hostPat: 2 },
  'host EFER': { exitControls: EXIT64 | EXIT_CONTROL.loadEfer, hostEfer: 0x100 },
  'host selectors: RPL and TI are 0': { hostDsSelector: 3 },
  'host CS is not null': { hostCsSelector: 0 },
  'host TR is not null': { hostTrSelector: 0 },
  'host SS is not null outside 64-bit mode': { exitControls: EXIT },
  ...each(
    ['Fs', 'Gs', 'Gdtr', 'Idtr', 'Tr'],
    (name) => `host${name}Base is canonical`,
    (name) => ({
      [`host${String(name)}Base`]: NOT_CANONICAL,
    }),
  ),
  'host address-space size as it is now': { exitControls: EXIT, hostSsSelector: 0x10 },
  'no IA-32e guest from a 32-bit host': { exitControls: EXIT, hostSsSelector: 0x10 },
  '32-bit host: CR4.PCIDE is 0': { exitControls: EXIT, entryControls: ENTRY, hostSsSelector: 0x10, hostCr4: CR4 | PCIDE },
  '32-bit host: RIP has 32 bits': { exitControls: EXIT, entryControls: ENTRY, hostSsSelector: 0x10, hostRip: 1n << 32n },
  '64-bit host: CR4.PAE is 1': { hostCr4: CR4 & ~0x20n },
  '64-bit host: RIP is canonical': { hostRip: BEYOND },

  'CR0: fixed bits': { guestCr0: 0x10 },
  'CR0: PG needs PE': { proc2Controls: PROC2.unrestricted | PROC2.ept, eptPointer: EPTP, guestCr0: 0x80000020n },
  'CR4: fixed bits': { guestCr4: CR4 & ~0x2000n },
  'DEBUGCTL: reserved bits': { entryControls: ENTRY64 | ENTRY_CONTROL.loadDebug, guestDebugctl: 4 },
  'IA-32e guest: CR0.PG and CR4.PAE': { guestCr4: CR4 & ~0x20n },
  'legacy guest: CR4.PCIDE is 0': { entryControls: ENTRY, guestCr4: CR4 | PCIDE },
  'CR3: width': { guestCr3: BEYOND },
  'DR7: upper half is 0': { entryControls: ENTRY64 | ENTRY_CONTROL.loadDebug, guestDr7: 1n << 32n },
  'guestSysenterEsp is canonical': { guestSysenterEsp: NOT_CANONICAL },
  'guestSysenterEip is canonical': { guestSysenterEip: NOT_CANONICAL },
  'PAT: types': { entryControls: ENTRY64 | ENTRY_CONTROL.loadPat, guestPat: 2 },
  EFER: { entryControls: ENTRY64 | ENTRY_CONTROL.loadEfer, guestEfer: 0 },
  ...each(
    ALL,
    (name) => `virtual-8086 ${name}: base, limit and rights`,
    (name) => ({
      ...vm86,
      entryControls: ENTRY,
      [`guest${String(name)}Limit`]: 0xfffe,
    }),
  ),
  ...each(
    ['Tr', 'Fs', 'Gs'],
    (name) => `guest${name}Base is canonical`,
    (name) => ({ [`guest${String(name)}Base`]: NOT_CANONICAL }),
  ),
  'LDTR: base is canonical': { guestLdtrRights: 0x82, guestLdtrBase: NOT_CANONICAL },
  'CS: base has 32 bits': { guestCsBase: 1n << 32n },
  ...each(
    ['Ss', 'Ds', 'Es'],
    (name) => `${name}: base has 32 bits`,
    (name) => ({ [`guest${String(name)}Base`]: 1n << 32n }),
  ),
  'CS: type': { guestCsRights: 0xa093 },
  'SS: type': rights('Ss', 0x91),
  ...each(
    ['Ds', 'Es', 'Fs', 'Gs'],
    (name) => `${name}: accessed, and readable if code`,
    (name) => rights(name, 0x92),
  ),
  ...each(
    ALL,
    (name) => `${name}: S is 1`,
    (name) => rights(name, 0x83),
  ),
  'CS: DPL': rights('Cs', 0xf3),
  'SS: DPL is its RPL': { guestSsSelector: 0x13 },
  'SS: RPL is that of CS': { guestCsSelector: 0x0b },
  'SS: DPL is 0 with real-mode CS or without protection': {
    proc2Controls: PROC2.unrestricted | PROC2.ept,
    eptPointer: EPTP,
    guestCsRights: 0xa093,
    ...rights('Ss', 0xf3),
  },
  ...each(
    ['Ds', 'Es', 'Fs', 'Gs'],
    (name) => `${name}: DPL is not below RPL`,
    (name) => ({ [`guest${String(name)}Selector`]: 0x13 }),
  ),
  ...each(
    ALL,
    (name) => `${name}: present`,
    (name) => rights(name, 0x13),
  ),
  ...each(
    ALL,
    (name) => `${name}: reserved bits`,
    (name) => rights(name, 0x193),
  ),
  'CS: L and D are not both 1': { guestCsRights: 0xe09b },
  ...each(
    ALL,
    (name) => `${name}: granularity fits the limit`,
    (name) => ({ [`guest${String(name)}Limit`]: 0xfffffffe }),
  ),
  'TR: type': { guestTrRights: 0x83 },
  'TR: usable system segment, present': { guestTrRights: 0x1008b },
  'TR: granularity fits the limit': { guestTrLimit: 0x100000 },
  'TR: TI is 0': { guestTrSelector: 0x4c },
  'LDTR: rights': { guestLdtrRights: 0x83 },
  'LDTR: granularity fits the limit': { guestLdtrRights: 0x82, guestLdtrLimit: 0x100000 },
  'LDTR: TI is 0': { guestLdtrRights: 0x82, guestLdtrSelector: 4 },
  'guestGdtrBase is canonical': { guestGdtrBase: NOT_CANONICAL },
  'guestIdtrBase is canonical': { guestIdtrBase: NOT_CANONICAL },
  'GDTR and IDTR: limits have 16 bits': { guestIdtrLimit: 0x10000 },
  'RIP: 32 bits outside 64-bit code': { guestCsRights: 0xc09b, guestRip: 1n << 32n },
  'RIP: canonical in 64-bit code': { guestRip: BEYOND },
  'RFLAGS: reserved bits': { guestRflags: 0 },
  'RFLAGS.VM: not in an IA-32e guest or without protection': vm86,
  'RFLAGS.IF: set when an interrupt is injected': { entryInterruptionInfo: 0x80000030 },
  'activity state exists': { guestActivity: 2 },
  'HLT at CPL 0 only': {
    guestActivity: 1,
    guestSsSelector: 0x13,
    guestCsSelector: 0x0b,
    ...rights('Ss', 0xf3),
    ...rights('Cs', 0xf3),
  },
  'running under an interrupt shadow': { guestActivity: 1, guestInterruptibility: 1, guestRflags: 0x202 },
  'wait-for-SIPI: no event is injected': { guestActivity: 3, entryInterruptionInfo: NMI },
  'HLT: the event wakes it': { guestActivity: 1, entryInterruptionInfo: 0x80000306 },
  'interruptibility: reserved bits': { guestInterruptibility: 0x20 },
  'interruptibility: one shadow': { guestInterruptibility: 3, guestRflags: 0x202 },
  'STI shadow needs IF': { guestInterruptibility: 1 },
  'no shadow when an interrupt is injected': {
    guestInterruptibility: 2,
    guestRflags: 0x202,
    entryInterruptionInfo: 0x80000030,
  },
  'no MOV-SS shadow when an NMI is injected': { guestInterruptibility: 2, entryInterruptionInfo: NMI },
  'virtual NMIs: not blocked when one is injected': {
    pinControls: PIN.nmi | PIN.virtualNmi,
    guestInterruptibility: 8,
    entryInterruptionInfo: NMI,
  },
  'pending debug: reserved bits': { guestPendingDebug: 0x20 },
  'pending debug: single step as TF has it': { guestInterruptibility: 2, guestPendingDebug: 0x4000 },
  'VMCS link pointer': { vmcsLinkPointer: 1 },
};
/** These can only be the first to fail on a processor that is not in IA-32e mode. */
const LEGACY_HOST = ['no IA-32e guest from a 32-bit host', '32-bit host: CR4.PCIDE is 0', '32-bit host: RIP has 32 bits'];

describe('VM entry', () => {
  const stage = new VmxStage();

  it('has a case for every rule', () => {
    expect(Object.keys(CASES)).toEqual(RULES.map((rule) => rule.name));
  });

  it('finds nothing wrong with the VMCS the cases start from', () => {
    expect(stage.failure({})).toBeUndefined();
    expect(stage.guest('hlt\ncpuid', { procControls: PROC.hlt }).exit().reason).toBe(12);
  });

  it.each(Object.entries(CASES))('%s', (name, fields) => {
    const number = RULES.findIndex((rule) => rule.name === name);
    const legacy = LEGACY_HOST.includes(name);
    const { efer } = stage.s;
    if (legacy) stage.s.efer = 0n;
    expect(stage.failure(fields)).toBe(name);
    const checks = entryChecks(stage.context);
    stage.s.efer = efer;
    expect([checks.length, checks.at(-1)]).toMatchObject([number + 1, { rule: name, ok: false }]);
    // The checklist shows what was compared: every field the case changed is there with its value, or activates the rule.
    const compared = checks.at(-1)?.fields ?? [];
    expect(compared.some((field) => field.name in fields)).toBe(true);
    for (const { name: field, value } of compared) expect(value).toBe(stage.field(field));
    if (legacy) return;
    if (number < FIRST_GUEST_RULE) {
      expect(stage.guest('nop', fields).error).toBe(number < FIRST_HOST_RULE ? 7n : 8n);
      return;
    }
    const qualification = name === 'VMCS link pointer' ? 4n : name.startsWith('no MOV-SS') ? 3n : 0n;
    expect(stage.guest('nop', fields).exit()).toMatchObject({ reason: 0x80000021, qualification });
  });

  it('is judged again after VMWRITE changed a field, and only then', () => {
    expect(stage.guest('cpuid', {}).exit().reason).toBe(10);
    stage.stage.run('vmwrite rdx, rax', { rdx: 0x681e, rax: BEYOND });
    stage.stage.run('vmresume');
    stage.stage.cpu.run(1);
    expect(stage.field('exitReason')).toBe(0x80000021n);
    stage.stage.run('vmwrite rdx, rax', { rdx: 0x681e, rax: stage.guestRip });
    stage.stage.run('vmresume');
    stage.stage.cpu.run(1);
    expect(stage.field('exitReason')).toBe(10n);
  });
});
