/** A vCPU on our processor as the interface shows it: register groups, waiting, save and restore. How it runs, each back end says. */
import { EngineError, REQUEST, type Requests, type Watcher } from '../../base/index.ts';
import { entryChecks, FLAG, initBlocked, initVcpu, inspectVmcs, startVcpu, type VcpuCore, vcpuState } from '../../cpu/index.ts';
import { type MachineMemory, PHYS, PHYSICAL_END } from '../../memory/index.ts';
import type { InspectedMember, SavedState } from '../../state/index.ts';
import {
  COUNTER,
  type CounterName,
  type EntryCheck,
  type Irqchip,
  type Observation,
  type RegisterGroup,
  type RegisterGroups,
  type Translation,
  type Vcpu,
  type VcpuExit,
  type VmcsImage,
} from '../index.ts';
import * as groups from './groups.ts';
import { fpuOf, INITIAL_FPU, xsaveOf } from './xsave.ts';

/** Bits that end a wait, whatever the vCPU waits for. */
const ALWAYS = REQUEST.init | REQUEST.sipi | REQUEST.stop | REQUEST.sync;
/** Bits that outlive a snapshot: events of the guest, not of the threads that ran it. Whether an interrupt waits, the APIC knows. */
const EVENTS = REQUEST.nmi | REQUEST.init | REQUEST.sipi;
/** Values of `activity`. */
export const ACTIVITY = { running: 0, halted: 1, shutdown: 2, waitForSipi: 3, mwait: 4 } as const;
const LAPIC_PAGE = 0x400;
/** Runs up to their limit that are counted together. */
const COUNT_EVERY = 64;
/** Counters of regions that the processor keeps itself. */
const USES = [
  ...([
    ['jit-entries', 'regionEntries'],
    ['jit-chains', 'regionChains'],
    ['jit-retired', 'regionRetired'],
  ] as const),
  ...([
    ['jit-missing', 'regionMissing'],
    ['jit-asked', 'regionAsked'],
    ['jit-stopped', 'regionStopped'],
  ] as const),
  ...([
    ['jit-faulted', 'regionFaulted'],
    ['jit-all-retired', 'retired'],
  ] as const),
] as const;

/** Why regions with code of several pages go. */
const FAR_LOSSES = ['written', 'anew', 'reset', 'failed', 'crowded'] as const;

export interface ProcessorVcpuParts {
  readonly core: VcpuCore;
  readonly requests: Requests;
  readonly irqchip: Irqchip;
  readonly observation: Observation;
  readonly memory: MachineMemory;
}

export abstract class ProcessorVcpu implements Vcpu {
  readonly id: number;
  protected readonly core: VcpuCore;
  protected readonly requests: Requests;
  protected readonly irqchip: Irqchip;
  protected readonly observation: Observation;
  protected readonly memory: MachineMemory;
  /** Why VM entry failed last. */
  entryFailure: readonly EntryCheck[] | undefined;
  #compiled = 0;
  #uncounted = 0;

  constructor({ core, requests, irqchip, observation, memory }: ProcessorVcpuParts) {
    this.memory = memory;
    this.id = core.index;
    this.core = core;
    this.requests = requests;
    this.irqchip = irqchip;
    this.observation = observation;
  }

  abstract run(limit: number): VcpuExit;

  step(limit: number): VcpuExit {
    this.core.holdsEvents = true;
    try {
      return this.run(limit);
    } finally {
      this.core.holdsEvents = false;
    }
  }

  /**
   * Runs `body` while the state block holds what the guest sees, as on a processor without a hypervisor; `changes`: it may write. The
   * vCPU does not run meanwhile.
   */
  protected plain<T>(_changes: boolean, body: () => T): T {
    return body();
  }

  /** Members that only a hypervisor keeps for its guest, for a snapshot. */
  savePara(): SavedState {
    return [];
  }

