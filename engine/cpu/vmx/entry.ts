/** VMLAUNCH and VMRESUME (SDM vol. 3, chapter 26). */
import type { SlowContext } from '../context.ts';
import { FLAG, readFlags, writeFlags } from '../flags.ts';
import type { EventKind } from '../system/delivery.ts';
import { deliverEvent } from '../system/events.ts';
import { ACTIVITY } from '../system/idle.ts';
import { EFER, isLongActive } from '../system/registers.ts';
import { inPae, readPdptes, setPdptes } from '../system/roots.ts';
import { PREEMPTION_SHIFT } from './capabilities.ts';
import { CONTROL_RULES } from './checks-controls.ts';
import { GUEST_RULES } from './checks-guest.ts';
import { HOST_RULES } from './checks-host.ts';
import { failedEntry } from './exit.ts';
import { ENTRY_CONTROL, PIN, PROC, PROC2 } from './fields.ts';
import { ERROR, fail, STATUS } from './instructions.ts';
import { loadMsrs } from './msr-lists.ts';
import { get, get32, LAUNCH_STATE, launchState, NO_REGION, setLaunchState } from './region.ts';
import { EntryView, firstFailure } from './rule.ts';
import { loadSegments } from './segments.ts';

const MOV_SS_SHADOW = 2;
const REASON = { guestState: 33, msrLoading: 34 } as const;
const STATUS_FLAGS = FLAG.C | FLAG.P | FLAG.A | FLAG.Z | FLAG.S | FLAG.O;

function failed(c: SlowContext, status: bigint): void {
  const flags = readFlags(c.s) & ~STATUS_FLAGS;
  writeFlags(c.s, flags | (status === STATUS.failInvalid ? FLAG.C : FLAG.Z));
}

/** The controls that are asked often, out of memory into the state block. */
export function cacheControls(c: SlowContext): void {
  const { s } = c;
  s.pinControls = get32(c, 'pinControls');
  s.procControls = get32(c, 'procControls');
  s.proc2Controls = (s.procControls & PROC.secondary) !== 0 ? get32(c, 'proc2Controls') : 0;
  s.exceptionBitmap = get32(c, 'exceptionBitmap');
  s.vpid = (s.proc2Controls & PROC2.vpid) !== 0 ? get32(c, 'vpid') : 0;
  s.eptPointer = (s.proc2Controls & PROC2.ept) !== 0 ? get(c, 'eptPointer') : 0n;
  s.interruptExits = (s.pinControls & PIN.externalInterrupt) !== 0 ? 1 : 0;
  s.guestTscOffset = (s.procControls & PROC.tscOffset) !== 0 ? get(c, 'tscOffset') : 0n;
}

function loadGuest(c: SlowContext): void {
  const { s } = c;
  const controls = get32(c, 'entryControls');
  const cr0 = get(c, 'guestCr0');
  // CD, NW and ET are not loaded.
  s.cr0 = (cr0 & ~0x60000010n) | (s.cr0 & 0x60000010n);
  s.cr4 = get(c, 'guestCr4');
  s.cr3 = get(c, 'guestCr3');
  if ((controls & ENTRY_CONTROL.loadDebug) !== 0) s.dr7 = get(c, 'guestDr7') | 0x400n;
  s.sysenterCs = get(c, 'guestSysenterCs');
  s.sysenterEsp = get(c, 'guestSysenterEsp');
  s.sysenterEip = get(c, 'guestSysenterEip');
  if ((controls & ENTRY_CONTROL.loadEfer) !== 0) s.efer = get(c, 'guestEfer');
  else {
    const long = (controls & ENTRY_CONTROL.ia32e) !== 0;
    const bits = BigInt(EFER.LMA | ((cr0 & 0x80000000n) !== 0n ? EFER.LME : 0));
    s.efer = long ? s.efer | BigInt(EFER.LMA | EFER.LME) : s.efer & ~bits;
  }
  if ((controls & ENTRY_CONTROL.loadPat) !== 0) s.pat = get(c, 'guestPat');
  loadSegments(c);
  s.gpr[4] = get(c, 'guestRsp');
  writeFlags(s, Number(get(c, 'guestRflags')));
  const interruptibility = get32(c, 'guestInterruptibility');
  s.shadow = interruptibility & 3;
  s.nmiBlocked = (interruptibility >>> 3) & 1;
  s.activity = get32(c, 'guestActivity') === 1 ? ACTIVITY.halted : ACTIVITY.running;
  s.debugTraps = get32(c, 'guestPendingDebug') & 0x400f;
}

