/**
 * All local APICs of a machine: destinations of messages (SDM vol. 3, 10.6.2), inter-processor interrupts, and access through MMIO and
 * through x2APIC MSRs (10.12). Register access runs on the vCPU's own thread under the machine lock.
 */
import { allOnes, assert } from '../../base/index.ts';
import type { MachineMemory } from '../../memory/index.ts';
import type { InterruptMessage } from './ioapic.ts';
import { Lapic, type LapicHost } from './lapic.ts';
import { lapicState, MODE, REG } from './lapic-state.ts';

/** A state block begins with the register page and has a page of memory of its own: it can be a processor's virtual-APIC page. */
const VIRTUAL_APIC_PAGE = 4096;
assert(lapicState.fields.regs.offset === 0 && lapicState.size <= VIRTUAL_APIC_PAGE, 'the register page stands first');
const X2APIC_MSR = 0x800;
const ICR_MSR = 0x830;
const SHORTHAND = { none: 0, self: 1, all: 2, others: 3 } as const;
const WRITE_ONLY: ReadonlySet<number> = new Set([REG.eoi, REG.selfIpi]);
/** Reserved bits in x2APIC mode, where setting one raises #GP (SDM 10.12.1.2). Registers not listed have none. */
const X2_RESERVED: Readonly<Record<number, number>> = {
  [REG.tpr]: 0xffff_ff00,
  [REG.svr]: 0xffff_ec00,
  [REG.esr]: 0xffff_ffff,
  [REG.eoi]: 0xffff_ffff,
  [REG.divide]: 0xffff_fff4,
  [REG.selfIpi]: 0xffff_ff00,
  [REG.lvtTimer]: 0xfff8_ef00,
  [REG.lvtThermal]: 0xfffe_e800,
  [REG.lvtCounter]: 0xfffe_e800,
  [REG.lvt0]: 0xfffe_0800,
  [REG.lvt1]: 0xfffe_0800,
  [REG.lvtError]: 0xfffe_ef00,
};

export interface LapicsHost extends Omit<LapicHost, 'clock' | 'signal' | 'guestTsc'> {
  signal(vcpu: number, bits: number): void;
  guestTsc(vcpu: number): bigint;
  /** Physical-address width of the processor model, for reserved bits of IA32_APIC_BASE. */
  readonly physicalBits: number;
}

export class Lapics {
  readonly all: readonly Lapic[];
  readonly #physicalBits: number;

  constructor(machine: MachineMemory, host: LapicsHost) {
    this.#physicalBits = host.physicalBits;
    this.all = Array.from({ length: machine.vcpus }, (_, id) => {
      const state = lapicState.bind(
        machine.memory,
        machine.arena.take(`irqchip.lapic${id}`, VIRTUAL_APIC_PAGE, VIRTUAL_APIC_PAGE),
      );
      const timer = machine.deadlines.timer((due) => lapic.timer.expire(due));
      const mine: LapicHost = {
        clock: machine.clock,
        tscHz: host.tscHz,
        signal: (bits) => host.signal(id, bits),
        broadcastEoi: (vector) => host.broadcastEoi(vector),
        lint0: () => host.lint0(),
        guestTsc: () => host.guestTsc(id),
      };
      const lapic: Lapic = new Lapic(id, state, { host: mine, timer });
      return lapic;
    });
  }

  of(vcpu: number): Lapic {
    return this.all[vcpu] as Lapic;
  }

  /** Send a message to whoever it names. False when nobody accepts it. */
  deliver(message: InterruptMessage): boolean {
    return this.#toAll(this.#targets(message.logical, message.destination, message.destination === 0xff), message);
  }

