/**
 * Registers between the state block and the VMCS, as 32-bit words of the machine's memory: the part of a transition that is the same for
 * every field. What needs a look (CR0, EFER, flags, activity) is in `entry.ts` and `exit.ts`.
 */
import type { SlowContext, VcpuState } from '../context.ts';
import { offsetOf, type VcpuFieldName } from '../state.ts';
import { type VmcsFieldName, wordOf } from './fields.ts';

const SEGMENTS = [
  ['es', 'Es'],
  ['cs', 'Cs'],
  ['ss', 'Ss'],
  ['ds', 'Ds'],
  ['fs', 'Fs'],
  ['gs', 'Gs'],
  ['ldtr', 'Ldtr'],
  ['tr', 'Tr'],
] as const;

type Pair = readonly [vmcs: number, state: number];
const one = (field: VmcsFieldName, member: VcpuFieldName, byte = 0): Pair => [wordOf(field), (offsetOf(member) + byte) >>> 2];
const two = (field: VmcsFieldName, member: VcpuFieldName, byte = 0): readonly Pair[] => [
  one(field, member, byte),
  [wordOf(field) + 1, (offsetOf(member) + byte + 4) >>> 2],
];
const table = (pairs: readonly Pair[]): Uint16Array => Uint16Array.from(pairs.flat());
const RSP = 4 * 8;

/** Both ways: VMCS word, word of the state block. */
const GUEST = table([
  ...SEGMENTS.flatMap(([member, field]) => [
    ...two(`guest${field}Base`, `${member}Base`),
    one(`guest${field}Limit`, `${member}Limit`),
    one(`guest${field}Rights`, `${member}Attr`),
  ]),
  ...two('guestGdtrBase', 'gdtrBase'),
  ...two('guestIdtrBase', 'idtrBase'),
  one('guestGdtrLimit', 'gdtrLimit'),
  one('guestIdtrLimit', 'idtrLimit'),
  ...two('guestCr3', 'cr3'),
  one('guestCr4', 'cr4'),
  one('guestSysenterCs', 'sysenterCs'),
  ...two('guestSysenterEsp', 'sysenterEsp'),
  ...two('guestSysenterEip', 'sysenterEip'),
  ...two('guestRsp', 'gpr', RSP),
]);
/** VMCS word, 16-bit unit of the state block. */
const GUEST_SELECTORS = table(
  SEGMENTS.map(([member, field]) => [wordOf(`guest${field}Selector`), offsetOf(`${member}Selector`) >>> 1]),
);
const HOST = table([
  ...two('hostCr3', 'cr3'),
  one('hostSysenterCs', 'sysenterCs'),
  ...two('hostSysenterEsp', 'sysenterEsp'),
  ...two('hostSysenterEip', 'sysenterEip'),
  ...two('hostFsBase', 'fsBase'),
  ...two('hostGsBase', 'gsBase'),
  ...two('hostTrBase', 'trBase'),
  ...two('hostGdtrBase', 'gdtrBase'),
  ...two('hostIdtrBase', 'idtrBase'),
  ...two('hostRsp', 'gpr', RSP),
]);

const SS_RIGHTS = wordOf('guestSsRights');
const IDTR_LIMIT = offsetOf('idtrLimit') >>> 2;
const GDTR_LIMIT = offsetOf('gdtrLimit') >>> 2;

export function loadRegisters(c: SlowContext): void {
  const { s, vmcs } = c;
  const { u16, u32 } = s.views;
  const from = vmcs.locate();
  const { words } = vmcs;
  const to = s.base >>> 2;
  for (let i = 0; i < GUEST.length; i += 2) u32[to + (GUEST[i + 1] as number)] = words[from + (GUEST[i] as number)] as number;
  const units = s.base >>> 1;
  for (let i = 0; i < GUEST_SELECTORS.length; i += 2)
    u16[units + (GUEST_SELECTORS[i + 1] as number)] = words[from + (GUEST_SELECTORS[i] as number)] as number;
  // Rules keep these inside their bounds unless software wrote the region behind the processor's back.
  u32[to + IDTR_LIMIT] = (u32[to + IDTR_LIMIT] as number) & 0xffff;
  u32[to + GDTR_LIMIT] = (u32[to + GDTR_LIMIT] as number) & 0xffff;
  s.cpl = ((words[from + SS_RIGHTS] as number) >>> 5) & 3;
}