/** PDPTEs of a PAE guest: from the VMCS under EPT, from memory otherwise. False when they are not valid. */
function loadPdptes(c: SlowContext): boolean {
  if (!inPae(c)) return true;
  if (c.s.eptPointer !== 0n) {
    setPdptes(c, [get(c, 'guestPdpte0'), get(c, 'guestPdpte1'), get(c, 'guestPdpte2'), get(c, 'guestPdpte3')]);
    return c.s.pdpte.every((entry) => (entry & 1n) === 0n || (entry & 0x1e6n) === 0n);
  }
  const entries = readPdptes(c, c.s.cr3);
  if (entries !== undefined) setPdptes(c, entries);
  return entries !== undefined;
}

export function enter(c: SlowContext, resume: boolean): void {
  const { s } = c;
  if (s.vmcsPointer === NO_REGION) return failed(c, STATUS.failInvalid);
  if (s.shadow === MOV_SS_SHADOW) return failed(c, fail(c, ERROR.entryUnderMovSs));
  const launched = launchState(c) === LAUNCH_STATE.launched;
  if (launched !== resume) return failed(c, fail(c, resume ? ERROR.resumeNotLaunched : ERROR.launchNotClear));
  const view = new EntryView(c);
  const note = (rule: string): void => c.host.signal?.(c.index, `VM entry: ${rule}`);
  const control = firstFailure(CONTROL_RULES, view);
  const host = control === undefined ? firstFailure(HOST_RULES, view) : undefined;
  const early = control ?? host;
  if (early !== undefined) {
    note(early.name);
    return failed(c, fail(c, control === undefined ? ERROR.host : ERROR.controls));
  }
  const guest = firstFailure(GUEST_RULES, view);
  if (guest !== undefined) {
    note(guest.name);
    return failedEntry(c, REASON.guestState, BigInt(guest.qualification ?? 0));
  }
  const nmiBlocked = s.nmiBlocked;
  cacheControls(c);
  loadGuest(c);
  s.nonRoot = 1;
  if (!loadPdptes(c)) {
    note('PDPTEs');
    return failedEntry(c, REASON.guestState, 2n);
  }
  const wrong = loadMsrs(c, { address: 'entryMsrLoadAddress', count: 'entryMsrLoadCount' });
  if (wrong !== 0) {
    s.nmiBlocked = nmiBlocked;
    return failedEntry(c, REASON.msrLoading, BigInt(wrong));
  }
  if (!resume) setLaunchState(c, s.vmcsPointer, LAUNCH_STATE.launched);
  if (s.vpid === 0) c.flushTlb('all');
  s.monitorAddress = NO_REGION;
  if ((s.pinControls & PIN.preemptionTimer) !== 0) {
    s.preemptionEnd = (c.host.tsc(c.index) >> PREEMPTION_SHIFT) + BigInt(get32(c, 'preemptionTimer'));
  }
  s.injecting = get32(c, 'entryInterruptionInfo');
  c.jumpTo(get(c, 'guestRip'));
  c.modeChanged();
  c.leave('entry');
}

const KINDS: readonly EventKind[] = ['interrupt', 'interrupt', 'nmi', 'fault', 'software', 'icebp', 'software'];

/** Deliver the event VM entry injects; called between instructions, once. */
export function injectEvent(c: SlowContext): void {
  const { s } = c;
  const info = s.injecting;
  s.injecting = 0;
  if ((info & 0x80000000) === 0) return;
  const type = (info >>> 8) & 7;
  const length = type >= 4 ? get32(c, 'entryInstructionLength') : 0;
  deliverEvent(c, {
    vector: info & 0xff,
    kind: KINDS[type] as EventKind,
    injected: info & 0xfff,
    length,
    ...((info & 0x800) === 0 ? {} : { errorCode: get32(c, 'entryExceptionError') }),
    ...(length === 0 ? {} : { returnIp: BigInt.asUintN(isLongActive(s) ? 64 : 32, s.rip + BigInt(length)) }),
  });
}
