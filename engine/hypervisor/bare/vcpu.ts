/** One vCPU of the back end `bare`: the processor's core with the events the processor leaves to its surroundings. */
import { EngineError, REQUEST, type Requests } from '../../base/index.ts';
import { FLAG, initVcpu, inspectVmcs, startVcpu, type VcpuCore, vcpuState } from '../../cpu/index.ts';
import { FIXED, type MachineMemory, PHYS, PHYSICAL_END } from '../../memory/index.ts';
import type { InspectedMember, SavedState } from '../../state/index.ts';
import {
  COUNTER,
  type EntryCheck,
  type ExitReason,
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
const ACTIVITY = { running: 0, halted: 1, shutdown: 2, waitForSipi: 3 } as const;
const LAPIC_PAGE = 0x400;

export interface BareVcpuParts {
  readonly core: VcpuCore;
  readonly requests: Requests;
  readonly irqchip: Irqchip;
  readonly counters: Observation['counters'];
  readonly memory: MachineMemory;
}

export class BareVcpu implements Vcpu {
  readonly id: number;
  readonly #core: VcpuCore;
  readonly #requests: Requests;
  readonly #irqchip: Irqchip;
  readonly #counters: Observation['counters'];
  readonly #memory: MachineMemory;
  /** Why VM entry failed last, when the guest is a hypervisor itself. */
  entryFailure: readonly EntryCheck[] | undefined;

  constructor({ core, requests, irqchip, counters, memory }: BareVcpuParts) {
    this.id = core.index;
    this.#core = core;
    this.#requests = requests;
    this.#irqchip = irqchip;
    this.#counters = counters;
    this.#memory = memory;
  }

  get retired(): bigint {
    return this.#core.s.retired;
  }

  run(limit: number): VcpuExit {
    this.#requests.enterRun(this.id);
    try {
      const halted = this.#core.s.activity === ACTIVITY.halted;
      const first = this.#nmiBehind();
      const { reason, retired } = this.#core.run(first ? 1 : limit);
      if (halted && retired > 0) this.#counters.add(this.id, COUNTER['halt-wakeup']);
      if (reason === 'halt' && retired > 0) this.#counters.add(this.id, COUNTER['halt-exits']);
      if (first) this.#nmiBehind();
      return { reason: this.#afterRun(first && reason === 'limit' ? 'request' : reason), retired };
    } finally {
      this.#requests.leaveRun(this.id);
    }
  }

  /** A second NMI waits, and the first has to be taken before the request word can hold the other. */
  #nmiBehind(): boolean {
    const { state } = this.#irqchip.lapics.of(this.id);
    if (state.nmiQueued === 0) return false;
    if ((this.#requests.pending(this.id) & REQUEST.nmi) !== 0) return true;
    state.nmiQueued = 0;
    this.#requests.raiseOne(this.id, REQUEST.nmi);
    return false;
  }

  #afterRun(reason: ReturnType<VcpuCore['run']>['reason']): ExitReason {
    if (reason === 'init') return 'wait-for-sipi';
    if (reason !== 'request') return reason;
    // INIT first: a start-up IPI after it finds the vCPU waiting.
    const raised = this.#requests.served(this.id, REQUEST.init | REQUEST.sipi | REQUEST.sync);
    const lapic = this.#irqchip.lapics.of(this.id);
    if ((raised & REQUEST.init) !== 0) {
      this.#requests.served(this.id, REQUEST.nmi);
      initVcpu(this.#core);
      lapic.init();
    }
    if ((raised & REQUEST.sipi) !== 0) startVcpu(this.#core, lapic.state.sipiVector);
    return 'request';
  }

  wait(milliseconds: number): boolean {
    const { s } = this.#core;
    let wake: number = ALWAYS;
    if (s.activity !== ACTIVITY.waitForSipi && s.activity !== ACTIVITY.shutdown) {
      // What the vCPU would not take must not wake it, or it would never sleep.
      if ((s.sysFlags & FLAG.I) !== 0) wake |= REQUEST.interrupt;
      if (s.nmiBlocked === 0) wake |= REQUEST.nmi;
    }
    return this.#requests.wait(this.id, wake, milliseconds);
  }

  get<G extends RegisterGroup>(group: G): RegisterGroups[G] {
    const core = this.#core;
    const { s } = core;
    const lapic = this.#irqchip.lapics.of(this.id);
    const readers: { readonly [K in RegisterGroup]: () => RegisterGroups[K] } = {
      regs: () => groups.readRegs(s),
      sregs: () => groups.readSregs(s, { base: lapic.state.apicBase, cr8: this.#irqchip.getTpr(this.id) }),
      fpu: () => groups.readFpu(s),
      xsave: () => xsaveOf(groups.readFpu(s)),
      xcrs: () => ({ xcr0: s.xcr0 }),
      debugregs: () => groups.readDebugregs(s),
      vcpu_events: () =>
        groups.readEvents(s, ((this.#requests.pending(this.id) & REQUEST.nmi) === 0 ? 0 : 1) + lapic.state.nmiQueued),
      mp_state: () => ({ mp_state: groups.readMpState(s) }),
      lapic: () => ({ regs: lapic.page() }),
      msrs: () => groups.readMsrs(core),
    };
    return readers[group]();
  }

  set<G extends RegisterGroup>(group: G, value: RegisterGroups[G]): void {
    const { s } = this.#core;
    const lapic = this.#irqchip.lapics.of(this.id);
    const before = { cpu: vcpuState.save(s), lapic: this.#irqchip.save() };
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
        if (events.nmi.pending !== 0) this.#requests.raiseOne(this.id, REQUEST.nmi);
        else this.#requests.served(this.id, REQUEST.nmi);
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
        groups.writeMsrs(this.#core, msrs);
        lapic.timer.counterMoved();
      },
    };
    try {
      writers[group](value);
    } catch (error) {
      vcpuState.restore(s, before.cpu);
      this.#irqchip.restore(before.lapic);
      throw error;
    } finally {
      this.#loaded();
    }
  }

  inspect(): readonly InspectedMember[] {
    return vcpuState.inspect(this.#core.s);
  }

  vmcs(): VmcsImage | undefined {
    const { dv } = this.#memory;
    const image = inspectVmcs(this.#core.s.vmcsPointer, (pa, bytes) => {
      const at = this.#hostAddress(pa);
      if (at === undefined) return undefined;
      return bytes === 8 ? dv.getBigUint64(at, true) : BigInt(dv.getUint32(at, true));
    });
    return image && { ...image, ...(this.entryFailure && { failure: this.entryFailure }) };
  }

  translation(): Translation {
    const { s, features } = this.#core;
    return {
      ...(s.nonRoot !== 0 && s.eptPointer !== 0n ? { eptPointer: s.eptPointer } : {}),
      physicalBits: features.physicalBits,
      hostAddress: (pa) => this.#hostAddress(pa),
    };
  }

  /** Where the machine's own map has memory at a physical address. */
  #hostAddress(pa: bigint): number | undefined {
    if (pa >= BigInt(PHYSICAL_END)) return undefined;
    const entry = this.#memory.u32[(FIXED.physTable >>> 2) + Number(pa >> 12n)] as number;
    return (entry & (PHYS.RAM | PHYS.ROM)) === 0 ? undefined : ((entry & 0xfffff000) >>> 0) + Number(pa & 0xfffn);
  }

  /** Everything of the vCPU, for a snapshot. Requests of threads are left out. */
  save(): SavedState {
    const requestId = vcpuState.fields.request.id;
    return vcpuState.save(this.#core.s).flatMap(([id, value]) => {
      if (id !== requestId) return [[id, value] as const];
      const events = (value as number) & EVENTS;
      return events === 0 ? [] : [[id, events] as const];
    });
  }

  /** Hostile input. What the layout accepts may still be a processor that cannot be. */
  restore(saved: unknown): void {
    const { s } = this.#core;
    const before = this.save();
    try {
      vcpuState.restore(s, saved);
      this.#check();
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
    this.#core.restored();
    if (this.#irqchip.pending(this.id)) this.#requests.raiseOne(this.id, REQUEST.interrupt);
  }

  #check(): void {
    const sregs = groups.readSregs(this.#core.s, { base: 0n, cr8: 0 });
    groups.checkMode(sregs, { cr4Mask: this.#core.features.cr4 });
  }

  #setSregs(sregs: RegisterGroups['sregs']): void {
    groups.checkMode(sregs, { cr4Mask: this.#core.features.cr4 });
    const lapic = this.#irqchip.lapics.of(this.id);
    if (!lapic.restoreBase(sregs.apic_base, this.#core.features.physicalBits)) {
      throw new EngineError('register-value', {
        group: 'sregs',
        register: 'apic_base',
        reason: 'has reserved bits or an impossible mode',
      });
    }
    groups.writeSregs(this.#core.s, sregs);
    this.#irqchip.setTpr(this.id, Number(sregs.cr8 & 15n));
  }

  #setXcr0(xcr0: bigint): void {
    if ((xcr0 & 1n) === 0n || (xcr0 & ~3n) !== 0n) {
      throw new EngineError('register-value', { group: 'xcrs', register: 'xcr0', reason: 'is not x87, or x87 and SSE' });
    }
    this.#core.s.xcr0 = xcr0;
  }
}