  #toAll(targets: readonly Lapic[], { mode, vector, level }: Pick<InterruptMessage, 'mode' | 'vector' | 'level'>): boolean {
    if (mode === MODE.lowest) {
      const chosen = leastBusy(targets);
      if (chosen === undefined) return false;
      chosen.state.arbitration++;
      return chosen.deliver(MODE.fixed, vector, level);
    }
    let accepted = false;
    for (const target of targets) if (target.deliver(mode, vector, level)) accepted = true;
    return accepted;
  }

  #targets(logical: boolean, destination: number, broadcast: boolean): Lapic[] {
    return this.all.filter((lapic) => {
      if (!lapic.enabled) return false;
      if (broadcast) return true;
      return logical ? matchesLogical(lapic, destination) : lapic.apicId === destination;
    });
  }

  /** Write ICR: send an inter-processor interrupt (SDM 10.6.1). `destination` is 8 bits in xAPIC mode, 32 in x2APIC mode. */
  #sendIpi(from: Lapic, low: number, destination: number): void {
    const vector = low & 0xff;
    const mode = (low >>> 8) & 7;
    const shorthand = (low >>> 18) & 3;
    if ((mode === MODE.fixed || mode === MODE.lowest) && vector < 16) {
      from.badVector();
      return;
    }
    // INIT level de-assert did something for processors long gone; SMIs there are none.
    if (mode === MODE.init && (low & 0xc000) === 0x8000) return;
    if (mode === MODE.smi || mode === MODE.extInt || mode === 3) return;
    const message = { mode, vector, level: false };
    if (shorthand === SHORTHAND.none) {
      const broadcast = from.x2apic ? destination === 0xffffffff : destination === 0xff;
      this.#toAll(this.#targets((low & 0x800) !== 0, destination, broadcast), message);
    } else if (shorthand === SHORTHAND.self) {
      if (mode === MODE.fixed) from.deliver(mode, vector, false);
    } else {
      const targets = this.all.filter((lapic) => lapic.enabled && (shorthand === SHORTHAND.all || lapic !== from));
      this.#toAll(targets, message);
    }
  }

  /** Whether a guest-physical address is this vCPU's register page. */
  decodes(vcpu: number, pa: number): boolean {
    const lapic = this.of(vcpu);
    if ((lapic.state.lo('apicBase') & 0xc00) !== 0x800) return false;
    return (
      pa - (pa % 4096) === (lapic.state.lo('apicBase') & 0xfffff000) >>> 0 &&
      lapic.state.hi('apicBase') === Math.floor(pa / 4096 / 2 ** 20)
    );
  }

  /** A write to this register concerns its own vCPU alone: task priority, and the end of an interrupt that was no level. */
  isPrivate(vcpu: number, at: number): boolean {
    return at === REG.tpr || (at === REG.eoi && !this.of(vcpu).servesLevel);
  }

  /** xAPIC read. Registers are 32 bits at multiples of 16; other bytes read as zero. */
  mmioRead(vcpu: number, pa: number, size: number): number {
    const at = pa % 4096;
    const lapic = this.of(vcpu);
    if (at >= 0x400 || (at & 0xc) !== 0) return 0;
    const value = WRITE_ONLY.has(at & ~3) ? 0 : lapic.read(at & ~3);
    if (value === undefined) lapic.badRegister();
    return (((value ?? 0) >>> (8 * (at & 3))) & allOnes(size)) >>> 0;
  }

  /** xAPIC write. Only whole aligned registers can be written (SDM 10.4.1). */
  mmioWrite(vcpu: number, pa: number, size: number, value: number): void {
    const at = pa % 4096;
    const lapic = this.of(vcpu);
    if (at >= 0x400 || (at & 0xf) !== 0 || size !== 4) return;
    if (at === REG.eoi) lapic.endOfInterrupt();
    else if (at === REG.icr) {
      lapic.set(REG.icr, value & 0x000c_cfff);
      this.#sendIpi(lapic, value, lapic.reg(REG.icr2) >>> 24);
    } else if (at === REG.icr2) lapic.set(at, value & 0xff00_0000);
    else if (!lapic.write(at, value)) lapic.badRegister();
  }

  /** IA32_APIC_BASE, IA32_TSC_DEADLINE and x2APIC registers. undefined: not one of these. 'fault': raises #GP. */
  readMsr(vcpu: number, index: number): bigint | 'fault' | undefined {
    const lapic = this.of(vcpu);
    if (index === 0x1b) return lapic.state.apicBase;
    if (index === 0x6e0) return lapic.timer.deadline;
    if (index < X2APIC_MSR || index > 0x8ff) return undefined;
    if (!lapic.x2apic) return 'fault';
    if (index === ICR_MSR) return (BigInt(lapic.reg(REG.icr2)) << 32n) | BigInt(lapic.reg(REG.icr));
    const at = (index - X2APIC_MSR) * 16;
    const absent = index > 0x83f || WRITE_ONLY.has(at) || at === REG.dfr || at === REG.apr || at === REG.icr2;
    const value = absent ? undefined : lapic.read(at);
    return value === undefined ? 'fault' : BigInt(value >>> 0);
  }

  /** false raises #GP, undefined: not an MSR of the APIC. */
  writeMsr(vcpu: number, index: number, value: bigint): boolean | undefined {
    const lapic = this.of(vcpu);
    if (index === 0x1b) return lapic.writeBase(value, this.#physicalBits);
    if (index === 0x6e0) {
      lapic.timer.writeDeadline(value);
      return true;
    }
    if (index < X2APIC_MSR || index > 0x8ff) return undefined;
    if (!lapic.x2apic) return false;
    return this.#writeX2(lapic, index, value);
  }

  #writeX2(lapic: Lapic, index: number, value: bigint): boolean {
    const low = Number(value & 0xffffffffn);
    const high = Number(value >> 32n);
    if (index === ICR_MSR) {
      if ((low & 0xfff3_2000) !== 0) return false;
      lapic.set(REG.icr, low & 0x000c_cfff);
      lapic.set(REG.icr2, high);
      this.#sendIpi(lapic, low, high);
      return true;
    }
    const at = (index - X2APIC_MSR) * 16;
    if (high !== 0 || (low & (X2_RESERVED[at] ?? 0)) !== 0) return false;
    if (index > 0x83f || at === REG.id || at === REG.ldr || at === REG.dfr || at === REG.icr2) return false;
    if (at === REG.eoi) lapic.endOfInterrupt();
    else if (at === REG.selfIpi) {
      if (low < 16) lapic.badVector();
      else lapic.deliver(MODE.fixed, low, false);
    } else return lapic.write(at, low);
    return true;
  }
}

/** Logical destinations: flat, cluster (SDM 10.6.2.2), and x2APIC clusters (10.12.10.1). A message from an I/O APIC or MSI has 8 bits. */
function matchesLogical(lapic: Lapic, destination: number): boolean {
  const id = lapic.logicalId;
  if (lapic.x2apic) return destination >>> 16 === id >>> 16 && (destination & id & 0xffff) !== 0;
  if (lapic.reg(REG.dfr) >>> 28 === 0xf) return (destination & id) !== 0;
  return destination >>> 4 === id >>> 4 && (destination & id & 0xf) !== 0;
}

/** Lowest-priority delivery (SDM 10.6.2.4): the least arbitration priority, among equals who took the fewest so far. */
function leastBusy(targets: readonly Lapic[]): Lapic | undefined {
  let best: Lapic | undefined;
  for (const lapic of targets) {
    if (!lapic.active) continue;
    if (best === undefined) best = lapic;
    const difference = lapic.arbitrationPriority - best.arbitrationPriority;
    if (difference < 0 || (difference === 0 && lapic.state.arbitration < best.state.arbitration)) best = lapic;
  }
  return best;
}