  restorePara(saved: unknown): void {
    if (Array.isArray(saved) && saved.length === 0) return;
    throw new EngineError('capability-missing', { capability: 'paravirtual services', backend: 'bare' });
  }

  /** MSRs of the hypervisor's that the guest has set. */
  protected paraMsrs(): readonly (readonly [index: number, value: bigint])[] {
    return [];
  }

  /** False: not with this value; `undefined`: it is none of the hypervisor's. */
  protected writeParaMsr(_index: number, _value: bigint): boolean | undefined {
    return undefined;
  }

  #writeParaMsr(index: number, value: bigint): boolean {
    const done = this.writeParaMsr(index, value);
    if (done === false) {
      throw new EngineError('register-value', {
        group: 'msrs',
        register: `0x${index.toString(16)}`,
        reason: `cannot be ${value}`,
      });
    }
    return done === true;
  }

  get retired(): bigint {
    return this.core.s.retired;
  }

  /**
   * Under the machine lock, at a safe point: whoever sent INIT may send the start-up IPI at once, and its vector must not be lost in
   * between.
   */
  #initApic(lapic: { init(): void }): void {
    this.requests.leaveRun(this.id);
    try {
      this.memory.lock.run(() => lapic.init());
    } finally {
      this.requests.enterRun(this.id);
    }
  }

  /** Take INIT and start-up IPI, in this order: a start-up IPI after INIT finds the vCPU waiting. Inside `run()`. */
  protected serveResets(): void {
    const init = initBlocked(this.core.s) ? 0 : REQUEST.init;
    const raised = this.requests.served(this.id, init | REQUEST.sipi | REQUEST.sync);
    const lapic = this.irqchip.lapics.of(this.id);
    if ((raised & REQUEST.init) !== 0 && this.plain(true, () => initVcpu(this.core))) {
      this.requests.served(this.id, REQUEST.nmi);
      this.#initApic(lapic);
    }
    if ((raised & REQUEST.sipi) !== 0) this.plain(true, () => startVcpu(this.core, lapic.state.sipiVector));
  }

  /**
   * Show what the compiler of hot code has done and how that was used; called after each run. Runs that end by their limit follow each other
   * thousands of times a second: some of them do.
   */
  protected countCode(isLimit: boolean): void {
    const { core } = this;
    const { jit } = core;
    if (jit === undefined) return;
    if (isLimit && ++this.#uncounted < COUNT_EVERY) return;
    this.#uncounted = 0;
    const { counters } = this.observation;
    const set = (name: CounterName, value: number): void => counters.set(this.id, COUNTER[name], value);
    for (const [name, what] of USES) set(name, core.counted(what));
    set('jit-resets', jit.resets);
    if (jit.modules + jit.refused === this.#compiled) return;
    this.#compiled = jit.modules + jit.refused;
    set('jit-regions', jit.regions);
    set('jit-modules', jit.modules);
    set('jit-bytes', jit.bytes);
    set('jit-refused', jit.refused);
    set('jit-instructions', jit.instructions);
    set('jit-microseconds', Math.round(jit.microseconds));
    set('jit-live', jit.inUse);
    set('jit-live-bytes', jit.live);
    set('jit-far', jit.far);
    set('jit-far-live', jit.farInUse);
    set('jit-far-live-bytes', jit.farLive);
    set('jit-far-entries', jit.farEntries);
    set('jit-far-elsewhere', jit.farElsewhere);
    for (const why of FAR_LOSSES) set(`jit-far-${why}`, jit.farLost[why]);
  }

  wait(milliseconds: number): boolean {
    const { s } = this.core;
    let wake: number = initBlocked(s) ? ALWAYS & ~REQUEST.init : ALWAYS;
    if (s.activity !== ACTIVITY.waitForSipi && s.activity !== ACTIVITY.shutdown) {
      // What the vCPU would not take must not wake it, or it would never sleep.
      const exits = s.interruptExits !== 0 && s.monitored === 0;
      if ((s.sysFlags & FLAG.I) !== 0 || exits) wake |= REQUEST.interrupt;
      if (s.nmiBlocked === 0) wake |= REQUEST.nmi;
    }
    return this.requests.wait(this.id, wake, milliseconds);
  }

  get<G extends RegisterGroup>(group: G): RegisterGroups[G] {
    const core = this.core;
    const { s } = core;
    const lapic = this.irqchip.lapics.of(this.id);
    const readers: { readonly [K in RegisterGroup]: () => RegisterGroups[K] } = {
      regs: () => groups.readRegs(s),
      sregs: () => groups.readSregs(s, { base: lapic.state.apicBase, cr8: this.irqchip.getTpr(this.id) }),
      fpu: () => groups.readFpu(s),
      xsave: () => xsaveOf(groups.readFpu(s)),
      xcrs: () => ({ xcr0: s.xcr0 }),
      debugregs: () => groups.readDebugregs(s),
      vcpu_events: () =>
        groups.readEvents(s, ((this.requests.pending(this.id) & REQUEST.nmi) === 0 ? 0 : 1) + lapic.state.nmiQueued),
      mp_state: () => ({ mp_state: groups.readMpState(s) }),
      lapic: () => ({ regs: lapic.page() }),
      msrs: () => [...groups.readMsrs(core), ...this.paraMsrs()],
    };
    return this.plain(false, readers[group]);
  }

  set<G extends RegisterGroup>(group: G, value: RegisterGroups[G]): void {
    this.plain(true, () => this.#set(group, value));
  }

  #set<G extends RegisterGroup>(group: G, value: RegisterGroups[G]): void {
    const { s } = this.core;
    const lapic = this.irqchip.lapics.of(this.id);
    const before = { cpu: vcpuState.save(s), lapic: this.irqchip.save() };
    const writers: { readonly [K in RegisterGroup]: (value: RegisterGroups[K]) => void } = {
      regs: (regs) => groups.writeRegs(s, regs),
      sregs: (sregs) => this.#setSregs(sregs),
      fpu: (fpu) => groups.writeFpu(s, fpu),
      xsave: (area) => groups.writeFpu(s, fpuOf(area, INITIAL_FPU)),
      xcrs: ({ xcr0 }) => this.#setXcr0(xcr0),
      debugregs: (registers) => groups.writeDebugregs(s, registers),
      vcpu_events: (events) => {
        groups.writeEvents(s, events);
        lapic.state.nmiQueued = events.nmi.pending > 1 ? 1 : 0;
        if (events.nmi.pending !== 0) this.requests.raiseOne(this.id, REQUEST.nmi);
        else this.requests.served(this.id, REQUEST.nmi);
      },
      mp_state: ({ mp_state }) => groups.writeMpState(s, mp_state),
      lapic: ({ regs }) => {
        if (regs.length !== LAPIC_PAGE) {
          throw new EngineError('register-value', {
            group,
            register: 'regs',
            reason: `has ${regs.length} bytes, not ${LAPIC_PAGE}`,
          });
        }
        lapic.setPage(regs);
      },
      msrs: (msrs) => {
        const rest = msrs.filter(([index, written]) => !this.#writeParaMsr(index, written));
        groups.writeMsrs(this.core, rest);
        lapic.timer.counterMoved();
      },
    };
    try {
      writers[group](value);
    } catch (error) {
      vcpuState.restore(s, before.cpu);
      this.irqchip.restore(before.lapic);
      throw error;
    } finally {
      this.#loaded();
    }
  }

  inspect(): readonly InspectedMember[] {
    return this.plain(false, () => vcpuState.inspect(this.core.s));
  }

  vmcs(): VmcsImage | undefined {
    const { dv } = this.memory;
    const image = inspectVmcs(this.core.s.vmcsPointer, (pa, bytes) => {
      const at = this.#hostAddress(pa);
      if (at === undefined) return undefined;
      return bytes === 8 ? dv.getBigUint64(at, true) : BigInt(dv.getUint32(at, true));
    });
    return image && { ...image, ...(this.entryFailure && { failure: this.entryFailure }) };
  }

  entryChecks(): readonly EntryCheck[] | undefined {
    // While a guest of the guest runs, the processor's state is no host's.
    if (this.core.s.nonRoot !== 0 || this.vmcs() === undefined) return undefined;
    return this.plain(false, () => entryChecks(this.core));
  }

  translation(): Translation {
    const { s, features } = this.core;
    return {
      ...(s.nonRoot !== 0 && s.eptPointer !== 0n ? { eptPointer: s.eptPointer } : {}),
      physicalBits: features.physicalBits,
      hostAddress: (pa) => this.#hostAddress(pa),
    };
  }

  watch(watcher: Watcher | undefined): void {
    this.core.watch(watcher);
  }

  /** Where the processor's map has memory at a physical address. */
  #hostAddress(pa: bigint): number | undefined {
    if (pa >= BigInt(PHYSICAL_END)) return undefined;
    const entry = this.memory.u32[(this.core.s.busTable >>> 2) + Number(pa >> 12n)] as number;
    return (entry & (PHYS.RAM | PHYS.ROM)) === 0 ? undefined : ((entry & 0xfffff000) >>> 0) + Number(pa & 0xfffn);
  }

  /** Everything of the vCPU, for a snapshot. Requests of threads are left out. */
  save(): SavedState {
    const requestId = vcpuState.fields.request.id;
    const saved = this.plain(true, () => vcpuState.save(this.core.s));
    return saved.flatMap(([id, value]) => {
      if (id !== requestId) return [[id, value] as const];
      const events = (value as number) & EVENTS;
      return events === 0 ? [] : [[id, events] as const];
    });
  }

  /** Hostile input. What the layout accepts may still be a processor that cannot be. */
  restore(saved: unknown): void {
    const before = this.save();
    this.plain(true, () => this.#restore(saved, before));
  }

  #restore(saved: unknown, before: SavedState): void {
    const { s } = this.core;
    try {
      vcpuState.restore(s, saved);
      this.check();
    } catch (error) {
      vcpuState.restore(s, before);
      throw error;
    } finally {
      s.index = this.id;
      s.request &= EVENTS;
      this.#loaded();
    }
  }

  /** The state block was written: recompute, and look for interrupts again. */
  #loaded(): void {
    this.core.restored();
    if (this.irqchip.pending(this.id)) this.requests.raiseOne(this.id, REQUEST.interrupt);
  }

  /** Throws when the state block holds what this back end's processor cannot be. */
  protected check(): void {
    const sregs = groups.readSregs(this.core.s, { base: 0n, cr8: 0 });
    groups.checkMode(sregs, { cr4Mask: this.core.features.cr4 });
  }

  #setSregs(sregs: RegisterGroups['sregs']): void {
    groups.checkMode(sregs, { cr4Mask: this.core.features.cr4 });
    const lapic = this.irqchip.lapics.of(this.id);
    if (!lapic.restoreBase(sregs.apic_base, this.core.features.physicalBits)) {
      throw new EngineError('register-value', {
        group: 'sregs',
        register: 'apic_base',
        reason: 'has reserved bits or an impossible mode',
      });
    }
    groups.writeSregs(this.core.s, sregs);
    this.irqchip.setTpr(this.id, Number(sregs.cr8 & 15n));
  }

  #setXcr0(xcr0: bigint): void {
    if ((xcr0 & 1n) === 0n || (xcr0 & ~3n) !== 0n) {
      throw new EngineError('register-value', { group: 'xcrs', register: 'xcr0', reason: 'is not x87, or x87 and SSE' });
    }
    this.core.s.xcr0 = xcr0;
  }
}
