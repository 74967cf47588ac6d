/**
 * One local APIC: registers, priorities, timer. Source: SDM vol. 3, chapter 10 (xAPIC, x2APIC). Interrupts are accepted by atomic
 * operations on the request register by any thread; everything else runs on the vCPU's own thread or under the machine lock.
 *
 * Threats: a guest writes any register; vectors are 8 bits, register numbers are masked to the page.
 */
import { REQUEST, type Timer } from '../../base/index.ts';
import { APIC_BASE, APIC_DEFAULT, type LapicState, LVT_MASKED, lapicState, MODE, REG, VERSION } from './lapic-state.ts';
import { LapicTimer, type LapicTimerHost } from './lapic-timer.ts';

/** Errors of the error status register (SDM 10.5.3). */
const ERROR = { sendVector: 1 << 5, receiveVector: 1 << 6, register: 1 << 7 } as const;
const LVT_ENTRIES: readonly number[] = [REG.lvtTimer, REG.lvtThermal, REG.lvtCounter, REG.lvt0, REG.lvt1, REG.lvtError];
/** Writable bits by LVT entry (SDM figure 10-8). */
const LVT_WRITABLE: Readonly<Record<number, number>> = {
  [REG.lvtTimer]: 0x7_00ff,
  [REG.lvtThermal]: 0x1_07ff,
  [REG.lvtCounter]: 0x1_07ff,
  [REG.lvt0]: 0x1_a7ff,
  [REG.lvt1]: 0x1_a7ff,
  [REG.lvtError]: 0x1_00ff,
};

/** What a local APIC needs of the machine. */
export interface LapicHost extends Omit<LapicTimerHost, 'expired'> {
  /** Raise bits of `REQUEST` for this vCPU. */
  signal(bits: number): void;
  /** The I/O APICs hear of the end of a level-triggered interrupt. */
  broadcastEoi(vector: number): void;
  /** INTR of the 8259 as this APIC's LINT0 pin. */
  lint0(): boolean;
}

export class Lapic {
  readonly id: number;
  readonly state: LapicState;
  readonly #host: LapicHost;
  readonly timer: LapicTimer;
  readonly #irr: number;
  readonly #i32: Int32Array;

