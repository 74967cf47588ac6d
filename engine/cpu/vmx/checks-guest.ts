/** Rules for the guest-state area (SDM vol. 3, 26.3.1), in the manual's order. */
import { isCanonical } from '../system/registers.ts';
import { CR0_FIXED, CR4_FIXED, cr4Allowed, VMCS_REVISION } from './capabilities.ts';
import { injection } from './checks-controls.ts';
import { validEfer, validPat } from './checks-host.ts';
import { ENTRY_CONTROL, PIN, PROC2, type VmcsFieldName } from './fields.ts';
import { NO_REGION, revisionAt } from './region.ts';
import { type EntryView, type Rule, rule } from './rule.ts';

const UNUSABLE = 0x10000;
const DATA = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs'] as const;
type Name = (typeof DATA)[number] | 'Ldtr' | 'Tr';

const long = (v: EntryView): boolean => v.has('entryControls', ENTRY_CONTROL.ia32e);
const unrestricted = (v: EntryView): boolean => v.secondary(PROC2.unrestricted);
const paging = (v: EntryView): boolean => (v.big('guestCr0') & 0x80000000n) !== 0n;
const rights = (v: EntryView, name: Name): number => v.number(`guest${name}Rights`);
const usable = (v: EntryView, name: Name): boolean => (rights(v, name) & UNUSABLE) === 0;
const selector = (v: EntryView, name: Name): number => v.number(`guest${name}Selector`);
const base = (v: EntryView, name: Name): bigint => v.big(`guest${name}Base`);
const limit = (v: EntryView, name: Name): number => v.number(`guest${name}Limit`);
const type = (v: EntryView, name: Name): number => rights(v, name) & 15;
const dpl = (v: EntryView, name: Name): number => (rights(v, name) >>> 5) & 3;
const code64 = (v: EntryView): boolean => long(v) && (rights(v, 'Cs') & 0x2000) !== 0;

/** Granularity agrees with the limit: low bits all ones with G, high bits zero without. */
const granular = (v: EntryView, name: Name): boolean => {
  const g = (rights(v, name) & 0x8000) !== 0;
  return g ? (limit(v, name) & 0xfff) === 0xfff : limit(v, name) >>> 20 === 0;
};

const canonical = (field: VmcsFieldName): Rule => rule(`${field} is canonical`, [field], (v) => isCanonical(v.big(field)));

