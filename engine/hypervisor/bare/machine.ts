/** The back end `bare`: a machine straight on the software processor. */
import { EngineError, REQUEST, Requests, type Requests as RequestsType } from '../../base/index.ts';
import {
  CPU_MODEL_NAMES,
  type CpuHost,
  cpuModel,
  createProcessor,
  entryChecks,
  type InterpreterImage,
  type JitSetting,
  type Processor,
} from '../../cpu/index.ts';
import { FIXED, type MachineMemory, RAM_BYTES, SLOTS } from '../../memory/index.ts';
import {
  type Capabilities,
  COUNTER,
  createObservation,
  type EntryCheck,
  GROUP_ORDER,
  IoEvents,
  Irqchip,
  type Machine,
  type MachineOptions,
  type Observation,
  PROBE,
  type SavedMachine,
} from '../index.ts';
import { BareVcpu } from './vcpu.ts';

/** The local APIC's bus clock: one tick per ns. */
const APIC_HZ = 1_000_000_000;
const DEFAULT_TSC_HZ = 1_000_000_000;
const MAX_VCPUS = 16;
/** How the processor signals a failed VM entry; the name of the rule follows. */
const ENTRY_FAILED = 'VM entry: ';

/** What this back end offers; it needs nothing of the host but V8. */
export function bareCapabilities(): Capabilities {
  return {
    backend: 'bare',
    available: true,
    maxVcpus: MAX_VCPUS,
    maxRamBytes: RAM_BYTES.maximum,
    slots: SLOTS,
    models: CPU_MODEL_NAMES,
    groups: GROUP_ORDER,
    dirtyLog: true,
    readonlySlots: true,
    x2apic: true,
    ioEvents: true,
    roundRobin: true,
    exactPositions: true,
    // Without a hypervisor below it there are no exits: only what also happens on a processor is counted.
    counters: ['halt-exits', 'halt-wakeup', 'io-exits', 'mmio-exits', 'irq-injections', 'remote-tlb-flush'],
    probes: ['pio', 'mmio', 'apic', 'pic', 'ioapic', 'inject'],
    vmcsFields: {},
  };
}

export interface BareOptions extends MachineOptions {
  readonly interpreter: InterpreterImage;
  readonly jit?: JitSetting;
}

/** Make this thread's view of a machine. The first thread then calls `reset` once. Refuses a model or a number of vCPUs it does not offer. */
export function createBareMachine(options: BareOptions): Machine {
  const { memory } = options;
  if (memory.vcpus > MAX_VCPUS)
    throw new EngineError('capability-missing', { capability: `${memory.vcpus} vCPUs`, backend: 'bare' });
  const tscHz = options.tscHz ?? DEFAULT_TSC_HZ;
  const model = cpuModel(options.model, { tscHz, apicHz: APIC_HZ });
  if (model === undefined)
    throw new EngineError('capability-missing', { capability: `the model ${options.model}`, backend: 'bare' });
  // Each needs the other: the processor calls the host only while it runs.
  const observation = options.observation ?? createObservation(memory);
  const { counters } = observation;
  const host = new Host(memory, tscHz, observation);
  const processor = createProcessor({
    machine: memory,
    vcpus: memory.vcpus,
    model,
    host: host.cpuHost,
    interpreter: options.interpreter,
    jit: options.jit ?? 'off',
    shootdown: (vcpu) => {
      counters.add(vcpu, COUNTER['remote-tlb-flush']);
      host.requests.synchronize(-1, REQUEST.flushTlb, vcpu);
    },
    exclusive: { begin: (vcpu) => host.runAlone(vcpu), end: () => host.requests.endExclusive() },
  });
  host.connect(processor, model.physicalBits);
  const { requests, irqchip } = host;
  const vcpus = Array.from({ length: memory.vcpus }, (_, id) => {
    return new BareVcpu({ core: processor.vcpu(id), requests, irqchip, counters, memory });
  });
  host.entryFailed = (vcpu, rule) => {
    const checks: EntryCheck[] = entryChecks(processor.vcpu(vcpu));
    // Some of the guest's state is judged while it is loaded, by no rule of the lists.
    const named = checks.at(-1)?.ok === false ? checks : [...checks, { stage: 'guest' as const, rule, ok: false, fields: [] }];
    (vcpus[vcpu] as BareVcpu).entryFailure = named;
  };
  // Whoever changes the map stands at a safe point itself: in a host call, or outside of run().
  memory.slots.mapChange = (change) => requests.exclusive(-1, REQUEST.flushTlb, change);
  memory.dirtyLog.flushWrites = () => requests.synchronize(-1, REQUEST.flushTlb);
  return {
    backend: 'bare',
    memory,
    requests,
    irqchip,
    ioEvents: new IoEvents(memory, irqchip),
    vcpus,
    setSlot: (slot) => memory.slots.setSlot(slot),
    dirtyLog: (slot) => memory.dirtyLog.collect(slot),
    reset: () => {
      processor.reset();
      irqchip.reset();
    },
    save: () => ({ irqchip: irqchip.save(), vcpus: vcpus.map((vcpu) => vcpu.save()) }),
    restore: (saved) => restore(saved, { irqchip, vcpus }),
  };
}

