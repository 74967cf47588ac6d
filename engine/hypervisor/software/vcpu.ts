/**
 * One vCPU of the back end `software`: runs its guest in VMX non-root operation and serves its exits. The state block holds the guest's
 * registers whether it runs or not; the VMCS holds what the hypervisor decides.
 */
import { assert, EngineError, REQUEST } from '../../base/index.ts';
import {
  type CpuModel,
  FIELD,
  FLAG,
  monitorTriggered,
  type VcpuState,
  VMCS,
  type VmxMonitor,
  vcpuState,
  wake,
} from '../../cpu/index.ts';
import type { SavedState } from '../../state/index.ts';
import { COUNTER, type EntryCheck, type ExitReason, PROBE, type VcpuExit, type VmcsImage } from '../index.ts';
import type { ProcessorHost } from '../processor/index.ts';
import { ACTIVITY, ProcessorVcpu, type ProcessorVcpuParts } from '../processor/index.ts';
import { type ControlOptions, CR0_KEPT, CR4_KEPT, writeControls } from './controls.ts';
import { Events } from './events.ts';
import type { ExitContext, Outcome } from './exits/context.ts';
import { guestCr0, guestCr4 } from './exits/control.ts';
import { handlerOf } from './exits/table.ts';
import type { Mmu } from './mmu/mmu.ts';
import type { Para } from './para/para.ts';

const STOPPING = REQUEST.init | REQUEST.sipi | REQUEST.stop | REQUEST.sync;
const SINGLE_STEP = 0x4000;
/** An entry that fails is found again by the loop, which tells why. */
const NOTHING = { reason: 'limit', retired: 0 } as const;
const [UNDEFINED_OPCODE, PAGE_FAULT] = [6, 14];
const NO_VMX = 0xffff_ffff_ffff_ffffn;
const RIP = vcpuState.fields.rip.offset;

export interface SoftwareVcpuParts extends ProcessorVcpuParts {
  readonly vcpus: number;
  readonly monitor: VmxMonitor;
  readonly host: ProcessorHost;
  readonly mmu: Mmu;
  readonly para: Para;
  readonly model: CpuModel;
  readonly controls: ControlOptions;
}

export class SoftwareVcpu extends ProcessorVcpu implements ExitContext {
  declare readonly core: ProcessorVcpu['core'];
  declare readonly irqchip: ProcessorVcpu['irqchip'];
  declare readonly observation: ProcessorVcpu['observation'];
  readonly vcpus: number;
  readonly monitor: VmxMonitor;
  readonly host: ProcessorHost;
  readonly mmu: Mmu;
  readonly para: Para;
  readonly model: CpuModel;
  readonly #controls: ControlOptions;
  readonly #events: Events;
  readonly #s: VcpuState;
  /** Interrupts and NMIs are to be looked at before the next entry. */
  #look = true;
  /** Instructions that handlers completed in this run. */
  #completed = 0;
  #plain = false;

  constructor(parts: SoftwareVcpuParts) {
    super(parts);
    const { vcpus, monitor, host, mmu, para, model, controls, requests, irqchip, observation, core } = parts;
    this.vcpus = vcpus;
    this.monitor = monitor;
    this.host = host;
    this.mmu = mmu;
    this.para = para;
    this.model = model;
    this.#controls = controls;
    this.#s = core.s;
    this.#events = new Events({ id: this.id, s: core.s, monitor, requests, irqchip, host, observation, para });
  }

  // ---- running ----

