/** VMLAUNCH and VMRESUME (SDM vol. 3, chapter 26). */
import type { SlowContext } from '../context.ts';
import { FLAG, readFlags, writeFlags } from '../flags.ts';
import { offsetOf, REQUEST } from '../state.ts';
import type { EventKind } from '../system/delivery.ts';
import { deliverEvent } from '../system/events.ts';
import { ACTIVITY } from '../system/idle.ts';
import { CR0, EFER, isLongActive } from '../system/registers.ts';
import { inPae, readPdptes, reservedPdpte, setPdptes } from '../system/roots.ts';
import { PREEMPTION_SHIFT } from './capabilities.ts';
import { failedEntry } from './exit.ts';
import { ENTRY_CONTROL, PIN, PROC, PROC2, wordOf } from './fields.ts';
import { ERROR, fail, STATUS } from './instructions.ts';
import { loadMsrs } from './msr-lists.ts';
import { get, get32, LAUNCH_STATE, launchState, NO_REGION, setLaunchState } from './region.ts';
import { EntryView, type Rule } from './rule.ts';
import { ALWAYS_DUE, FIRST_GUEST_RULE, FIRST_HOST_RULE, RULES } from './rule-index.ts';
import { loadCr0, loadRegisters } from './transfer.ts';

const REQUEST_AT = offsetOf('request');
const MOV_SS_SHADOW = 2;
/** `guestActivity`: active, HLT, shutdown (which is not claimed), wait-for-SIPI. */
const GUEST_ACTIVITY = [ACTIVITY.running, ACTIVITY.halted, ACTIVITY.running, ACTIVITY.waitForSipi];
const DR7_BITS = 0xffff23ff;
const EFER_BITS = 0xd01;
const REASON = { guestState: 33, msrLoading: 34 } as const;
const STATUS_FLAGS = FLAG.C | FLAG.P | FLAG.A | FLAG.Z | FLAG.S | FLAG.O;

function failed(c: SlowContext, status: bigint): void {
  const flags = readFlags(c.s) & ~STATUS_FLAGS;
  writeFlags(c.s, flags | (status === STATUS.failInvalid ? FLAG.C : FLAG.Z));
}

const WORD = {
  pin: wordOf('pinControls'),
  proc: wordOf('procControls'),
  proc2: wordOf('proc2Controls'),
  exceptions: wordOf('exceptionBitmap'),
  faultMask: wordOf('pageFaultMask'),
  faultMatch: wordOf('pageFaultMatch'),
  vpid: wordOf('vpid'),
  eptPointer: wordOf('eptPointer'),
  tscOffset: wordOf('tscOffset'),
  tscMultiplier: wordOf('tscMultiplier'),
  pmlAddress: wordOf('pmlAddress'),
  pmlIndex: wordOf('pmlIndex'),
  entry: wordOf('entryControls'),
  cr0: wordOf('guestCr0'),
  dr7: wordOf('guestDr7'),
  efer: wordOf('guestEfer'),
  rflags: wordOf('guestRflags'),
  interruptibility: wordOf('guestInterruptibility'),
  activity: wordOf('guestActivity'),
  debug: wordOf('guestPendingDebug'),
  injection: wordOf('entryInterruptionInfo'),
} as const;
const EFER_AT = offsetOf('efer') >>> 2;
const RFLAGS = 0x3f7fd7;

const wide = (c: SlowContext, word: number): bigint => {
  const at = c.vmcs.locate() + word;
  return (BigInt(c.vmcs.words[at + 1] as number) << 32n) | BigInt(c.vmcs.words[at] as number);
};

/** Has generated code return once IF is set, while an interrupt window is awaited. */
function awaitWindow(c: SlowContext): void {
  const { s } = c;
  const at = (s.base + REQUEST_AT) >>> 2;
  if ((s.procControls & PROC.interruptWindow) !== 0) Atomics.or(s.views.i32, at, REQUEST.window);
  else Atomics.and(s.views.i32, at, ~REQUEST.window);
}

/** The controls that are asked often, out of memory into the state block. */
export function cacheControls(c: SlowContext): void {
  const { s } = c;
  const at = c.vmcs.locate();
  const { words } = c.vmcs;
  s.pinControls = words[at + WORD.pin] as number;
  s.procControls = words[at + WORD.proc] as number;
  s.proc2Controls = (s.procControls & PROC.secondary) !== 0 ? (words[at + WORD.proc2] as number) : 0;
  s.exceptionBitmap = words[at + WORD.exceptions] as number;
  s.pageFaultMask = words[at + WORD.faultMask] as number;
  s.pageFaultMatch = words[at + WORD.faultMatch] as number;
  s.vpid = (s.proc2Controls & PROC2.vpid) !== 0 ? (words[at + WORD.vpid] as number) & 0xffff : 0;
  s.eptPointer = (s.proc2Controls & PROC2.ept) !== 0 ? wide(c, WORD.eptPointer) : 0n;
  s.interruptExits = (s.pinControls & PIN.externalInterrupt) !== 0 ? 1 : 0;
  const movesTsc = (s.procControls & PROC.tscOffset) !== 0;
  s.guestTscOffset = movesTsc ? wide(c, WORD.tscOffset) : 0n;
  s.tscMultiplier = movesTsc && (s.proc2Controls & PROC2.tscScaling) !== 0 ? wide(c, WORD.tscMultiplier) : 0n;
  s.pmlAddress = (s.proc2Controls & PROC2.pml) !== 0 ? wide(c, WORD.pmlAddress) : NO_REGION;
  awaitWindow(c);
}

/** As `cacheControls`, where nothing changed but the windows that are awaited. */
export function cacheWindows(c: SlowContext): void {
  c.s.procControls = c.vmcs.words[c.vmcs.locate() + WORD.proc] as number;
  awaitWindow(c);
}

