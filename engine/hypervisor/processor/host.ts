/** What the processor calls while it runs: bus and interrupt controllers, at a safe point and under the machine lock. */
import { REQUEST, Requests } from '../../base/index.ts';
import type { CpuHost, Processor } from '../../cpu/index.ts';
import { FIXED, type MachineMemory } from '../../memory/index.ts';
import { COUNTER, Irqchip, type Observation, PROBE } from '../index.ts';

export interface ProcessorHostOptions {
  readonly tscHz: number;
  readonly observation: Observation;
  /** What a vCPU's guest sees its time-stamp counter moved by beyond the processor's own offset. Any thread. */
  tscOffset(vcpu: number): bigint;
  /** Bits raised together with an NMI. */
  readonly withNmi: number;
  /** What a guest's CPUID answers where that need not exit; absent: it always does. */
  readonly guestLeaf?: (vcpu: number, leaf: { readonly eax: number; readonly ecx: number }) => CpuidLeaf;
  /** Port and memory accesses are counted here; otherwise by exits. */
  readonly countAccesses: boolean;
}

/** Probes that tell of leaving the guest. */
const LEAVING = { bit: PROBE.exit.bit | PROBE.entry.bit | PROBE.vmread.bit | PROBE.vmwrite.bit };
type CpuidLeaf = readonly [number, number, number, number];

/** How the processor signals a failed VM entry; the name of the rule follows. */
const ENTRY_FAILED = 'VM entry: ';

export class ProcessorHost {
  requests!: Requests;
  irqchip!: Irqchip;
  /** VM entry of the guest's own guest failed at this rule. */
  entryFailed: (vcpu: number, rule: string) => void = () => undefined;
  readonly cpuHost: CpuHost;
  readonly #memory: MachineMemory;
  readonly #o: ProcessorHostOptions;
  readonly #observation: Observation;
  #processor!: Processor;

  constructor(memory: MachineMemory, options: ProcessorHostOptions) {
    this.#memory = memory;
    this.#o = options;
    this.#observation = options.observation;
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
      guestTsc: (vcpu) => BigInt.asUintN(64, BigInt(this.#ticks()) + processor.state(vcpu).tscOffset + this.#o.tscOffset(vcpu)),
      tscHz: this.#o.tscHz,
      physicalBits,
      probes: this.#observation.probes,
    });
  }

