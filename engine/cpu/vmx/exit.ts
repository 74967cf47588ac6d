/** VM exits (SDM vol. 3, chapter 27): record why, save the guest, load the host. */
import type { SlowContext, VmExit } from '../context.ts';
import { FLAG, readFlags, writeFlags } from '../flags.ts';
import { offsetOf, REQUEST } from '../state.ts';
import type { CpuEvent } from '../system/delivery.ts';
import { ACTIVITY } from '../system/idle.ts';
import { EFER, efer } from '../system/registers.ts';
import { inPae, readPdptes, setPdptes } from '../system/roots.ts';
import { PREEMPTION_SHIFT } from './capabilities.ts';
import { ENTRY_CONTROL, EXIT_CONTROL, PIN, wordOf } from './fields.ts';
import { loadMsrs, storeMsrs } from './msr-lists.ts';
import { get, NO_REGION, set, setAbort } from './region.ts';
import { loadCr0, loadHostRegisters, saveRegisters } from './transfer.ts';

const REQUEST_AT = offsetOf('request');
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

const WORD = {
  reason: wordOf('exitReason'),
  qualification: wordOf('exitQualification'),
  linear: wordOf('guestLinearAddress'),
  gpa: wordOf('guestPhysicalAddress'),
  interruption: wordOf('exitInterruptionInfo'),
  interruptionError: wordOf('exitInterruptionError'),
  vectoring: wordOf('vectoringInfo'),
  vectoringError: wordOf('vectoringError'),
  length: wordOf('exitInstructionLength'),
  info: wordOf('exitInstructionInfo'),
  injection: wordOf('entryInterruptionInfo'),
  exit: wordOf('exitControls'),
  entry: wordOf('entryControls'),
  cr0: wordOf('guestCr0'),
  dr7: wordOf('guestDr7'),
  debugctl: wordOf('guestDebugctl'),
  rip: wordOf('guestRip'),
  rflags: wordOf('guestRflags'),
  interruptibility: wordOf('guestInterruptibility'),
  activity: wordOf('guestActivity'),
  debug: wordOf('guestPendingDebug'),
  pmlIndex: wordOf('pmlIndex'),
  hostCr0: wordOf('hostCr0'),
  hostCr4: wordOf('hostCr4'),
  hostEfer: wordOf('hostEfer'),
} as const;
const CR0_AT = offsetOf('cr0') >>> 2;
const CR4_AT = offsetOf('cr4') >>> 2;
const DR7_AT = offsetOf('dr7') >>> 2;
const EFER_AT = offsetOf('efer') >>> 2;
const EFER_BITS = 0xd01;
const CR4_PAE = 0x20;
/** `guestActivity` by activity. */
const GUEST_ACTIVITY = [0, 1, 0, 3, 0];
const PDPTES = ['guestPdpte0', 'guestPdpte1', 'guestPdpte2', 'guestPdpte3'] as const;

/** A field of 64 bits or of natural width. A region that is nowhere keeps nothing. */
function put(c: SlowContext, at: number, value: bigint): void {
  const { u32, u64 } = c.s.views;
  // Fields stand at multiples of eight bytes.
  if (c.vmcs.words === u32) u64[at >>> 1] = value;
}

/** The guest-state area as VM exits write it (SDM vol. 3, 27.3). */
export function saveGuest(c: SlowContext, exit: Pick<VmExit, 'rip' | 'resume'>): void {
  const { s } = c;
  const at = c.vmcs.locateToWrite();
  const { words } = c.vmcs;
  const { u32 } = s.views;
  const state = s.base >>> 2;
  const controls = words[at + WORD.exit] as number;
  words[at + WORD.cr0] = u32[state + CR0_AT] as number;
  if ((controls & EXIT_CONTROL.saveDebug) !== 0) {
    words[at + WORD.dr7] = u32[state + DR7_AT] as number;
    words[at + WORD.debugctl] = 0;
    words[at + WORD.debugctl + 1] = 0;
  }
  saveRegisters(c);
  put(c, at + WORD.rip, exit.rip ?? s.rip);
  words[at + WORD.rflags] = readFlags(s) | (exit.resume ? FLAG.R : 0);
  words[at + WORD.interruptibility] = s.shadow | (s.nmiBlocked !== 0 ? 8 : 0);
  words[at + WORD.activity] = GUEST_ACTIVITY[s.activity] as number;
  if (s.pmlAddress !== NO_REGION) words[at + WORD.pmlIndex] = s.pmlIndex;
  words[at + WORD.debug] = s.debugTraps | ((s.debugTraps & 0xf) !== 0 ? 0x1000 : 0);
  if ((controls & EXIT_CONTROL.savePat) !== 0) set(c, 'guestPat', s.pat);
  if ((controls & EXIT_CONTROL.saveEfer) !== 0) set(c, 'guestEfer', s.efer);
  if ((controls & EXIT_CONTROL.savePreemptionTimer) !== 0) set(c, 'preemptionTimer', preemptionLeft(c));
  const entry = words[at + WORD.entry] as number;
  const long = (efer(s) & EFER.LMA) !== 0;
  if (((entry & ENTRY_CONTROL.ia32e) !== 0) !== long) {
    words[at + WORD.entry] = entry ^ ENTRY_CONTROL.ia32e;
    c.vmcs.changed(WORD.entry);
  }
  if (!long && s.eptPointer !== 0n && inPae(c)) {
    for (const [i, name] of PDPTES.entries()) set(c, name, s.pdpte[i] as bigint);
  }
}