/** Segment rules of virtual-8086 mode, then those of all other modes. */
const segments: readonly Rule[] = [
  ...DATA.map((name) =>
    rule(
      `virtual-8086 ${name}: base, limit and rights`,
      [`guest${name}Base`, `guest${name}Limit`, `guest${name}Rights`, `guest${name}Selector`],
      (v) =>
        !v.vm86 || (base(v, name) === BigInt(selector(v, name)) << 4n && limit(v, name) === 0xffff && rights(v, name) === 0xf3),
    ),
  ),
  ...(['Tr', 'Fs', 'Gs'] as const).map((name) => canonical(`guest${name}Base`)),
  rule(
    'LDTR: base is canonical',
    ['guestLdtrBase', 'guestLdtrRights'],
    (v) => !usable(v, 'Ldtr') || isCanonical(base(v, 'Ldtr')),
  ),
  rule('CS: base has 32 bits', ['guestCsBase'], (v) => base(v, 'Cs') >> 32n === 0n),
  ...(['Ss', 'Ds', 'Es'] as const).map((name) =>
    rule(
      `${name}: base has 32 bits`,
      [`guest${name}Base`, `guest${name}Rights`],
      (v) => !usable(v, name) || base(v, name) >> 32n === 0n,
    ),
  ),
  rule(
    'CS: type',
    ['guestCsRights', 'proc2Controls'],
    (v) => v.vm86 || [9, 11, 13, 15].includes(type(v, 'Cs')) || (unrestricted(v) && type(v, 'Cs') === 3),
  ),
  rule('SS: type', ['guestSsRights'], (v) => v.vm86 || !usable(v, 'Ss') || type(v, 'Ss') === 3 || type(v, 'Ss') === 7),
  ...(['Ds', 'Es', 'Fs', 'Gs'] as const).map((name) =>
    rule(
      `${name}: accessed, and readable if code`,
      [`guest${name}Rights`],
      (v) =>
        v.vm86 || !usable(v, name) || ((type(v, name) & 1) !== 0 && ((type(v, name) & 8) === 0 || (type(v, name) & 2) !== 0)),
    ),
  ),
  ...DATA.map((name) =>
    rule(
      `${name}: S is 1`,
      [`guest${name}Rights`],
      (v) => v.vm86 || (name !== 'Cs' && !usable(v, name)) || (rights(v, name) & 0x10) !== 0,
    ),
  ),
  rule('CS: DPL', ['guestCsRights', 'guestSsRights'], (v) => {
    if (v.vm86) return true;
    const kind = type(v, 'Cs');
    if (kind === 3) return dpl(v, 'Cs') === 0;
    return kind === 9 || kind === 11 ? dpl(v, 'Cs') === dpl(v, 'Ss') : dpl(v, 'Cs') <= dpl(v, 'Ss');
  }),
  rule(
    'SS: DPL is its RPL',
    ['guestSsRights', 'guestSsSelector', 'proc2Controls'],
    (v) => v.vm86 || unrestricted(v) || dpl(v, 'Ss') === (selector(v, 'Ss') & 3),
  ),
  rule(
    'SS: RPL is that of CS',
    ['guestSsSelector', 'guestCsSelector', 'proc2Controls'],
    (v) => v.vm86 || unrestricted(v) || (selector(v, 'Ss') & 3) === (selector(v, 'Cs') & 3),
  ),
  rule(
    'SS: DPL is 0 with real-mode CS or without protection',
    ['guestSsRights', 'guestCsRights', 'guestCr0'],
    (v) => v.vm86 || !((v.big('guestCr0') & 1n) === 0n || type(v, 'Cs') === 3) || dpl(v, 'Ss') === 0,
  ),
  ...(['Ds', 'Es', 'Fs', 'Gs'] as const).map((name) =>
    rule(
      `${name}: DPL is not below RPL`,
      [`guest${name}Rights`, `guest${name}Selector`, 'proc2Controls'],
      (v) => v.vm86 || unrestricted(v) || !usable(v, name) || type(v, name) > 11 || dpl(v, name) >= (selector(v, name) & 3),
    ),
  ),
  ...DATA.map((name) =>
    rule(
      `${name}: present`,
      [`guest${name}Rights`],
      (v) => v.vm86 || (name !== 'Cs' && !usable(v, name)) || (rights(v, name) & 0x80) !== 0,
    ),
  ),
  ...DATA.map((name) =>
    rule(
      `${name}: reserved bits`,
      [`guest${name}Rights`],
      (v) => v.vm86 || (name !== 'Cs' && !usable(v, name)) || (rights(v, name) & 0xfffe0f00) === 0,
    ),
  ),
  rule(
    'CS: L and D are not both 1',
    ['guestCsRights', 'entryControls'],
    (v) => v.vm86 || !long(v) || (rights(v, 'Cs') & 0x6000) !== 0x6000,
  ),
  ...DATA.map((name) =>
    rule(
      `${name}: granularity fits the limit`,
      [`guest${name}Rights`, `guest${name}Limit`],
      (v) => v.vm86 || (name !== 'Cs' && !usable(v, name)) || granular(v, name),
    ),
  ),
  rule('TR: type', ['guestTrRights', 'entryControls'], (v) => type(v, 'Tr') === 11 || (type(v, 'Tr') === 3 && !long(v))),
  rule(
    'TR: usable system segment, present',
    ['guestTrRights'],
    (v) => (rights(v, 'Tr') & 0x10090) === 0x80 && (rights(v, 'Tr') & 0xfffe0f00) === 0,
  ),
  rule('TR: granularity fits the limit', ['guestTrRights', 'guestTrLimit'], (v) => granular(v, 'Tr')),
  rule('TR: TI is 0', ['guestTrSelector'], (v) => (selector(v, 'Tr') & 4) === 0),
  rule('LDTR: rights', ['guestLdtrRights'], (v) => !usable(v, 'Ldtr') || (rights(v, 'Ldtr') & 0xfffe0f9f) === 0x82),
  rule(
    'LDTR: granularity fits the limit',
    ['guestLdtrRights', 'guestLdtrLimit'],
    (v) => !usable(v, 'Ldtr') || granular(v, 'Ldtr'),
  ),
  rule('LDTR: TI is 0', ['guestLdtrSelector', 'guestLdtrRights'], (v) => !usable(v, 'Ldtr') || (selector(v, 'Ldtr') & 4) === 0),
];