export function saveRegisters(c: SlowContext): void {
  const { s, vmcs } = c;
  const { u16, u32 } = s.views;
  const to = vmcs.locateToWrite();
  const { words } = vmcs;
  const from = s.base >>> 2;
  for (let i = 0; i < GUEST.length; i += 2) words[to + (GUEST[i] as number)] = u32[from + (GUEST[i + 1] as number)] as number;
  const units = s.base >>> 1;
  for (let i = 0; i < GUEST_SELECTORS.length; i += 2)
    words[to + (GUEST_SELECTORS[i] as number)] = u16[units + (GUEST_SELECTORS[i + 1] as number)] as number;
  words[to + SS_RIGHTS] = ((words[to + SS_RIGHTS] as number) & ~0x60) | (s.cpl << 5);
}

/** Word offsets of a segment register in the state block. */
const places = SEGMENTS.map(([member]) => ({
  selector: offsetOf(`${member}Selector`) >>> 1,
  base: offsetOf(`${member}Base`) >>> 2,
  limit: offsetOf(`${member}Limit`) >>> 2,
  attr: offsetOf(`${member}Attr`) >>> 2,
}));
type Place = (typeof places)[number];
const [ES, CS, SS, DS, FS, GS, LDTR, TR] = places as unknown as readonly [Place, Place, Place, Place, Place, Place, Place, Place];
const HOST_DATA: readonly (readonly [Place, number])[] = [
  [ES, wordOf('hostEsSelector')],
  [SS, wordOf('hostSsSelector')],
  [DS, wordOf('hostDsSelector')],
  [FS, wordOf('hostFsSelector')],
  [GS, wordOf('hostGsSelector')],
];
const CS_SELECTOR = wordOf('hostCsSelector');
const TR_SELECTOR = wordOf('hostTrSelector');
const UNUSABLE = 0x10000;

/** Host registers and segments: flat, with the access rights the manual fixes (SDM vol. 3, 27.5). */
export function loadHostRegisters(c: SlowContext, long: boolean): void {
  const { s, vmcs } = c;
  const { u16, u32 } = s.views;
  const from = vmcs.locate();
  const { words } = vmcs;
  const to = s.base >>> 2;
  const units = s.base >>> 1;
  const segment = (place: Place, selector: number, attr: number): void => {
    u16[units + place.selector] = selector;
    u32[to + place.base] = 0;
    u32[to + place.base + 1] = 0;
    u32[to + place.limit] = attr === UNUSABLE ? 0 : 0xffffffff;
    u32[to + place.attr] = attr;
  };
  segment(CS, words[from + CS_SELECTOR] as number, long ? 0xa09b : 0xc09b);
  for (const [place, word] of HOST_DATA) {
    const selector = words[from + word] as number;
    segment(place, selector, selector === 0 ? UNUSABLE : 0xc093);
  }
  segment(LDTR, 0, UNUSABLE);
  segment(TR, words[from + TR_SELECTOR] as number, 0x8b);
  u32[to + TR.limit] = 0x67;
  for (let i = 0; i < HOST.length; i += 2) u32[to + (HOST[i + 1] as number)] = words[from + (HOST[i] as number)] as number;
  u32[to + GDTR_LIMIT] = 0xffff;
  u32[to + IDTR_LIMIT] = 0xffff;
  s.cpl = 0;
}

const CR0_AT = offsetOf('cr0') >>> 2;
/** CD, NW and ET: not loaded. */
const CR0_KEPT = 0x60000010;

/** CR0 as a transition loads it. */
export function loadCr0(s: VcpuState, value: number): void {
  const at = (s.base >>> 2) + CR0_AT;
  const { u32 } = s.views;
  u32[at] = (value & ~CR0_KEPT) | ((u32[at] as number) & CR0_KEPT);
  u32[at + 1] = 0;
}
