/** VM exits (SDM vol. 3, chapter 27): record why, save the guest, load the host. */
import type { SlowContext, VmExit } from '../context.ts';
import { FLAG, readFlags, writeFlags } from '../flags.ts';
import type { CpuEvent } from '../system/delivery.ts';
import { ACTIVITY } from '../system/idle.ts';
import { CS, EFER, nullSegment, setSegment } from '../system/registers.ts';
import { inPae, readPdptes, setPdptes } from '../system/roots.ts';
import { PREEMPTION_SHIFT } from './capabilities.ts';
import { ENTRY_CONTROL, EXIT_CONTROL, PIN } from './fields.ts';
import { loadMsrs, storeMsrs } from './msr-lists.ts';
import { get, get32, NO_REGION, set, setAbort } from './region.ts';
import { saveSegments } from './segments.ts';

const VALID = 0x80000000;
const ENTRY_FAILURE = 0x80000000;
const ABORT = { savingMsrs: 1, hostPdptes: 2, loadingMsrs: 4 } as const;
/** Interruption types by kind of event (table 24-14). */
const TYPE = { interrupt: 0, nmi: 2, fault: 3, trap: 3, software: 4, icebp: 5 } as const;

/** An event as interruption information. */
export function informationOf(event: CpuEvent): number {
  if (event.injected !== undefined) return (VALID | event.injected) >>> 0;
  const software = event.kind === 'software' && (event.vector === 3 || event.vector === 4) && event.exception === true;
  const type = software ? 6 : TYPE[event.kind];
  return (VALID | (event.errorCode === undefined ? 0 : 0x800) | (type << 8) | event.vector) >>> 0;
}

function saveGuest(c: SlowContext, exit: VmExit): void {
  const { s } = c;
  const controls = get32(c, 'exitControls');
  set(c, 'guestCr0', s.cr0);
  set(c, 'guestCr3', s.cr3);
  set(c, 'guestCr4', s.cr4);
  if ((controls & EXIT_CONTROL.saveDebug) !== 0) {
    set(c, 'guestDr7', s.dr7);
    set(c, 'guestDebugctl', 0n);
  }
  set(c, 'guestSysenterCs', s.sysenterCs);
  set(c, 'guestSysenterEsp', s.sysenterEsp);
  set(c, 'guestSysenterEip', s.sysenterEip);
  saveSegments(c);
  set(c, 'guestRip', exit.rip ?? s.rip);
  set(c, 'guestRsp', s.gpr[4] as bigint);
  set(c, 'guestRflags', readFlags(s) | (exit.resume ? FLAG.R : 0));
  const blocked = s.nmiBlocked !== 0 ? 8 : 0;
  set(c, 'guestInterruptibility', s.shadow | blocked);
  set(c, 'guestActivity', s.activity === ACTIVITY.halted ? 1 : 0);
  const enabled = (s.debugTraps & 0xf) !== 0 ? 0x1000 : 0;
  set(c, 'guestPendingDebug', s.debugTraps | enabled);
  if ((controls & EXIT_CONTROL.savePat) !== 0) set(c, 'guestPat', s.pat);
  if ((controls & EXIT_CONTROL.saveEfer) !== 0) set(c, 'guestEfer', s.efer);
  if ((controls & EXIT_CONTROL.savePreemptionTimer) !== 0) set(c, 'preemptionTimer', preemptionLeft(c));
  const entry = get32(c, 'entryControls') & ~ENTRY_CONTROL.ia32e;
  set(c, 'entryControls', (s.efer & BigInt(EFER.LMA)) !== 0n ? entry | ENTRY_CONTROL.ia32e : entry);
  if (s.eptPointer !== 0n && inPae(c)) {
    (['guestPdpte0', 'guestPdpte1', 'guestPdpte2', 'guestPdpte3'] as const).forEach((name, i) => {
      set(c, name, s.pdpte[i] as bigint);
    });
  }
}

/** What is left of the preemption timer, 0 when it has run out. */
export function preemptionLeft(c: SlowContext): bigint {
  const left = c.s.preemptionEnd - (c.host.tsc(c.index) >> PREEMPTION_SHIFT);
  return left > 0n ? left : 0n;
}

function abort(c: SlowContext, code: number): void {
  setAbort(c, code);
  c.s.activity = ACTIVITY.shutdown;
  c.leave('shutdown');
}

const DATA = [
  [0, 'hostEsSelector'],
  [2, 'hostSsSelector'],
  [3, 'hostDsSelector'],
  [4, 'hostFsSelector'],
  [5, 'hostGsSelector'],
] as const;