function restore(saved: SavedMachine, { irqchip, vcpus }: { irqchip: Irqchip; vcpus: readonly BareVcpu[] }): void {
  if (
    !Array.isArray(saved?.vcpus) ||
    saved.vcpus.length !== vcpus.length ||
    typeof saved.irqchip !== 'object' ||
    saved.irqchip === null
  ) {
    throw new EngineError('state-malformed', { part: 'machine', reason: `it is not a machine with ${vcpus.length} vCPUs` });
  }
  const before = { irqchip: irqchip.save(), vcpus: vcpus.map((vcpu) => vcpu.save()) };
  const apply = (state: SavedMachine) => {
    irqchip.restore(state.irqchip);
    for (const vcpu of vcpus) vcpu.restore(state.vcpus[vcpu.id]);
  };
  try {
    apply(saved);
  } catch (error) {
    apply(before);
    throw error;
  }
}

/** What the processor calls while it runs: bus and interrupt controllers, at a safe point and under the machine lock. */
class Host {
  requests!: RequestsType;
  irqchip!: Irqchip;
  /** VM entry of the guest's own guest failed at this rule. */
  entryFailed: (vcpu: number, rule: string) => void = () => undefined;
  readonly cpuHost: CpuHost;
  readonly #memory: MachineMemory;
  readonly #tscHz: number;
  readonly #observation: Observation;
  #processor!: Processor;

  constructor(memory: MachineMemory, tscHz: number, observation: Observation) {
    this.#memory = memory;
    this.#tscHz = tscHz;
    this.#observation = observation;
    this.cpuHost = this.#cpuHost();
  }

  connect(processor: Processor, physicalBits: number): void {
    const memory = this.#memory;
    this.#processor = processor;
    this.requests = new Requests({
      words: memory.i32,
      block: FIXED.requests,
      vcpus: memory.vcpus,
      requestWord: (vcpu) => processor.requestWord(vcpu),
    });
    this.irqchip = new Irqchip(memory, {
      signal: (vcpu, bits) => this.#signal(vcpu, bits),
      guestTsc: (vcpu) => BigInt.asUintN(64, this.#tsc() + processor.state(vcpu).tscOffset),
      tscHz: this.#tscHz,
      physicalBits,
      probes: this.#observation.probes,
    });
  }

  /** Two NMIs can wait, one in the processor and one in its APIC; a processor that serves one keeps one more (SDM vol. 3, 6.7.1). */
  #signal(vcpu: number, bits: number): void {
    const { requests } = this;
    // Asked before: once it is raised, the vCPU may take the first at any moment and be blocked by that.
    const blocked = this.#processor.state(vcpu).nmiBlocked !== 0;
    const second = (requests.raiseOne(vcpu, bits) & REQUEST.nmi) !== 0;
    if (!second || blocked) return;
    this.irqchip.lapics.of(vcpu).state.nmiQueued = 1;
    requests.raiseOne(vcpu, REQUEST.sync);
  }

  #tsc(): bigint {
    return BigInt(Math.floor((this.#memory.clock.now() * this.#tscHz) / 1e9));
  }

  /**
   * A host call is a safe point: others may change the map or take the dirty log meanwhile, and count on it that no entry they wanted
   * flushed is used afterwards, so entries go before the instruction does.
   */
  #call<T>(vcpu: number, body: () => T): T {
    const { requests } = this;
    const { lock } = this.#memory;
    this.#processor.vcpu(vcpu).exclusiveEnd();
    requests.leaveRun(vcpu);
    lock.acquire();
    try {
      return body();
    } finally {
      lock.release();
      requests.enterRun(vcpu);
      this.#afterSafePoint(vcpu);
    }
  }

  /** All other vCPUs stand still until the section ends. */
  runAlone(vcpu: number): void {
    this.requests.beginExclusive(vcpu, 0);
    this.#afterSafePoint(vcpu);
  }

  #afterSafePoint(vcpu: number): void {
    if ((this.requests.pending(vcpu) & REQUEST.flushTlb) !== 0) this.#processor.vcpu(vcpu).flushTlb('all');
  }