const HLT = 1;
const WAIT_FOR_SIPI = 3;
const STI = 1;
const MOV_SS = 2;
const NMI = 8;
const shadow = (v: EntryView): number => v.number('guestInterruptibility');
const interrupts = (v: EntryView): boolean => (v.big('guestRflags') & 0x200n) !== 0n;

const nonRegister: readonly Rule[] = [
  rule('activity state exists', ['guestActivity'], (v) => [0, HLT, WAIT_FOR_SIPI].includes(v.number('guestActivity'))),
  rule('HLT at CPL 0 only', ['guestActivity', 'guestSsRights'], (v) => v.number('guestActivity') !== HLT || dpl(v, 'Ss') === 0),
  rule(
    'running under an interrupt shadow',
    ['guestActivity', 'guestInterruptibility'],
    (v) => v.number('guestActivity') === 0 || (shadow(v) & 3) === 0,
  ),
  rule(
    'wait-for-SIPI: no event is injected',
    ['guestActivity', 'entryInterruptionInfo'],
    (v) => v.number('guestActivity') !== WAIT_FOR_SIPI || !injection(v).valid,
  ),
  rule('HLT: the event wakes it', ['guestActivity', 'entryInterruptionInfo'], (v) => {
    const e = injection(v);
    if (v.number('guestActivity') !== HLT || !e.valid) return true;
    return e.type === 0 || e.type === 2 || (e.type === 3 && (e.vector === 1 || e.vector === 18));
  }),
  rule('interruptibility: reserved bits', ['guestInterruptibility'], (v) => (shadow(v) & ~(STI | MOV_SS | NMI)) === 0),
  rule('interruptibility: one shadow', ['guestInterruptibility'], (v) => (shadow(v) & 3) !== 3),
  rule('STI shadow needs IF', ['guestInterruptibility', 'guestRflags'], (v) => (shadow(v) & STI) === 0 || interrupts(v)),
  rule('no shadow when an interrupt is injected', ['guestInterruptibility', 'entryInterruptionInfo'], (v) => {
    const e = injection(v);
    return !e.valid || e.type !== 0 || (shadow(v) & 3) === 0;
  }),
  {
    ...rule('no MOV-SS shadow when an NMI is injected', ['guestInterruptibility', 'entryInterruptionInfo'], (v) => {
      const e = injection(v);
      return !e.valid || e.type !== 2 || (shadow(v) & MOV_SS) === 0;
    }),
    qualification: 3,
  },
  rule(
    'virtual NMIs: not blocked when one is injected',
    ['guestInterruptibility', 'pinControls', 'entryInterruptionInfo'],
    (v) => {
      const e = injection(v);
      return !e.valid || e.type !== 2 || !v.has('pinControls', PIN.virtualNmi) || (shadow(v) & NMI) === 0;
    },
  ),
  rule('pending debug: reserved bits', ['guestPendingDebug'], (v) => (v.big('guestPendingDebug') & ~0x500fn) === 0n),
  rule(
    'pending debug: single step as TF has it',
    ['guestPendingDebug', 'guestRflags', 'guestInterruptibility', 'guestActivity'],
    (v) => {
      if ((shadow(v) & 3) === 0 && v.number('guestActivity') !== HLT) return true;
      const tf = (v.big('guestRflags') & 0x100n) !== 0n;
      return ((v.big('guestPendingDebug') & 0x4000n) !== 0n) === tf;
    },
  ),
  {
    ...rule('VMCS link pointer', ['vmcsLinkPointer'], (v) => {
      // Nearly always there is none, which one word tells.
      if (v.number('vmcsLinkPointer') === 0xffffffff && v.big('vmcsLinkPointer') === NO_REGION) return true;
      const link = v.big('vmcsLinkPointer');
      return v.physical('vmcsLinkPointer', 0xfffn) && revisionAt(v.c, link) === VMCS_REVISION && link !== v.c.s.vmcsPointer;
    }),
    qualification: 4,
    beyondFields: true,
  },
];

