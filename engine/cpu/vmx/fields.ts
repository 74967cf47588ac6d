/**
 * The fields of a VMCS (SDM vol. 3, appendix B): one table that VMREAD, VMWRITE, VM entry, VM exit and every display read. Width, area
 * and access follow from the encoding. Only fields of controls that act are here; to software the others do not exist.
 */

export type FieldWidth = 16 | 32 | 64 | 'natural';
export type FieldArea = 'control' | 'read-only' | 'guest' | 'host';

export interface VmcsField {
  readonly name: VmcsFieldName;
  readonly encoding: number;
  readonly width: FieldWidth;
  readonly area: FieldArea;
  /** Byte offset in our VMCS region; every field takes eight bytes, whose upper part is 0 where the field has fewer. */
  readonly offset: number;
  /** Names of its bits, where it has some. */
  readonly bits?: Readonly<Record<number, string>>;
}

const SEGMENTS = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs', 'Ldtr', 'Tr'] as const;
type Segment = (typeof SEGMENTS)[number];
type Numbered<P extends string, N extends string> = { readonly [K in `${P}${N}`]: number };

/** Fields whose encodings go up in twos. */
const run = <const N extends readonly string[]>(first: number, prefix: string, names: N, suffix = ''): Record<string, number> =>
  Object.fromEntries(names.map((name, i) => [`${prefix}${name}${suffix}`, first + 2 * i]));

const FOUR = ['0', '1', '2', '3'] as const;

const ENCODINGS = {
  vpid: 0x0000,
  ...(run(0x0800, 'guest', SEGMENTS, 'Selector') as { readonly [K in `guest${Segment}Selector`]: number }),
  pmlIndex: 0x0812,
  ...(run(0x0c00, 'host', ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs', 'Tr'], 'Selector') as {
    readonly [K in `host${Exclude<Segment, 'Ldtr'>}Selector`]: number;
  }),
  ioBitmapA: 0x2000,
  ioBitmapB: 0x2002,
  msrBitmap: 0x2004,
  exitMsrStoreAddress: 0x2006,
  exitMsrLoadAddress: 0x2008,
  entryMsrLoadAddress: 0x200a,
  executiveVmcsPointer: 0x200c,
  pmlAddress: 0x200e,
  tscOffset: 0x2010,
  virtualApicAddress: 0x2012,
  vmFunctionControls: 0x2018,
  eptPointer: 0x201a,
  eptpListAddress: 0x2024,
  tscMultiplier: 0x2032,
  guestPhysicalAddress: 0x2400,
  vmcsLinkPointer: 0x2800,
  guestDebugctl: 0x2802,
  guestPat: 0x2804,
  guestEfer: 0x2806,
  ...(run(0x280a, 'guestPdpte', FOUR) as Numbered<'guestPdpte', '0' | '1' | '2' | '3'>),
  hostPat: 0x2c00,
  hostEfer: 0x2c02,
  pinControls: 0x4000,
  procControls: 0x4002,
  exceptionBitmap: 0x4004,
  pageFaultMask: 0x4006,
  pageFaultMatch: 0x4008,
  cr3TargetCount: 0x400a,
  exitControls: 0x400c,
  exitMsrStoreCount: 0x400e,
  exitMsrLoadCount: 0x4010,
  entryControls: 0x4012,
  entryMsrLoadCount: 0x4014,
  entryInterruptionInfo: 0x4016,
  entryExceptionError: 0x4018,
  entryInstructionLength: 0x401a,
  tprThreshold: 0x401c,
  proc2Controls: 0x401e,
  pleGap: 0x4020,
  pleWindow: 0x4022,
  instructionError: 0x4400,
  exitReason: 0x4402,
  exitInterruptionInfo: 0x4404,
  exitInterruptionError: 0x4406,
  vectoringInfo: 0x4408,
  vectoringError: 0x440a,
  exitInstructionLength: 0x440c,
  exitInstructionInfo: 0x440e,
  ...(run(0x4800, 'guest', SEGMENTS, 'Limit') as { readonly [K in `guest${Segment}Limit`]: number }),
  guestGdtrLimit: 0x4810,
  guestIdtrLimit: 0x4812,
  ...(run(0x4814, 'guest', SEGMENTS, 'Rights') as { readonly [K in `guest${Segment}Rights`]: number }),
  guestInterruptibility: 0x4824,
  guestActivity: 0x4826,
  guestSmbase: 0x4828,
  guestSysenterCs: 0x482a,
  preemptionTimer: 0x482e,
  hostSysenterCs: 0x4c00,
  cr0Mask: 0x6000,
  cr4Mask: 0x6002,
  cr0Shadow: 0x6004,
  cr4Shadow: 0x6006,
  ...(run(0x6008, 'cr3Target', FOUR) as Numbered<'cr3Target', '0' | '1' | '2' | '3'>),
  exitQualification: 0x6400,
  ioRcx: 0x6402,
  ioRsi: 0x6404,
  ioRdi: 0x6406,
  ioRip: 0x6408,
  guestLinearAddress: 0x640a,
  guestCr0: 0x6800,
  guestCr3: 0x6802,
  guestCr4: 0x6804,
  ...(run(0x6806, 'guest', SEGMENTS, 'Base') as { readonly [K in `guest${Segment}Base`]: number }),
  guestGdtrBase: 0x6816,
  guestIdtrBase: 0x6818,
  guestDr7: 0x681a,
  guestRsp: 0x681c,
  guestRip: 0x681e,
  guestRflags: 0x6820,
  guestPendingDebug: 0x6822,
  guestSysenterEsp: 0x6824,
  guestSysenterEip: 0x6826,
  hostCr0: 0x6c00,
  hostCr3: 0x6c02,
  hostCr4: 0x6c04,
  hostFsBase: 0x6c06,
  hostGsBase: 0x6c08,
  hostTrBase: 0x6c0a,
  hostGdtrBase: 0x6c0c,
  hostIdtrBase: 0x6c0e,
  hostSysenterEsp: 0x6c10,
  hostSysenterEip: 0x6c12,
  hostRsp: 0x6c14,
  hostRip: 0x6c16,
} as const;