/** What is left of the preemption timer, 0 when it has run out. */
export function preemptionLeft(c: SlowContext): bigint {
  const left = c.s.preemptionEnd - (BigInt(c.host.ticks(c.index)) >> PREEMPTION_SHIFT);
  return left > 0n ? left : 0n;
}

function abort(c: SlowContext, code: number): void {
  setAbort(c, code);
  c.s.activity = ACTIVITY.shutdown;
  c.leave('shutdown');
}

function loadHost(c: SlowContext): void {
  const { s } = c;
  const at = c.vmcs.locate();
  const { words } = c.vmcs;
  const { u32 } = s.views;
  const state = s.base >>> 2;
  const controls = words[at + WORD.exit] as number;
  const long = (controls & EXIT_CONTROL.host64) !== 0;
  const hadVpid = s.vpid !== 0;
  s.nonRoot = 0;
  s.vpid = 0;
  s.eptPointer = 0n;
  s.interruptExits = 0;
  Atomics.and(s.views.i32, (s.base + REQUEST_AT) >>> 2, ~REQUEST.window);
  s.guestTscOffset = 0n;
  s.tscMultiplier = 0n;
  s.injecting = 0;
  loadCr0(s, words[at + WORD.hostCr0] as number);
  u32[state + CR4_AT] = (words[at + WORD.hostCr4] as number) | (long ? CR4_PAE : 0);
  s.dr7 = 0x400n;
  const mode = EFER.LMA | EFER.LME;
  const efer = u32[state + EFER_AT] as number;
  if ((controls & EXIT_CONTROL.loadEfer) !== 0) u32[state + EFER_AT] = (words[at + WORD.hostEfer] as number) & EFER_BITS;
  else u32[state + EFER_AT] = long ? efer | mode : efer & ~mode;
  if ((controls & EXIT_CONTROL.loadPat) !== 0) s.pat = get(c, 'hostPat');
  loadHostRegisters(c, long);
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

/**
 * What a monitored guest's exit for an instruction leaves in the VMCS, where the monitor has served it without leaving the guest. The
 * qualification has 32 bits.
 */
export function recordExit(c: SlowContext, reason: number, qualification: number): void {
  const at = c.vmcs.locateToWrite();
  const { words } = c.vmcs;
  words[at + WORD.reason] = reason;
  words[at + WORD.qualification] = qualification;
  words[at + WORD.qualification + 1] = 0;
  words[at + WORD.interruption] = 0;
  words[at + WORD.vectoring] = 0;
  words[at + WORD.length] = c.instructionLength();
}

/** Leave non-root operation. `vectoring`: the event during whose delivery the exit happens. */
export function exitGuest(c: SlowContext, exit: VmExit, vectoring?: CpuEvent): void {
  const { s } = c;
  const at = c.vmcs.locateToWrite();
  const { words } = c.vmcs;
  words[at + WORD.reason] = exit.reason;
  put(c, at + WORD.qualification, exit.qualification);
  put(c, at + WORD.linear, exit.linear);
  put(c, at + WORD.gpa, exit.gpa);
  words[at + WORD.interruption] = exit.interruption;
  words[at + WORD.interruptionError] = exit.error;
  words[at + WORD.vectoring] = vectoring === undefined ? 0 : informationOf(vectoring);
  words[at + WORD.vectoringError] = vectoring?.errorCode ?? 0;
  words[at + WORD.length] = exit.length || (vectoring?.length ?? 0);
  words[at + WORD.info] = exit.info;
  words[at + WORD.injection] = (words[at + WORD.injection] as number) & 0x7fffffff;
  if (s.monitored !== 0) {
    // The guest stands still where it is: the state block goes on being the guest-state area.
    if (exit.rip !== undefined) s.rip = exit.rip;
    c.leave('exit');
    return;
  }
  saveGuest(c, exit);
  const isNmi = (exit.interruption & 0x80000700) >>> 0 === 0x80000200;
  const virtual = (s.pinControls & PIN.virtualNmi) !== 0;
  if (isNmi) s.nmiBlocked = 1;
  else if (virtual) s.nmiBlocked = 0;
  // The list holds the counter without the guest's multiplier and offset.
  s.guestTscOffset = 0n;
  s.tscMultiplier = 0n;
  if (storeMsrs(c, { address: 'exitMsrStoreAddress', count: 'exitMsrStoreCount' }) !== 0) {
    abort(c, ABORT.savingMsrs);
    return;
  }
  loadHost(c);
}