  /** Two NMIs can wait, one in the processor and one in its APIC; a processor that serves one keeps one more (SDM vol. 3, 6.7.1). */
  #signal(vcpu: number, raised: number): void {
    const { requests } = this;
    const bits = (raised & REQUEST.nmi) !== 0 ? raised | this.#o.withNmi : raised;
    // Asked before: once it is raised, the vCPU may take the first at any moment and be blocked by that.
    const blocked = this.#processor.state(vcpu).nmiBlocked !== 0;
    const second = (requests.raiseOne(vcpu, bits) & raised & REQUEST.nmi) !== 0;
    if (!second || blocked) return;
    this.irqchip.lapics.of(vcpu).state.nmiQueued = 1;
    requests.raiseOne(vcpu, REQUEST.sync);
  }

  #ticks(): number {
    return Math.floor((this.#memory.clock.now() * this.#o.tscHz) / 1e9);
  }

  /**
   * A host call is a safe point: others may change the map or take the dirty log meanwhile, and count on it that no entry they wanted
   * flushed is used afterwards, so entries go before the instruction does.
   */
  call<T>(vcpu: number, body: () => T): T {
    this.#reach(vcpu);
    try {
      return body();
    } finally {
      this.#goOn(vcpu);
    }
  }

  #reach(vcpu: number): void {
    this.#processor.vcpu(vcpu).exclusiveEnd();
    this.requests.leaveRun(vcpu);
    this.#memory.lock.acquire();
  }

  #goOn(vcpu: number): void {
    this.#memory.lock.release();
    this.requests.enterRun(vcpu);
    this.#afterSafePoint(vcpu);
  }

  /** `body` while every other vCPU stands still; each flushes its TLB before it goes on, and so does this one. */
  stopOthers(vcpu: number, body: () => void): void {
    this.requests.exclusive(vcpu, REQUEST.flushTlb, body);
    this.#processor.vcpu(vcpu).flushTlb('everything');
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
    const served = this.#o.countAccesses;
    const lapics = () => this.irqchip.lapics;
    return {
      mmioRead: (vcpu, pa, size) => {
        if (lapics().decodes(vcpu, pa)) return this.#apicRead(vcpu, pa % 4096, () => lapics().mmioRead(vcpu, pa, size));
        if (served) counters.add(vcpu, COUNTER['mmio-exits']);
        const value = this.call(vcpu, () => bus.mmioRead(vcpu, pa, size));
        if (probes.on(vcpu, PROBE.mmio)) probes.fire(vcpu, 'mmio', { gpa: pa, size, value, write: false });
        return value;
      },
      mmioWrite: (vcpu, pa, size, value) => {
        if (lapics().decodes(vcpu, pa)) {
          const register = pa % 4096;
          if (probes.on(vcpu, PROBE.apic)) probes.fire(vcpu, 'apic', { register, value, write: true });
          if (lapics().isPrivate(vcpu, register)) lapics().mmioWrite(vcpu, pa, size, value);
          else this.call(vcpu, () => lapics().mmioWrite(vcpu, pa, size, value));
          return;
        }
        if (probes.on(vcpu, PROBE.mmio)) probes.fire(vcpu, 'mmio', { gpa: pa, size, value, write: true });
        if (bus.letWait({ vcpu, space: 'mmio', at: pa, size, value })) return;
        if (served) counters.add(vcpu, COUNTER['mmio-exits']);
        this.call(vcpu, () => bus.mmioWrite(vcpu, pa, size, value));
      },
      portRead: (vcpu, port, size) => {
        if (served) counters.add(vcpu, COUNTER['io-exits']);
        const before = bus.counters.unclaimedReads;
        let value: number;
        this.#reach(vcpu);
        try {
          value = bus.portRead(vcpu, port, size);
        } finally {
          this.#goOn(vcpu);
        }
        if (bus.counters.unclaimedReads !== before) counters.add(vcpu, COUNTER['unknown-ports']);
        if (probes.on(vcpu, PROBE.pio)) probes.fire(vcpu, 'pio', { port, size, value, write: false });
        return value;
      },
      portWrite: (vcpu, port, size, value) => {
        if (probes.on(vcpu, PROBE.pio)) probes.fire(vcpu, 'pio', { port, size, value, write: true });
        if (bus.mayWait(port) && bus.letWait({ vcpu, space: 'port', at: port, size, value })) return;
        if (served) counters.add(vcpu, COUNTER['io-exits']);
        const before = bus.counters.unclaimedWrites;
        this.#reach(vcpu);
        try {
          bus.portWrite(vcpu, port, size, value);
        } finally {
          this.#goOn(vcpu);
        }
        if (bus.counters.unclaimedWrites !== before) counters.add(vcpu, COUNTER['unknown-ports']);
      },
      servesPort: (vcpu) => {
        if (probes.on(vcpu, LEAVING)) return false;
        counters.add(vcpu, COUNTER.exits);
        counters.add(vcpu, COUNTER['io-exits']);
        return true;
      },
      servesCpuid: (vcpu, eax, ecx) => {
        const { guestLeaf } = this.#o;
        if (guestLeaf === undefined || probes.on(vcpu, LEAVING)) return undefined;
        counters.add(vcpu, COUNTER.exits);
        return guestLeaf(vcpu, { eax, ecx });
      },
      acknowledgeInterrupt: (vcpu) => {
        const { irqchip } = this;
        const fromPic = irqchip.pendingFromPic(vcpu);
        const vector = fromPic ? this.call(vcpu, () => irqchip.acknowledge(vcpu)) : irqchip.acknowledge(vcpu);
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
        return this.call(vcpu, () => lapics().writeMsr(vcpu, index, value));
      },
      getTpr: (vcpu) => this.irqchip.getTpr(vcpu),
      setTpr: (vcpu, cr8) => this.irqchip.setTpr(vcpu, cr8),
      ticks: () => this.#ticks(),
      signal: (vcpu, event) => {
        // A PC connects FERR# of its first processor alone.
        if (event === 'ferr' && vcpu === 0) this.call(vcpu, () => this.irqchip.ferr());
        else if (event.startsWith(ENTRY_FAILED)) this.entryFailed(vcpu, event.slice(ENTRY_FAILED.length));
      },
      tscMoved: (vcpu) => this.call(vcpu, () => lapics().of(vcpu).timer.counterMoved()),
    };
  }
}