function loadHost(c: SlowContext): void {
  const { s } = c;
  const controls = get32(c, 'exitControls');
  const long = (controls & EXIT_CONTROL.host64) !== 0;
  const hadVpid = s.vpid !== 0;
  s.nonRoot = 0;
  s.vpid = 0;
  s.eptPointer = 0n;
  s.interruptExits = 0;
  s.guestTscOffset = 0n;
  s.injecting = 0;
  s.cr0 = (get(c, 'hostCr0') & ~0x60000010n) | (s.cr0 & 0x60000010n);
  s.cr3 = get(c, 'hostCr3');
  s.cr4 = get(c, 'hostCr4') | (long ? 0x20n : 0n);
  s.dr7 = 0x400n;
  s.sysenterCs = get(c, 'hostSysenterCs');
  s.sysenterEsp = get(c, 'hostSysenterEsp');
  s.sysenterEip = get(c, 'hostSysenterEip');
  const mode = BigInt(EFER.LMA | EFER.LME);
  if ((controls & EXIT_CONTROL.loadEfer) !== 0) s.efer = get(c, 'hostEfer');
  else s.efer = long ? s.efer | mode : s.efer & ~mode;
  if ((controls & EXIT_CONTROL.loadPat) !== 0) s.pat = get(c, 'hostPat');
  setSegment(s, CS, { selector: get32(c, 'hostCsSelector'), base: 0n, limit: 0xffffffff, attr: long ? 0xa09b : 0xc09b });
  for (const [segment, field] of DATA) {
    const selector = get32(c, field);
    const value = { selector, base: 0n, limit: 0xffffffff, attr: 0xc093 };
    setSegment(s, segment, selector === 0 ? nullSegment(0, 0) : value);
  }
  s.fsBase = get(c, 'hostFsBase');
  s.gsBase = get(c, 'hostGsBase');
  s.cpl = 0;
  s.ldtrSelector = 0;
  s.ldtrBase = 0n;
  s.ldtrLimit = 0;
  s.ldtrAttr = 0x10000;
  s.trSelector = get32(c, 'hostTrSelector');
  s.trBase = get(c, 'hostTrBase');
  s.trLimit = 0x67;
  s.trAttr = 0x8b;
  s.gdtrBase = get(c, 'hostGdtrBase');
  s.gdtrLimit = 0xffff;
  s.idtrBase = get(c, 'hostIdtrBase');
  s.idtrLimit = 0xffff;
  s.gpr[4] = get(c, 'hostRsp');
  writeFlags(s, 2);
  s.activity = ACTIVITY.running;
  s.shadow = 0;
  s.debugTraps = 0;
  s.excPending = 0;
  s.monitorAddress = NO_REGION;
  c.jumpTo(get(c, 'hostRip'));
  c.modeChanged();
  if (!hadVpid) c.flushTlb('all');
  if (inPae(c)) {
    const entries = readPdptes(c, s.cr3);
    if (entries === undefined) return abort(c, ABORT.hostPdptes);
    setPdptes(c, entries);
  }
  if (loadMsrs(c, { address: 'exitMsrLoadAddress', count: 'exitMsrLoadCount' }) !== 0) abort(c, ABORT.loadingMsrs);
}

/** A VM-entry failure after the host state was checked: an exit that saves nothing. */
export function failedEntry(c: SlowContext, reason: number, qualification: bigint): void {
  set(c, 'exitReason', (ENTRY_FAILURE | reason) >>> 0);
  set(c, 'exitQualification', qualification);
  loadHost(c);
  c.leave('entry');
}

/** Leave non-root operation. `vectoring`: the event during whose delivery the exit happens. */
export function exitGuest(c: SlowContext, exit: VmExit, vectoring?: CpuEvent): void {
  const { s } = c;
  set(c, 'exitReason', exit.reason);
  set(c, 'exitQualification', exit.qualification);
  set(c, 'guestLinearAddress', exit.linear);
  set(c, 'guestPhysicalAddress', exit.gpa);
  set(c, 'exitInterruptionInfo', exit.interruption);
  set(c, 'exitInterruptionError', exit.error);
  set(c, 'vectoringInfo', vectoring === undefined ? 0 : informationOf(vectoring));
  set(c, 'vectoringError', vectoring?.errorCode ?? 0);
  set(c, 'exitInstructionLength', exit.length || (vectoring?.length ?? 0));
  set(c, 'exitInstructionInfo', exit.info);
  set(c, 'entryInterruptionInfo', get32(c, 'entryInterruptionInfo') & 0x7fffffff);
  saveGuest(c, exit);
  const isNmi = (exit.interruption & 0x80000700) >>> 0 === 0x80000200;
  const virtual = (s.pinControls & PIN.virtualNmi) !== 0;
  if (isNmi) s.nmiBlocked = 1;
  else if (virtual) s.nmiBlocked = 0;
  // The list holds the counter without the guest's offset.
  s.guestTscOffset = 0n;
  if (storeMsrs(c, { address: 'exitMsrStoreAddress', count: 'exitMsrStoreCount' }) !== 0) {
    abort(c, ABORT.savingMsrs);
    return;
  }
  loadHost(c);
}
