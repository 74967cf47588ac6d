/**
 * A monitor's side of VMX operation: VMREAD and VMWRITE on the current VMCS, and VM entry of the guest that stands still in the state
 * block. Rules of VM entry are looked at as for VMRESUME: those whose fields were written; all of them when the guest's state was changed
 * from outside (`changedAll`), because what a guest's own execution makes of valid state is valid.
 */
import type { SlowContext, VcpuState } from '../context.ts';
import { FLAG, readFlags } from '../flags.ts';
import { ACTIVITY } from '../system/idle.ts';
import { VMCS_REVISION } from './capabilities.ts';
import { cacheControls, cacheWindows, firstBroken } from './entry.ts';
import { saveGuest } from './exit.ts';
import { PROC, VMCS, type VmcsField, type VmcsFieldName } from './fields.ts';
import { entryChecks } from './inspect.ts';
import { LAUNCH_STATE, NO_REGION, readField } from './region.ts';
import { EntryView } from './rule.ts';
import { FIRST_GUEST_RULE, FIRST_HOST_RULE, RULE_INDEX } from './rule-index.ts';

/** A field as the monitor names it: its place in a region, in words of 32 bits. */
export const FIELD = Object.fromEntries(Object.values(VMCS).map(({ name, offset }) => [name, offset >>> 2])) as Readonly<
  Record<VmcsFieldName, number>
>;

const ERROR = { controls: 7, host: 8 } as const;
const INVALID_GUEST_STATE = 33;
const ENTRY_FAILURE = 0x8000_0000;
const INSTRUCTION_ERROR = FIELD.instructionError;
const EXIT_REASON = FIELD.exitReason;
const TPR_THRESHOLD = FIELD.tprThreshold;
const ENTRY_INTERRUPTION = FIELD.entryInterruptionInfo;
/** Fields of which the state block holds a copy while the guest runs. */
const CACHED: ReadonlySet<number> = new Set([
  FIELD.pinControls,
  FIELD.procControls,
  FIELD.proc2Controls,
  FIELD.exceptionBitmap,
  FIELD.pageFaultMask,
  FIELD.pageFaultMatch,
  FIELD.vpid,
  FIELD.eptPointer,
  FIELD.tscOffset,
  FIELD.tscMultiplier,
  FIELD.pmlAddress,
]);
const WINDOWS = PROC.interruptWindow | PROC.nmiWindow;
/** Interruption information of an external interrupt, and the rules that look at what is injected. */
const EXTERNAL = 0x80000000 | 0;
export const INJECTION_RULES = RULE_INDEX.of[ENTRY_INTERRUPTION] as readonly number[];
/** Word of a region between launch state and fields: how often the guest's state was changed from outside. */
const GENERATION = 3;
/** Word of the launch state. */
const LAUNCH = 2;
const LAUNCHED = Number(LAUNCH_STATE.launched);
const REGION_WORDS = 1024;

const ENCODING: ReadonlyMap<number, number> = new Map(
  Object.values(VMCS).map(({ offset, encoding }) => [offset >>> 2, encoding]),
);

/** Called while `watched`: a field, by encoding, was read or written. */
export type VmcsWatch = (access: 'read' | 'write', encoding: number, value: bigint) => void;

/** Pages of RAM, by physical address, which is their host address. */
export interface MonitorRegions {
  readonly vmxon: number;
  readonly vmcs: number;
}

/** Fields of the guest-state area that no VM exit writes: memory has them. */
const NOT_SAVED: ReadonlySet<VmcsFieldName> = new Set(['vmcsLinkPointer', 'guestSmbase']);
/** Fields of which the state block's copy is the true one. */
const COPIED: ReadonlySet<VmcsFieldName> = new Set(
  Object.values(VMCS).flatMap(({ name, area }) => (area === 'guest' && !NOT_SAVED.has(name) ? [name] : [])),
);
const isCopied = (name: VmcsFieldName): boolean => COPIED.has(name);