function loadGuest(c: SlowContext): void {
  const { s } = c;
  const at = c.vmcs.locate();
  const { words } = c.vmcs;
  const { u32 } = s.views;
  const controls = words[at + WORD.entry] as number;
  const cr0 = words[at + WORD.cr0] as number;
  loadCr0(s, cr0);
  if ((controls & ENTRY_CONTROL.loadDebug) !== 0)
    s.dr7 = BigInt(((words[at + WORD.dr7] as number) & DR7_BITS) | 0x400) & 0xffffffffn;
  const eferAt = (s.base >>> 2) + EFER_AT;
  const efer = u32[eferAt] as number;
  if ((controls & ENTRY_CONTROL.loadEfer) !== 0) u32[eferAt] = (words[at + WORD.efer] as number) & EFER_BITS;
  else if ((controls & ENTRY_CONTROL.ia32e) !== 0) u32[eferAt] = efer | EFER.LMA | EFER.LME;
  else u32[eferAt] = efer & ~(EFER.LMA | ((cr0 & CR0.PG) !== 0 ? EFER.LME : 0));
  if ((controls & ENTRY_CONTROL.loadPat) !== 0) s.pat = get(c, 'guestPat');
  loadRegisters(c);
  writeFlags(s, (words[at + WORD.rflags] as number) & RFLAGS);
  const interruptibility = words[at + WORD.interruptibility] as number;
  s.shadow = Math.min(interruptibility & 3, MOV_SS_SHADOW);
  s.nmiBlocked = (interruptibility >>> 3) & 1;
  s.activity = GUEST_ACTIVITY[(words[at + WORD.activity] as number) & 3] as number;
  s.pmlIndex = (words[at + WORD.pmlIndex] as number) & 0xffff;
  s.debugTraps = (words[at + WORD.debug] as number) & 0x400f;
}

/** PDPTEs of a PAE guest: from the VMCS under EPT, from memory otherwise. False when they are not valid. */
function loadPdptes(c: SlowContext): boolean {
  if (!inPae(c)) return true;
  if (c.s.eptPointer !== 0n) {
    setPdptes(c, [get(c, 'guestPdpte0'), get(c, 'guestPdpte1'), get(c, 'guestPdpte2'), get(c, 'guestPdpte3')]);
    return c.s.pdpte.every((entry) => (entry & 1n) === 0n || (entry & reservedPdpte(c)) === 0n);
  }
  const entries = readPdptes(c, c.s.cr3);
  if (entries !== undefined) setPdptes(c, entries);
  return entries !== undefined;
}

/**
 * Number of the first rule that does not hold, -1 when all do. A rule whose fields no VMWRITE changed since it last held need not be
 * looked at: what VM exits save passes. `beyond`: what rules compare beyond fields may have changed.
 */
export function firstBroken(c: SlowContext, view = new EntryView(c), beyond = true): number {
  const { due } = c.vmcs;
  for (let word = 0; word < due.length; word++) {
    let bits = (due[word] as number) | (beyond ? (ALWAYS_DUE[word] as number) : 0);
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits & -bits);
      const number = word * 32 + bit;
      if (number >= RULES.length) break;
      if (!(RULES[number] as Rule).ok(view)) return number;
      bits &= bits - 1;
      due[word] = (due[word] as number) & ~(1 << bit);
    }
    due[word] = 0;
  }
  return -1;
}

export function enter(c: SlowContext, resume: boolean): void {
  const { s } = c;
  if (s.vmcsPointer === NO_REGION) return failed(c, STATUS.failInvalid);
  if (s.shadow === MOV_SS_SHADOW) return failed(c, fail(c, ERROR.entryUnderMovSs));
  const launched = launchState(c) === LAUNCH_STATE.launched;
  if (launched !== resume) return failed(c, fail(c, resume ? ERROR.resumeNotLaunched : ERROR.launchNotClear));
  const broken = firstBroken(c);
  if (broken >= 0) {
    const { name, qualification } = RULES[broken] as Rule;
    c.host.signal?.(c.index, `VM entry: ${name}`);
    if (broken < FIRST_GUEST_RULE) return failed(c, fail(c, broken < FIRST_HOST_RULE ? ERROR.controls : ERROR.host));
    return failedEntry(c, REASON.guestState, BigInt(qualification));
  }
  const nmiBlocked = s.nmiBlocked;
  cacheControls(c);
  loadGuest(c);
  s.nonRoot = 1;
  if (!loadPdptes(c)) {
    c.host.signal?.(c.index, 'VM entry: PDPTEs');
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
    s.preemptionEnd = (BigInt(c.host.ticks(c.index)) >> PREEMPTION_SHIFT) + BigInt(get32(c, 'preemptionTimer'));
  }
  s.injecting = get32(c, 'entryInterruptionInfo');
  c.jumpTo(get(c, 'guestRip'));
  c.modeChanged();
  c.leave('entry');
}

const KINDS: readonly EventKind[] = ['interrupt', 'interrupt', 'nmi', 'fault', 'software', 'icebp', 'software'];

/** The event VM entry injects is taken: it is not there any more. Returns what it was. */
export function injected(c: SlowContext): number {
  const { s } = c;
  const info = s.injecting;
  s.injecting = 0;
  // A monitored processor clears the valid bit here and not at the next exit.
  if (s.monitored !== 0) {
    const at = c.vmcs.locateToWrite() + WORD.injection;
    c.vmcs.words[at] = info & 0x7fffffff;
  }
  return info;
}

/** Deliver the event VM entry injects; called between instructions, once. */
export function injectEvent(c: SlowContext): void {
  const { s } = c;
  const info = injected(c);
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
