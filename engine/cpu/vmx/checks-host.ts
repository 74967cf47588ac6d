/** Rules for the host-state area (SDM vol. 3, 26.2.2 to 26.2.4), in the manual's order. */
import { isCanonical } from '../system/registers.ts';
import { CR0_FIXED, CR4_FIXED, cr4Allowed } from './capabilities.ts';
import { ENTRY_CONTROL, EXIT_CONTROL, type VmcsFieldName } from './fields.ts';
import { type EntryView, type Rule, rule } from './rule.ts';

const EFER_BITS = 0xd01n;
const EFER_LONG = 0x500n;
const PAT_TYPES = [0, 1, 4, 5, 6, 7];

export const validPat = (pat: bigint): boolean =>
  Array.from({ length: 8 }, (_, i) => Number((pat >> BigInt(8 * i)) & 0xffn)).every((type) => PAT_TYPES.includes(type));

/** Reserved bits, and LMA and LME as the address-space control has them; `lme` is asked only where paging is on. */
export const validEfer = (efer: bigint, long: boolean, lme = true): boolean =>
  (efer & ~EFER_BITS) === 0n &&
  ((efer & 0x400n) !== 0n) === long &&
  (!lme || ((efer & EFER_LONG) !== 0n && (efer & 0x100n) !== 0n) === long);

const host64 = (v: EntryView): boolean => v.has('exitControls', EXIT_CONTROL.host64);
const canonical = (name: VmcsFieldName): Rule => rule(`${name} is canonical`, [name], (v) => isCanonical(v.big(name)));
const SELECTORS = [
  'hostEsSelector',
  'hostCsSelector',
  'hostSsSelector',
  'hostDsSelector',
  'hostFsSelector',
  'hostGsSelector',
  'hostTrSelector',
] as const;

export const HOST_RULES: readonly Rule[] = [
  rule(
    'host CR0: fixed bits',
    ['hostCr0'],
    (v) => (v.big('hostCr0') & CR0_FIXED) === CR0_FIXED && v.big('hostCr0') >> 32n === 0n,
  ),
  rule(
    'host CR4: fixed bits',
    ['hostCr4'],
    (v) => (v.big('hostCr4') & CR4_FIXED) === CR4_FIXED && (v.big('hostCr4') & ~cr4Allowed(v.c.features)) === 0n,
  ),
  rule('host CR3: width', ['hostCr3'], (v) => v.physical('hostCr3', 0n)),
  canonical('hostSysenterEsp'),
  canonical('hostSysenterEip'),
  rule(
    'host PAT: types',
    ['hostPat', 'exitControls'],
    (v) => !v.has('exitControls', EXIT_CONTROL.loadPat) || validPat(v.big('hostPat')),
  ),
  rule(
    'host EFER',
    ['hostEfer', 'exitControls'],
    (v) => !v.has('exitControls', EXIT_CONTROL.loadEfer) || validEfer(v.big('hostEfer'), host64(v)),
  ),
  rule('host selectors: RPL and TI are 0', SELECTORS, (v) => SELECTORS.every((name) => (v.number(name) & 7) === 0)),
  rule('host CS is not null', ['hostCsSelector'], (v) => v.number('hostCsSelector') !== 0),
  rule('host TR is not null', ['hostTrSelector'], (v) => v.number('hostTrSelector') !== 0),
  rule(
    'host SS is not null outside 64-bit mode',
    ['hostSsSelector', 'exitControls'],
    (v) => host64(v) || v.number('hostSsSelector') !== 0,
  ),
  canonical('hostFsBase'),
  canonical('hostGsBase'),
  canonical('hostGdtrBase'),
  canonical('hostIdtrBase'),
  canonical('hostTrBase'),
  {
    ...rule('host address-space size as it is now', ['exitControls'], (v) => host64(v) === v.hostIsLong),
    beyondFields: true,
  },
  rule(
    'no IA-32e guest from a 32-bit host',
    ['entryControls', 'exitControls'],
    (v) => host64(v) || !v.has('entryControls', ENTRY_CONTROL.ia32e),
  ),
  rule('32-bit host: CR4.PCIDE is 0', ['hostCr4', 'exitControls'], (v) => host64(v) || (v.big('hostCr4') & 0x20000n) === 0n),
  rule('32-bit host: RIP has 32 bits', ['hostRip', 'exitControls'], (v) => host64(v) || v.big('hostRip') >> 32n === 0n),
  rule('64-bit host: CR4.PAE is 1', ['hostCr4', 'exitControls'], (v) => !host64(v) || (v.big('hostCr4') & 0x20n) !== 0n),
  rule('64-bit host: RIP is canonical', ['hostRip', 'exitControls'], (v) => !host64(v) || isCanonical(v.big('hostRip'))),
];