  #apicRead(vcpu: number, register: number, read: () => number): number {
    const { probes } = this.#observation;
    const value = read();
    if (probes.on(vcpu, PROBE.apic)) probes.fire(vcpu, 'apic', { register, value, write: false });
    return value;
  }

  #cpuHost(): CpuHost {
    const { bus } = this.#memory;
    const { counters, probes } = this.#observation;
    const lapics = () => this.irqchip.lapics;
    return {
      mmioRead: (vcpu, pa, size) => {
        if (lapics().decodes(vcpu, pa)) return this.#apicRead(vcpu, pa % 4096, () => lapics().mmioRead(vcpu, pa, size));
        counters.add(vcpu, COUNTER['mmio-exits']);
        const value = this.#call(vcpu, () => bus.mmioRead(vcpu, pa, size));
        if (probes.on(vcpu, PROBE.mmio)) probes.fire(vcpu, 'mmio', { gpa: pa, size, value, write: false });
        return value;
      },
      mmioWrite: (vcpu, pa, size, value) => {
        if (lapics().decodes(vcpu, pa)) {
          const register = pa % 4096;
          if (probes.on(vcpu, PROBE.apic)) probes.fire(vcpu, 'apic', { register, value, write: true });
          if (lapics().isPrivate(vcpu, register)) lapics().mmioWrite(vcpu, pa, size, value);
          else this.#call(vcpu, () => lapics().mmioWrite(vcpu, pa, size, value));
          return;
        }
        counters.add(vcpu, COUNTER['mmio-exits']);
        if (probes.on(vcpu, PROBE.mmio)) probes.fire(vcpu, 'mmio', { gpa: pa, size, value, write: true });
        this.#call(vcpu, () => bus.mmioWrite(vcpu, pa, size, value));
      },
      portRead: (vcpu, port, size) => {
        counters.add(vcpu, COUNTER['io-exits']);
        const value = this.#call(vcpu, () => bus.portRead(vcpu, port, size));
        if (probes.on(vcpu, PROBE.pio)) probes.fire(vcpu, 'pio', { port, size, value, write: false });
        return value;
      },
      portWrite: (vcpu, port, size, value) => {
        counters.add(vcpu, COUNTER['io-exits']);
        if (probes.on(vcpu, PROBE.pio)) probes.fire(vcpu, 'pio', { port, size, value, write: true });
        this.#call(vcpu, () => bus.portWrite(vcpu, port, size, value));
      },
      acknowledgeInterrupt: (vcpu) => {
        const { irqchip } = this;
        const fromPic = irqchip.pendingFromPic(vcpu);
        const vector = fromPic ? this.#call(vcpu, () => irqchip.acknowledge(vcpu)) : irqchip.acknowledge(vcpu);
        if (vector < 0) return vector;
        counters.add(vcpu, COUNTER['irq-injections']);
        if (probes.on(vcpu, PROBE.inject)) probes.fire(vcpu, 'inject', { vector, kind: 0, error: 0 });
        return vector;
      },
      interruptPending: (vcpu) => this.irqchip.pending(vcpu),
      readMsr: (vcpu, index) => {
        const value = lapics().readMsr(vcpu, index);
        if (value === 'fault') return undefined;
        if (index >= 0x800 && probes.on(vcpu, PROBE.apic)) {
          probes.fire(vcpu, 'apic', { register: (index - 0x800) * 16, value: value ?? 0n, write: false });
        }
        return value;
      },
      writeMsr: (vcpu, index, value) => {
        if (index >= 0x800 && probes.on(vcpu, PROBE.apic)) {
          probes.fire(vcpu, 'apic', { register: (index - 0x800) * 16, value, write: true });
        }
        if (index >= 0x800 && lapics().isPrivate(vcpu, (index - 0x800) * 16)) return lapics().writeMsr(vcpu, index, value);
        return this.#call(vcpu, () => lapics().writeMsr(vcpu, index, value));
      },
      getTpr: (vcpu) => this.irqchip.getTpr(vcpu),
      setTpr: (vcpu, cr8) => this.irqchip.setTpr(vcpu, cr8),
      tsc: () => this.#tsc(),
      signal: (vcpu, event) => {
        // A PC connects FERR# of its first processor alone.
        if (event === 'ferr' && vcpu === 0) this.#call(vcpu, () => this.irqchip.ferr());
        else if (event.startsWith(ENTRY_FAILED)) this.entryFailed(vcpu, event.slice(ENTRY_FAILED.length));
      },
      tscMoved: (vcpu) => this.#call(vcpu, () => lapics().of(vcpu).timer.counterMoved()),
    };
  }
}