export type VmcsFieldName = keyof typeof ENCODINGS;

/** Bits of the control fields (SDM vol. 3, 24.6 to 24.8). */
export const PIN = { externalInterrupt: 1, nmi: 1 << 3, virtualNmi: 1 << 5, preemptionTimer: 1 << 6 } as const;
export const PROC = {
  interruptWindow: 1 << 2,
  tscOffset: 1 << 3,
  hlt: 1 << 7,
  invlpg: 1 << 9,
  mwait: 1 << 10,
  rdpmc: 1 << 11,
  rdtsc: 1 << 12,
  cr3Load: 1 << 15,
  cr3Store: 1 << 16,
  cr8Load: 1 << 19,
  cr8Store: 1 << 20,
  tprShadow: 1 << 21,
  nmiWindow: 1 << 22,
  movDr: 1 << 23,
  everyIo: 1 << 24,
  ioBitmaps: 1 << 25,
  msrBitmaps: 1 << 28,
  monitor: 1 << 29,
  pause: 1 << 30,
  secondary: 2 ** 31,
} as const;
export const PROC2 = {
  ept: 1 << 1,
  descriptorTable: 1 << 2,
  rdtscp: 1 << 3,
  vpid: 1 << 5,
  wbinvd: 1 << 6,
  unrestricted: 1 << 7,
  pauseLoop: 1 << 10,
  invpcid: 1 << 12,
  vmFunctions: 1 << 13,
  pml: 1 << 17,
  tscScaling: 1 << 25,
} as const;
/** VM-function controls: VMFUNC 0. */
export const VM_FUNCTION = { eptpSwitching: 1 } as const;
export const EXIT_CONTROL = {
  saveDebug: 1 << 2,
  host64: 1 << 9,
  acknowledge: 1 << 15,
  savePat: 1 << 18,
  loadPat: 1 << 19,
  saveEfer: 1 << 20,
  loadEfer: 1 << 21,
  savePreemptionTimer: 1 << 22,
} as const;
export const ENTRY_CONTROL = { loadDebug: 1 << 2, ia32e: 1 << 9, loadPat: 1 << 14, loadEfer: 1 << 15 } as const;

const named = (bits: Readonly<Record<string, number>>): Readonly<Record<number, string>> =>
  Object.fromEntries(Object.entries(bits).map(([name, bit]) => [Math.log2(bit), name]));

const BITS: Partial<Record<VmcsFieldName, Readonly<Record<number, string>>>> = {
  pinControls: named(PIN),
  procControls: named(PROC),
  proc2Controls: named(PROC2),
  vmFunctionControls: named(VM_FUNCTION),
  exitControls: named(EXIT_CONTROL),
  entryControls: named(ENTRY_CONTROL),
  guestInterruptibility: { 0: 'sti', 1: 'movSs', 2: 'smi', 3: 'nmi' },
};

const WIDTHS: readonly FieldWidth[] = [16, 64, 32, 'natural'];
const AREAS: readonly FieldArea[] = ['control', 'read-only', 'guest', 'host'];
/** Where fields begin in a region: after revision, abort indicator and launch state. Width, area and index of the encoding give the place. */
const FIRST_OFFSET = 16;
const PER_AREA = 32;
const slotOf = (encoding: number): number =>
  PER_AREA * (4 * ((encoding >>> 13) & 3) + ((encoding >>> 10) & 3)) + ((encoding >>> 1) & (PER_AREA - 1));

export const VMCS_FIELDS: readonly VmcsField[] = (Object.entries(ENCODINGS) as [VmcsFieldName, number][]).map(
  ([name, encoding]) => ({
    name,
    encoding,
    width: WIDTHS[(encoding >>> 13) & 3] as FieldWidth,
    area: AREAS[(encoding >>> 10) & 3] as FieldArea,
    offset: FIRST_OFFSET + 8 * slotOf(encoding),
    ...(BITS[name] === undefined ? {} : { bits: BITS[name] }),
  }),
);

/** By name. */
export const VMCS = Object.fromEntries(VMCS_FIELDS.map((field) => [field.name, field])) as Record<VmcsFieldName, VmcsField>;

/** Index of a field's first 32-bit word in a region, for code that is entered with every transition. */
export const wordOf = (name: VmcsFieldName): number => VMCS[name].offset >>> 2;

const bySlot: (VmcsField | undefined)[] = new Array(16 * PER_AREA).fill(undefined);
for (const field of VMCS_FIELDS) bySlot[slotOf(field.encoding)] = field;

/** The field VMREAD and VMWRITE mean by an encoding; `high`: its upper half (bit 0 of a 64-bit field's encoding). */
export function fieldByEncoding(encoding: bigint): { readonly field: VmcsField; readonly high: boolean } | undefined {
  if (encoding > 0xffffn) return undefined;
  const number = Number(encoding);
  const field = bySlot[slotOf(number)];
  const high = (number & 1) !== 0;
  return field === undefined || field.encoding !== (number & ~1) || (high && field.width !== 64) ? undefined : { field, high };
}

/** Highest index in the encodings, as IA32_VMX_VMCS_ENUM has it (bits 9:1). */
export const HIGHEST_INDEX = Math.max(...VMCS_FIELDS.map((field) => field.encoding & 0x3fe));
