/**
 * The VMCS of a guest: the controls it runs under and a fixed valid host-state area. A VM exit comes back to this program and not to
 * HOST_RIP, so the host state is never loaded; VM entry checks it all the same.
 */
import { ENTRY_CONTROL, EXIT_CONTROL, FIELD, PIN, PROC, PROC2, type VmxMonitor } from '../../cpu/index.ts';

/** Bits the processor wants set (the TRUE capability MSRs). */
const ONES = { pin: 0x16, proc: 0x0400_6172, exit: 0x3_6dfb, entry: 0x11fb } as const;

/** CR0 bits the guest may change without an exit: TS and WP. */
const CR0_OWNED = 0x1_0008;
/** CR4: PVI, TSD, DE, PGE, PCE, OSFXSR, OSXMMEXCPT, FSGSBASE. */
const CR4_OWNED = 0x1_078e;
/** What VMX operation keeps set behind the guest's back: CR0.NE, CR4.VMXE. */
export const CR0_KEPT = 0x20;
export const CR4_KEPT = 0x2000;

/**
 * A PAUSE loop of the guest's kernel: PAUSEs at most 10 microseconds apart for 100 microseconds, in ticks of a counter of 1 GHz. KVM's
 * 128 and 4096 cycles are less than two PAUSEs take here.
 */
const PAUSE_GAP = 10_000;
const PAUSE_WINDOW = 100_000;

/** Exits, because VMMCALL is not there and is a hypercall all the same. */
const UNDEFINED_OPCODE = 6;

const HOST_EFER = 0xd01;
const PAT = 0x0007_0406_0007_0406n;

export interface ControlOptions {
  readonly vpid: number;
  /** Pages of RAM, by address. */
  readonly msrBitmap: number;
  readonly virtualApic: number;
  readonly hostPaging: number;
  readonly eptPointer: bigint;
  /** CR4 bits of the guest's processor model, and what it has. */
  readonly cr4: number;
  readonly rdtscp: boolean;
  readonly invpcid: boolean;
}

/** Fill a new VMCS. */
export function writeControls(m: VmxMonitor, o: ControlOptions): void {
  m.set32(FIELD.pinControls, ONES.pin | PIN.externalInterrupt | PIN.nmi | PIN.virtualNmi);
  const primary = PROC.tscOffset | PROC.hlt | PROC.rdpmc | PROC.tprShadow | PROC.everyIo | PROC.msrBitmaps;
  m.set32(FIELD.procControls, (ONES.proc | primary | PROC.secondary) >>> 0);
  const optional = (o.rdtscp ? PROC2.rdtscp : 0) | (o.invpcid ? PROC2.invpcid : 0);
  m.set32(FIELD.proc2Controls, PROC2.ept | PROC2.vpid | PROC2.unrestricted | PROC2.pauseLoop | optional);
  const saves = EXIT_CONTROL.saveDebug | EXIT_CONTROL.savePat | EXIT_CONTROL.saveEfer;
  m.set32(FIELD.exitControls, ONES.exit | EXIT_CONTROL.host64 | EXIT_CONTROL.loadPat | EXIT_CONTROL.loadEfer | saves);
  m.set32(FIELD.entryControls, ONES.entry | ENTRY_CONTROL.loadDebug | ENTRY_CONTROL.loadPat | ENTRY_CONTROL.loadEfer);
  m.set32(FIELD.exceptionBitmap, 1 << UNDEFINED_OPCODE);
  m.set32(FIELD.vpid, o.vpid);
  m.set64(FIELD.eptPointer, o.eptPointer);
  m.set32(FIELD.msrBitmap, o.msrBitmap);
  m.set32(FIELD.virtualApicAddress, o.virtualApic);
  m.set32(FIELD.pleGap, PAUSE_GAP);
  m.set32(FIELD.pleWindow, PAUSE_WINDOW);
  m.set(FIELD.vmcsLinkPointer, 0xffffffff, 0xffffffff);
  m.set(FIELD.cr0Mask, ~CR0_OWNED >>> 0, 0xffffffff);
  m.set(FIELD.cr4Mask, ~(CR4_OWNED & o.cr4) >>> 0, 0xffffffff);
  writeHostState(m, o.hostPaging);
}

function writeHostState(m: VmxMonitor, paging: number): void {
  m.set32(FIELD.hostCr0, 0x8005_0033);
  m.set32(FIELD.hostCr3, paging);
  m.set32(FIELD.hostCr4, 0x2020);
  m.set32(FIELD.hostEfer, HOST_EFER);
  m.set64(FIELD.hostPat, PAT);
  m.set32(FIELD.hostCsSelector, 0x10);
  m.set32(FIELD.hostTrSelector, 0x40);
}

/** MSRs that act by themselves: reads of the counter, and bases of segments and of SYSENTER. */
const READ_AND_WRITTEN = [0x174, 0x175, 0x176, 0xc000_0100, 0xc000_0101, 0xc000_0102];
const READ = [0x10, ...READ_AND_WRITTEN];

/** An MSR bitmap (SDM vol. 3, 24.6.9) into a page. */
export function writeMsrBitmap(page: Uint8Array): void {
  page.fill(0xff);
  const pass = (index: number, area: number): void => {
    const high = index >= 0xc000_0000;
    const bit = high ? index - 0xc000_0000 : index;
    const at = area + (high ? 1024 : 0) + (bit >>> 3);
    page[at] = (page[at] as number) & ~(1 << (bit & 7));
  };
  for (const index of READ) pass(index, 0);
  for (const index of READ_AND_WRITTEN) pass(index, 2048);
}