/** What rules see of the guest that stands still, without writing all of it to memory. */
class SuspendedView extends EntryView {
  readonly #m: VmxMonitor;

  constructor(m: VmxMonitor, c: SlowContext) {
    super(c);
    this.#m = m;
  }

  /** The monitor is 64-bit code. */
  override get hostIsLong(): boolean {
    return true;
  }

  override big(name: VmcsFieldName): bigint {
    const { s } = this.c;
    if (name === 'guestCr0') return s.cr0;
    if (name === 'guestRflags') return BigInt(readFlags(s));
    if (isCopied(name)) this.#m.writeOut();
    return super.big(name);
  }

  override number(name: VmcsFieldName): number {
    const { s } = this.c;
    if (name === 'guestCr0') return Number(s.cr0);
    if (name === 'guestRflags') return readFlags(s);
    if (name === 'guestInterruptibility') return s.shadow | (s.nmiBlocked << 3);
    if (name === 'guestActivity') return s.activity === ACTIVITY.halted ? 1 : 0;
    if (isCopied(name)) this.#m.writeOut();
    return super.number(name);
  }
}

/**
 * Nearly every event is an external interrupt for a guest that can take it. All of `INJECTION_RULES` hold then, whatever the other fields
 * are, so none of them is looked at.
 */
export const takesInterrupt = (s: VcpuState, info: number): boolean =>
  (info & 0xffffff00) === EXTERNAL &&
  (s.sysFlags & FLAG.I) !== 0 &&
  s.shadow === 0 &&
  (s.activity === ACTIVITY.running || s.activity === ACTIVITY.halted);

export class VmxMonitor {
  readonly #c: SlowContext;
  readonly #words: Uint32Array;
  readonly #view: SuspendedView;
  readonly #pointers: MonitorRegions;
  readonly #region: number;
  /** Some field was written. */
  #written = true;
  /** A field of `CACHED` was written, beyond the windows that are awaited. */
  #controlsWritten = true;
  #windowsWritten = false;
  /** `GENERATION` of the guest state that passed all rules. */
  #passed = -1;
  /** Somebody wants to know of VMREAD and VMWRITE. */
  watched = false;
  readonly #watch: VmcsWatch;
  /** The guest-state area in memory is what the state block says. */
  #writtenOut = false;

  /** Every thread makes one, over the same regions. */
  constructor(c: SlowContext, regions: MonitorRegions, watch: VmcsWatch = () => undefined) {
    this.#c = c;
    this.#watch = watch;
    this.#words = c.s.views.u32;
    this.#view = new SuspendedView(this, c);
    this.#pointers = regions;
    this.#region = regions.vmcs >>> 2;
  }

  /** A fresh region: every field 0. */
  clear(): void {
    const generation = this.#words[this.#region + GENERATION] as number;
    this.#words.fill(0, this.#region, this.#region + REGION_WORDS);
    this.#words[this.#region] = VMCS_REVISION;
    this.#words[this.#region + GENERATION] = generation;
    this.changedAll();
  }

  /** Enter VMX operation with this VMCS current; the state block holds the guest, and from now on is the guest-state area. */
  load(): void {
    const { s } = this.#c;
    s.vmxonPointer = BigInt(this.#pointers.vmxon);
    s.vmcsPointer = BigInt(this.#pointers.vmcs);
    s.nonRoot = 1;
  }

  /** Leave VMX operation; the state block holds the guest as a plain processor. */
  unload(): void {
    const { s } = this.#c;
    s.vmxonPointer = NO_REGION;
    s.vmcsPointer = NO_REGION;
    s.nonRoot = 0;
  }

  /** The guest's state was changed by somebody else than itself. Seen by all threads. */
  changedAll(): void {
    const at = this.#region + GENERATION;
    this.#words[at] = (this.#words[at] as number) + 1;
  }

  /** Low 32 bits of a field that is no guest state. */
  get32(field: number): number {
    const value = this.#peek(field);
    if (this.watched) this.#watch('read', ENCODING.get(field) as number, BigInt(value));
    return value;
  }

  get64(field: number): bigint {
    const value = this.#peek64(field);
    if (this.watched) this.#watch('read', ENCODING.get(field) as number, value);
    return value;
  }

  #peek(field: number): number {
    return this.#words[this.#region + field] as number;
  }

  #peek64(field: number): bigint {
    const high = this.#words[this.#region + field + 1] as number;
    const low = BigInt(this.#peek(field));
    return high === 0 ? low : low | (BigInt(high) << 32n);
  }

  set32(field: number, value: number): void {
    this.set(field, value, 0);
  }

  set64(field: number, value: bigint): void {
    this.set(field, Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(64, value) >> 32n));
  }