  /** `timer` is made by the caller and calls `timer.expire`. */
  constructor(id: number, state: LapicState, { host, timer }: { host: LapicHost; timer: Timer }) {
    this.id = id;
    this.state = state;
    this.#host = host;
    this.timer = new LapicTimer(state, { ...host, guestTsc: () => host.guestTsc(), expired: () => this.#timerExpired() }, timer);
    this.#i32 = state.views.i32;
    this.#irr = (state.base + lapicState.fields.regs.offset + REG.irr) >>> 2;
  }

  /** Globally enabled in IA32_APIC_BASE. */
  get enabled(): boolean {
    return (this.state.lo('apicBase') & 0x800) !== 0;
  }

  get x2apic(): boolean {
    return (this.state.lo('apicBase') & 0xc00) === 0xc00;
  }

  /** Enabled in the spurious-interrupt vector register too. */
  get active(): boolean {
    return this.enabled && (this.reg(REG.svr) & 0x100) !== 0;
  }

  reg(at: number): number {
    return this.state.regs[at >>> 2] as number;
  }

  set(at: number, value: number): void {
    this.state.regs[at >>> 2] = value;
  }

  /** The APIC's own id: 8 bits in xAPIC mode, 32 in x2APIC mode. */
  get apicId(): number {
    return this.x2apic ? this.id : this.reg(REG.id) >>> 24;
  }

  /** Logical destination: in x2APIC mode derived from the id (SDM 10.12.10.2). */
  get logicalId(): number {
    return this.x2apic ? (((this.id >>> 4) << 16) | (1 << (this.id & 15))) >>> 0 : this.reg(REG.ldr) >>> 24;
  }

  /** Take a fixed interrupt: visible to the vCPU from here on. Callable from any thread. */
  accept(vector: number, level: boolean): void {
    if (vector < 16) {
      this.error(ERROR.receiveVector);
      return;
    }
    const word = (vector >>> 5) * 4;
    const bit = 1 << (vector & 31);
    const tmr = this.#irr - ((REG.irr - REG.tmr) >>> 2) + word;
    if (level) Atomics.or(this.#i32, tmr, bit);
    else if ((Atomics.load(this.#i32, tmr) & bit) !== 0) Atomics.and(this.#i32, tmr, ~bit);
    Atomics.or(this.#i32, this.#irr + word, bit);
    this.#host.signal(REQUEST.interrupt);
  }

  /** Any delivery mode, from the bus or from a local source. False when the interrupt is not accepted. */
  deliver(mode: number, vector: number, level: boolean): boolean {
    if (mode === MODE.fixed || mode === MODE.lowest) {
      if (!this.active) return false;
      this.accept(vector, level);
    } else if (mode === MODE.nmi) this.#host.signal(REQUEST.nmi);
    else if (mode === MODE.init) this.#host.signal(REQUEST.init);
    else if (mode === MODE.startup) {
      this.state.sipiVector = vector;
      this.#host.signal(REQUEST.sipi);
    } else if (mode === MODE.extInt) this.#host.signal(REQUEST.interrupt);
    return true;
  }

  /** Record an error and deliver the error interrupt (SDM 10.5.3). */
  error(bits: number): void {
    if ((this.state.pendingErrors & bits) === bits) return;
    this.state.pendingErrors |= bits;
    const lvt = this.reg(REG.lvtError);
    if ((lvt & LVT_MASKED) === 0 && (lvt & 0xff) >= 16 && this.active) this.accept(lvt & 0xff, false);
  }

  /** Plain loads, which are words all the same: who accepts a vector raises the request word after it, and that is looked at first. */
  #highest(register: number): number {
    const words = this.#i32;
    const first = (register - REG.irr) / 4 + this.#irr;
    for (let word = 7; word >= 0; word--) {
      const bits = words[first + word * 4] as number;
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
    }
    return -1;
  }

  /** Highest vector requested, -1 when none. */
  get requested(): number {
    return this.#highest(REG.irr);
  }

  /** Highest vector in service, -1 when none. */
  get inService(): number {
    return this.#highest(REG.isr);
  }

  /** Processor priority (SDM 10.8.3.1). */
  get processorPriority(): number {
    const service = Math.max(0, this.inService) & 0xf0;
    const task = this.reg(REG.tpr) & 0xff;
    return (task & 0xf0) >= service ? task : service;
  }

  /** Arbitration priority: the larger of task priority, what is in service and what is requested. */
  get arbitrationPriority(): number {
    const busy = Math.max(0, this.inService, this.requested) & 0xf0;
    return Math.max(this.reg(REG.tpr) & 0xff, busy);
  }

  /** The vector that would interrupt the vCPU now, -1 when none. */
  get deliverable(): number {
    if (!this.active) return -1;
    const vector = this.requested;
    return vector >= 0 && (vector & 0xf0) > (this.processorPriority & 0xf0) ? vector : -1;
  }

  /** Whether the 8259 reaches the vCPU: LINT0 as ExtINT, or no local APIC at all on the first processor (SDM 10.4.3). */
  get acceptsPic(): boolean {
    if (!this.enabled) return this.id === 0;
    const lvt = this.reg(REG.lvt0);
    return (lvt & LVT_MASKED) === 0 && ((lvt >>> 8) & 7) === MODE.extInt;
  }

  /** Move the vector of highest priority from requested to in service; -1 when there is none. */
  acknowledge(): number {
    const vector = this.deliverable;
    if (vector < 0) return -1;
    const word = (vector >>> 5) * 4;
    const bit = 1 << (vector & 31);
    Atomics.and(this.#i32, this.#irr + word, ~bit);
    const isr = this.#irr - ((REG.irr - REG.isr) >>> 2) + word;
    this.#i32[isr] = (this.#i32[isr] as number) | bit;
    return vector;
  }

  endOfInterrupt(): void {
    const vector = this.inService;
    if (vector < 0) return;
    const word = (vector >>> 5) * 4;
    const bit = 1 << (vector & 31);
    const isr = this.#irr - ((REG.irr - REG.isr) >>> 2) + word;
    const tmr = this.#irr - ((REG.irr - REG.tmr) >>> 2) + word;
    this.#i32[isr] = (this.#i32[isr] as number) & ~bit;
    if ((Atomics.load(this.#i32, tmr) & bit) !== 0) this.#host.broadcastEoi(vector);
    this.#signalIfDeliverable();
  }

  setTpr(value: number): void {
    this.set(REG.tpr, value & 0xff);
    this.#signalIfDeliverable();
  }

  /** A change of a pin: LINT0 follows the 8259, LINT1 is the machine's NMI line. Edge: `active` went up. */
  pin(register: typeof REG.lvt0 | typeof REG.lvt1): void {
    const lvt = this.reg(register);
    if (!this.enabled) {
      if (register === REG.lvt1) this.#host.signal(REQUEST.nmi);
      else if (this.id === 0) this.#host.signal(REQUEST.interrupt);
    } else if ((lvt & LVT_MASKED) === 0) {
      this.deliver((lvt >>> 8) & 7, lvt & 0xff, false);
    }
  }

  #signalIfDeliverable(): void {
    if (this.deliverable >= 0) this.#host.signal(REQUEST.interrupt);
  }

  // Registers, common to MMIO and MSR access.

  /** The value of the register at `at`; undefined where there is none. */
  read(at: number): number | undefined {
    if (at === REG.id) return this.x2apic ? this.id : this.reg(REG.id);
    if (at === REG.apr) return this.arbitrationPriority;
    if (at === REG.ppr) return this.processorPriority;
    if (at === REG.ldr) return this.x2apic ? this.logicalId : this.reg(REG.ldr);
    if (at === REG.currentCount) return this.timer.currentCount;
    if (at >= REG.isr && at < REG.esr) return this.reg(at) >>> 0;
    return READABLE.has(at) ? this.reg(at) : undefined;
  }

  /** Write a register other than ICR, EOI and self-IPI; false where there is none that can be written. */
  write(at: number, value: number): boolean {
    if (at in LVT_WRITABLE) this.#writeLvt(at, value);
    else if (at === REG.id) this.set(at, value & 0xff00_0000);
    else if (at === REG.tpr) this.setTpr(value);
    else if (at === REG.ldr) this.set(at, value & 0xff00_0000);
    else if (at === REG.dfr) this.set(at, value | 0x0fff_ffff);
    else if (at === REG.svr) this.#writeSpurious(value);
    else if (at === REG.esr) {
      this.set(REG.esr, this.state.pendingErrors);
      this.state.pendingErrors = 0;
    } else if (at === REG.initialCount) this.timer.writeInitialCount(value);
    else if (at === REG.divide) this.timer.writeDivide(value);
    else return false;
    return true;
  }

  /** The guest sent a vector below 16, or touched a register that is not there. */
  badVector(): void {
    this.error(ERROR.sendVector);
  }

  badRegister(): void {
    this.error(ERROR.register);
  }

  #writeSpurious(value: number): void {
    this.set(REG.svr, value & 0x3ff);
    if ((value & 0x100) === 0) for (const entry of LVT_ENTRIES) this.set(entry, this.reg(entry) | LVT_MASKED);
    else this.#signalIfDeliverable();
  }

  #writeLvt(at: number, value: number): void {
    if (at === REG.lvtTimer) this.timer.settle();
    const forced = (this.reg(REG.svr) & 0x100) === 0 ? LVT_MASKED : 0;
    const before = this.reg(at);
    this.set(at, (value & (LVT_WRITABLE[at] as number)) | forced);
    if (at === REG.lvtTimer) this.timer.modeWritten(before);
    if (at === REG.lvt0 && this.acceptsPic && this.#host.lint0()) this.#host.signal(REQUEST.interrupt);
  }

  /** The timer has run out. */
  #timerExpired(): void {
    const lvt = this.reg(REG.lvtTimer);
    if ((lvt & LVT_MASKED) === 0 && this.active) this.accept(lvt & 0xff, false);
  }

  /** The register page, 1024 bytes, with what is computed on read in its place (KVM_GET_LAPIC). */
  page(): Uint8Array {
    const words = Uint32Array.from(this.state.regs);
    for (const at of [REG.id, REG.ldr, REG.ppr, REG.currentCount]) words[at >>> 2] = this.read(at) ?? 0;
    return new Uint8Array(words.buffer);
  }

  /** Replace the register page (KVM_SET_LAPIC); the timer goes on from the current count in it. */
  setPage(bytes: Uint8Array): void {
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < 0x400; at += 4) this.set(at, words.getUint32(at, true));
    for (const entry of LVT_ENTRIES) this.set(entry, this.reg(entry) & (LVT_WRITABLE[entry] as number));
    if (this.x2apic) this.set(REG.id, (this.id << 24) >>> 0);
    this.set(REG.version, VERSION);
    const count = this.reg(REG.currentCount);
    this.set(REG.currentCount, 0);
    this.set(REG.ppr, 0);
    this.timer.resume(count);
    this.restored();
  }

  /** The interrupt in service came from a level: its end concerns the I/O APIC. */
  get servesLevel(): boolean {
    const vector = this.inService;
    return vector >= 0 && ((this.reg(REG.tmr + (vector >>> 5) * 16) >>> (vector & 31)) & 1) === 1;
  }

  // Life cycle.

  /** IA32_APIC_BASE; false for a transition or bit that raises #GP (SDM 10.12.5). */
  writeBase(value: bigint, physicalBits: number): boolean {
    if ((value & reservedBits(physicalBits)) !== 0n) return false;
    const [before, after] = [modeOf(this.state.apicBase), modeOf(value)];
    if (after === 'invalid' || (before === 'x2apic' && after === 'xapic') || (before === 'disabled' && after === 'x2apic'))
      return false;
    this.state.apicBase = value;
    if (after === 'disabled' && before !== 'disabled') this.#clear();
    if (after === 'x2apic' && before !== 'x2apic') this.set(REG.icr2, 0);
    return true;
  }

  /** IA32_APIC_BASE from outside, whatever it was before; false for what can never be. */
  restoreBase(value: bigint, physicalBits: number): boolean {
    if ((value & reservedBits(physicalBits)) !== 0n || modeOf(value) === 'invalid') return false;
    this.state.apicBase = value;
    return true;
  }

  /** After INIT: registers as after power-on, IA32_APIC_BASE and the id stay (SDM 10.4.7.3). */
  init(): void {
    this.#clear();
  }

  /** Power-on. */
  reset(): void {
    const base = APIC_DEFAULT | APIC_BASE.enabled | (this.id === 0 ? APIC_BASE.bsp : 0n);
    lapicState.reset(this.state);
    this.state.apicBase = base;
    this.#clear();
  }

  #clear(): void {
    const { apicBase, sipiVector, arbitration } = this.state;
    lapicState.reset(this.state);
    this.state.apicBase = apicBase;
    this.state.sipiVector = sipiVector;
    this.state.arbitration = arbitration;
    this.set(REG.id, (this.id << 24) >>> 0);
    // Virtual wire mode, as firmware leaves it: the 8259 reaches the first processor until the guest decides otherwise.
    if (this.id === 0) this.set(REG.lvt0, MODE.extInt << 8);
    this.timer.disarm();
  }

  /** Deadlines and requests again from state. */
  restored(): void {
    this.timer.restored();
    this.#signalIfDeliverable();
  }
}

function reservedBits(physicalBits: number): bigint {
  const address = ((1n << BigInt(physicalBits)) - 1n) & ~0xfffn;
  return BigInt.asUintN(64, ~(address | APIC_BASE.bsp | APIC_BASE.x2apic | APIC_BASE.enabled));
}

function modeOf(base: bigint): 'disabled' | 'xapic' | 'x2apic' | 'invalid' {
  const enabled = (base & APIC_BASE.enabled) !== 0n;
  const x2apic = (base & APIC_BASE.x2apic) !== 0n;
  return enabled ? (x2apic ? 'x2apic' : 'xapic') : x2apic ? 'invalid' : 'disabled';
}

const READABLE: ReadonlySet<number> = new Set([
  REG.version,
  REG.tpr,
  REG.dfr,
  REG.svr,
  REG.esr,
  REG.icr,
  REG.icr2,
  REG.initialCount,
  REG.divide,
  ...LVT_ENTRIES,
]);