  run(limit: number): VcpuExit {
    const { requests, id } = this;
    const { counters } = this.observation;
    requests.enterRun(id);
    this.#look = true;
    this.#completed = 0;
    this.para.runs();
    try {
      const exit = this.#loop(limit);
      this.para.stops(exit.reason === 'limit' || exit.reason === 'request' || exit.reason === 'pause');
      if (this.#completed !== 0) this.#s.retired += BigInt(this.#completed);
      counters.add(id, COUNTER['host-state-reload']);
      if (exit.reason === 'request') counters.add(id, COUNTER['signal-exits']);
      this.countCode(exit.reason === 'limit');
      return exit;
    } finally {
      requests.leaveRun(id);
    }
  }

  #loop(limit: number): VcpuExit {
    const s = this.#s;
    const { core } = this;
    let ran = 0;
    for (;;) {
      const stop = this.#beforeEntry();
      const retired = ran + this.#completed;
      const busy = this.#events.injecting || s.excPending !== 0;
      if (stop !== undefined && (!busy || stop === 'entry-failed')) return { reason: stop, retired };
      if (retired >= limit && !busy) return { reason: 'limit', retired };
      // Events that have to wait for a queued exception are looked at again right after it.
      let exit = core.run(Math.max(0, stop === undefined && (!this.#look || core.holdsEvents) ? limit - retired : 0));
      for (;;) {
        ran += exit.retired;
        if (exit.reason !== 'exit') break;
        const outcome = this.#serve();
        if (outcome === 'emulate') exit = this.#emulate();
        else if (outcome === undefined) break;
        else return { reason: outcome, retired: ran + this.#completed };
      }
    }
  }

  /** The exiting instruction, or the event during whose delivery the exit happened, runs with the bus open. It may exit again. */
  #emulate(): ReturnType<ProcessorVcpu['core']['emulate']> {
    const { core, id } = this;
    const { counters } = this.observation;
    core.faulted = -1;
    if (this.#events.injecting && !this.monitor.enter()) return NOTHING;
    const exit = core.emulate();
    if (core.faulted === PAGE_FAULT) counters.add(id, COUNTER['pf-guest']);
    else if (core.faulted === UNDEFINED_OPCODE) counters.add(id, COUNTER['insn-emulation-fail']);
    return exit;
  }

  /** What the request word asks for, waiting, events, and the checks of VM entry. An exit reason: the guest does not go on. */
  #beforeEntry(): ExitReason | undefined {
    const { requests, id } = this;
    const s = this.#s;
    const word = requests.pending(id);
    if ((word & REQUEST.interrupt) !== 0) {
      requests.served(id, REQUEST.interrupt);
      this.#look = true;
    }
    if ((word & STOPPING) !== 0 && !this.#events.injecting && s.excPending === 0) {
      this.serveResets();
      return 'request';
    }
    if (s.activity !== ACTIVITY.running) {
      if (s.activity === ACTIVITY.shutdown) return 'shutdown';
      if (s.activity === ACTIVITY.waitForSipi) return 'wait-for-sipi';
      const halted = s.activity === ACTIVITY.halted;
      if (s.debugTraps === 0 && (this.core.holdsEvents || !this.#wakes())) return halted ? 'halt' : 'mwait';
      wake(s);
      this.#look = true; // what woke it goes in now, not after an exit for a window
      if (halted) this.observation.counters.add(id, COUNTER['halt-wakeup']);
    }
    if (this.#look && !this.core.holdsEvents) {
      // What the guest has ended in memory no longer holds other interrupts back.
      if (this.para.eoiOffered) {
        this.para.takeEoi();
        requests.served(id, REQUEST.interrupt); // it is looked at right now
      }
      this.#look = !this.#events.prepare();
    }
    const { probes } = this.observation;
    this.monitor.watched = probes.on(id, PROBE.vmread) || probes.on(id, PROBE.vmwrite);
    if (probes.on(id, PROBE.entry)) {
      const { monitor } = this;
      const injection = monitor.get32(FIELD.entryInterruptionInfo);
      probes.fire(id, 'entry', { rip: s.rip, injection, error: monitor.get32(FIELD.entryExceptionError) });
    }
    if (this.monitor.enter()) return undefined;
    this.entryFailure = this.monitor.checks();
    return 'entry-failed';
  }

  #wakes(): boolean {
    const s = this.#s;
    const waiting = s.activity === ACTIVITY.mwait;
    if (((s.sysFlags & FLAG.I) !== 0 || (waiting && s.mwaitExtensions !== 0)) && this.irqchip.pending(this.id)) return true;
    if (waiting && monitorTriggered(this.core)) return true;
    if (s.nmiBlocked === 0 && (this.requests.pending(this.id) & REQUEST.nmi) !== 0) return true;
    return this.para.takeKick();
  }

  /** One VM exit. */
  #serve(): Outcome {
    const { monitor, id } = this;
    const { counters, probes } = this.observation;
    const reason = monitor.get32(FIELD.exitReason);
    counters.add(id, COUNTER.exits);
    if (probes.on(id, PROBE.exit)) {
      probes.fire(id, 'exit', {
        reason,
        qualification: monitor.get64(FIELD.exitQualification),
        rip: this.#s.rip,
        info: monitor.get32(FIELD.exitInterruptionInfo),
      });
    }
    if (this.para.eoiOffered) this.para.takeEoi();
    this.#events.again();
    const handler = handlerOf(reason);
    assert(handler !== undefined, `VM exits with reason ${reason} are not asked for`);
    return handler(this);
  }

  override wait(milliseconds: number): boolean {
    if (this.#s.activity === ACTIVITY.halted && this.para.kicked) return true;
    return super.wait(milliseconds);
  }

  // ---- what handlers of exits do ----

  skip(length = this.monitor.get32(FIELD.exitInstructionLength)): void {
    const s = this.#s;
    const { u32 } = s.views;
    const at = (s.base + RIP) >>> 2;
    const low = (u32[at] as number) + length;
    u32[at] = low;
    // Outside 64-bit code RIP has 32 bits, or 16.
    if (s.longMode === 0) u32[at + 1] = 0;
    else if (low > 0xffffffff) u32[at + 1] = (u32[at + 1] as number) + 1;
    if ((s.modeKey & 3) === 0) u32[at] = low & 0xffff;
    s.shadow = 0;
    s.sysFlags &= ~FLAG.R;
    if ((s.sysFlags & FLAG.T) !== 0) s.debugTraps |= SINGLE_STEP;
    this.#completed++;
  }

  completed(): void {
    this.#completed++;
  }

  inject(vector: number, errorCode?: number): void {
    if (vector === PAGE_FAULT) this.observation.counters.add(this.id, COUNTER['pf-guest']);
    this.#events.exception(vector, errorCode);
    this.core.notice({ kind: 'exception', vector, error: errorCode, address: vector === PAGE_FAULT ? this.#s.cr2 : undefined });
  }

  lookForEvents(): void {
    this.#look = true;
  }

  // ---- the guest's registers from outside ----

  /** Power-on: a new VMCS for the guest in the state block. */
  start(): void {
    this.monitor.clear();
    writeControls(this.monitor, this.#controls);
    this.para.reset();
    this.#hide();
  }

  protected override plain<T>(changes: boolean, body: () => T): T {
    if (this.#plain) return body();
    this.#plain = true;
    this.#show(changes);
    try {
      return body();
    } finally {
      this.#hide(changes);
      this.#plain = false;
    }
  }

  /** The state block as a processor without a hypervisor has it. */
  #show(changes: boolean): void {
    const s = this.#s;
    const [cr0, cr4] = [guestCr0(this), guestCr4(this)];
    s.cr0 = cr0;
    s.cr4 = cr4;
    this.monitor.unload();
    if (!changes) return;
    s.tscOffset = this.monitor.get64(FIELD.tscOffset);
    s.guestTscOffset = 0n;
    this.monitor.set64(FIELD.tscOffset, 0n);
  }

  /** Back under the VMCS. */
  #hide(changes = true): void {
    const s = this.#s;
    const { monitor } = this;
    if (changes) {
      monitor.set64(FIELD.cr0Shadow, s.cr0);
      monitor.set64(FIELD.cr4Shadow, s.cr4);
      monitor.set64(FIELD.tscOffset, s.tscOffset);
      s.tscOffset = 0n;
      s.injecting = 0;
    }
    s.cr0 |= BigInt(CR0_KEPT);
    s.cr4 |= BigInt(CR4_KEPT);
    monitor.load();
    if (changes) {
      monitor.changedAll();
      this.core.restored();
      this.para.counterMoved();
    }
    this.#look = true;
  }

  override savePara(): SavedState {
    return this.para.save();
  }

  override restorePara(saved: unknown): void {
    this.para.restore(saved);
  }

  protected override paraMsrs(): readonly (readonly [number, bigint])[] {
    return this.para.msrs();
  }

  protected override writeParaMsr(index: number, value: bigint): boolean | undefined {
    return this.para.write(index, value);
  }

  /** A guest that was saved in VMX operation cannot be one of ours. */
  protected override check(): void {
    super.check();
    if (this.#s.nonRoot === 0 && this.#s.vmxonPointer === NO_VMX) return;
    throw new EngineError('capability-missing', { capability: 'VMX in the guest', backend: 'software' });
  }

  // ---- what observers read ----

  override vmcs(): VmcsImage | undefined {
    this.monitor.writeState();
    return super.vmcs();
  }

  override entryChecks(): readonly EntryCheck[] {
    this.monitor.writeState();
    return this.monitor.checks();
  }

  /** A field of this vCPU's VMCS, by encoding; guest state as it is now. */
  field(encoding: number): bigint | undefined {
    const field = fields.get(encoding);
    return field === undefined ? undefined : this.monitor.read(field);
  }
}

const fields = new Map(Object.values(VMCS).map((field) => [field.encoding, field]));