  /** VMWRITE of a field that is no guest state. */
  set(field: number, low: number, high: number): void {
    const at = this.#region + field;
    const differs = this.#words[at + 1] === high ? (this.#words[at] as number) ^ low : -1;
    if (differs === 0) return;
    this.#words[at] = low;
    this.#words[at + 1] = high;
    if (this.watched) this.#watch('write', ENCODING.get(field) as number, this.#peek64(field));
    this.#c.vmcs.changed(field, differs);
    this.#written = true;
    if (field === FIELD.procControls && (differs & ~WINDOWS) === 0) this.#windowsWritten = true;
    else if (CACHED.has(field)) this.#controlsWritten = true;
  }

  /** VMREAD of any field. */
  read(field: VmcsField): bigint {
    if (isCopied(field.name) || field.name === 'entryControls') this.writeState();
    return readField(this.#c, field);
  }

  /** Write the guest-state area out of the state block. */
  writeState(): void {
    saveGuest(this.#c, { rip: undefined, resume: false });
  }

  /** As `writeState`, once in an entry. */
  writeOut(): void {
    if (this.#writtenOut) return;
    this.writeState();
    this.#writtenOut = true;
  }

  /**
   * VM entry: rules are looked at, controls and the event to inject act. The guest then goes on by `run`. False when a rule fails; the
   * VMCS then says so as the manual has it, and `checks` which.
   */
  enter(): boolean {
    const { vmcs, s } = this.#c;
    const generation = this.#words[this.#region + GENERATION] as number;
    this.#writtenOut = false;
    if (generation !== this.#passed) {
      vmcs.forget();
      this.writeOut();
      this.#written = true;
      this.#controlsWritten = true;
    }
    // Of what rules compare beyond fields only the task priority changes: the monitor is long, and there is no linked VMCS.
    const threshold = this.#peek(TPR_THRESHOLD) !== 0;
    if (this.#written || threshold) {
      if (takesInterrupt(s, this.#peek(ENTRY_INTERRUPTION))) vmcs.hold(INJECTION_RULES);
      const broken = firstBroken(this.#c, this.#view, threshold);
      if (broken >= 0) {
        this.#fail(broken);
        return false;
      }
      this.#written = false;
    }
    this.#passed = generation;
    if (this.#controlsWritten) {
      cacheControls(this.#c);
      // What the TLB tells apart, and what generated code polls for, follows from controls.
      this.#c.modeChanged();
      this.#controlsWritten = false;
    } else if (this.#windowsWritten) cacheWindows(this.#c);
    this.#windowsWritten = false;
    this.#words[this.#region + LAUNCH] = LAUNCHED;
    const info = this.#peek(ENTRY_INTERRUPTION);
    if ((info & 0x80000000) !== 0) s.injecting = info;
    return true;
  }

  /** The rules up to and with the one that fails. */
  checks(): ReturnType<typeof entryChecks> {
    this.#writtenOut = false;
    return entryChecks(this.#c, this.#view);
  }

  #fail(number: number): void {
    if (number < FIRST_GUEST_RULE)
      this.#words[this.#region + INSTRUCTION_ERROR] = number < FIRST_HOST_RULE ? ERROR.controls : ERROR.host;
    else this.#words[this.#region + EXIT_REASON] = ENTRY_FAILURE + INVALID_GUEST_STATE;
  }
}