export const GUEST_RULES: readonly Rule[] = [
  rule('CR0: fixed bits', ['guestCr0', 'proc2Controls'], (v) => {
    const fixed = unrestricted(v) ? CR0_FIXED & ~0x80000001n : CR0_FIXED;
    return (v.big('guestCr0') & fixed) === fixed && v.big('guestCr0') >> 32n === 0n;
  }),
  rule('CR0: PG needs PE', ['guestCr0'], (v) => !paging(v) || (v.big('guestCr0') & 1n) !== 0n),
  rule(
    'CR4: fixed bits',
    ['guestCr4'],
    (v) => (v.big('guestCr4') & CR4_FIXED) === CR4_FIXED && (v.big('guestCr4') & ~cr4Allowed(v.c.features)) === 0n,
  ),
  rule(
    'DEBUGCTL: reserved bits',
    ['guestDebugctl', 'entryControls'],
    (v) => !v.has('entryControls', ENTRY_CONTROL.loadDebug) || (v.big('guestDebugctl') & ~3n) === 0n,
  ),
  rule(
    'IA-32e guest: CR0.PG and CR4.PAE',
    ['guestCr0', 'guestCr4', 'entryControls'],
    (v) => !long(v) || (paging(v) && (v.big('guestCr4') & 0x20n) !== 0n),
  ),
  rule('legacy guest: CR4.PCIDE is 0', ['guestCr4', 'entryControls'], (v) => long(v) || (v.big('guestCr4') & 0x20000n) === 0n),
  rule('CR3: width', ['guestCr3'], (v) => v.physical('guestCr3', 0n)),
  rule(
    'DR7: upper half is 0',
    ['guestDr7', 'entryControls'],
    (v) => !v.has('entryControls', ENTRY_CONTROL.loadDebug) || v.big('guestDr7') >> 32n === 0n,
  ),
  canonical('guestSysenterEsp'),
  canonical('guestSysenterEip'),
  rule(
    'PAT: types',
    ['guestPat', 'entryControls'],
    (v) => !v.has('entryControls', ENTRY_CONTROL.loadPat) || validPat(v.big('guestPat')),
  ),
  rule(
    'EFER',
    ['guestEfer', 'entryControls', 'guestCr0'],
    (v) => !v.has('entryControls', ENTRY_CONTROL.loadEfer) || validEfer(v.big('guestEfer'), long(v), paging(v)),
  ),
  ...segments,
  canonical('guestGdtrBase'),
  canonical('guestIdtrBase'),
  rule(
    'GDTR and IDTR: limits have 16 bits',
    ['guestGdtrLimit', 'guestIdtrLimit'],
    (v) => v.number('guestGdtrLimit') >>> 16 === 0 && v.number('guestIdtrLimit') >>> 16 === 0,
  ),
  rule(
    'RIP: 32 bits outside 64-bit code',
    ['guestRip', 'guestCsRights', 'entryControls'],
    (v) => code64(v) || v.big('guestRip') >> 32n === 0n,
  ),
  rule(
    'RIP: canonical in 64-bit code',
    ['guestRip', 'guestCsRights', 'entryControls'],
    (v) => !code64(v) || isCanonical(v.big('guestRip')),
  ),
  rule(
    'RFLAGS: reserved bits',
    ['guestRflags'],
    (v) => (v.big('guestRflags') & ~0x3f7fd7n) === 0n && (v.big('guestRflags') & 2n) !== 0n,
  ),
  rule(
    'RFLAGS.VM: not in an IA-32e guest or without protection',
    ['guestRflags', 'guestCr0', 'entryControls'],
    (v) => !v.vm86 || (!long(v) && (v.big('guestCr0') & 1n) !== 0n),
  ),
  rule('RFLAGS.IF: set when an interrupt is injected', ['guestRflags', 'entryInterruptionInfo'], (v) => {
    const e = injection(v);
    return !e.valid || e.type !== 0 || interrupts(v);
  }),
  ...nonRegister,
];
