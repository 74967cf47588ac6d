/** The interrupt controllers and the timer of a PC as one part, with the vCPU's side and the devices' side. */
import { assert } from '../../base/index.ts';
import type { MachineMemory } from '../../memory/index.ts';
import type { Layout, SavedState } from '../../state/index.ts';
import { PROBE, type Probes } from '../observe/index.ts';
import { createIoApic, type InterruptMessage, type IoApic, ioapicState } from './ioapic.ts';
import { lapicState, REG } from './lapic-state.ts';
import { Lapics, type LapicsHost } from './lapics.ts';
import { createPic, type Pic, picState } from './pic.ts';
import { createPit, type Pit, pitState } from './pit.ts';
import { Routes, routeState, SOURCES } from './routes.ts';

/** What the controllers need of the processors. */
export interface IrqchipHost extends Omit<LapicsHost, 'broadcastEoi' | 'lint0'> {
  /** Raise `REQUEST` bits for a vCPU, from any thread. */
  signal(vcpu: number, bits: number): void;
  /** Told of every change of an input. */
  readonly probes?: Probes;
}

/** An interrupt line with one source on it. */
export interface GsiLine {
  set(active: boolean): void;
}

/** Saved controllers by name of part. */
export type SavedIrqchip = Readonly<Record<string, SavedState>>;

/** Source numbers of lines that devices do not use. */
const PIT_SOURCE = SOURCES - 1;
const EVENT_SOURCE = SOURCES - 2;

export class Irqchip {
  readonly pic: Pic;
  readonly ioapic: IoApic;
  readonly lapics: Lapics;
  readonly pit: Pit;
  readonly routes: Routes;
  /** FERR# of the first processor goes active; set by the board. Under the machine lock. */
  ferr: () => void = () => undefined;
  /** What the speaker plays from now on, in hertz; 0: nothing. Set by the board. */
  speaker: (hertz: number) => void = () => undefined;
  /** Whether another timer has the interval timer's interrupt (HPET, legacy replacement); set by the board. */
  pitReplaced: () => boolean = () => false;
  readonly #host: IrqchipHost;
  #sources = new Map<number, number>();

  constructor(machine: MachineMemory, host: IrqchipHost) {
    this.#host = host;
    this.lapics = new Lapics(machine, {
      ...host,
      signal: (vcpu, bits) => host.signal(vcpu, bits),
      guestTsc: (vcpu) => host.guestTsc(vcpu),
      broadcastEoi: (vector) => this.ioapic.endOfInterrupt(vector),
      lint0: () => this.pic.output,
    });
    this.ioapic = createIoApic(machine, (message) => this.lapics.deliver(message));
    this.pic = createPic(machine, () => {
      for (const lapic of this.lapics.all) lapic.pin(REG.lvt0);
    });
    const { probes } = host;
    this.routes = new Routes(machine, {
      pic: (line, active) => {
        if (probes?.on(-1, PROBE.pic)) probes.fire(-1, 'pic', { line, level: active });
        this.pic.setLine(line, active);
      },
      ioapic: (pin, active) => {
        if (probes?.on(-1, PROBE.ioapic)) probes.fire(-1, 'ioapic', { line: pin, level: active });
        this.ioapic.setPin(pin, active);
      },
      msi: (address, data) => this.sendMsi(address, data),
    });
    this.pit = createPit(
      machine,
      (active) => this.routes.setLine(0, active && !this.pitReplaced(), PIT_SOURCE),
      (hertz) => this.speaker(hertz),
    );
  }

  // The devices' side, under the machine lock.

  /** A line of GSI `gsi` (0..63) for one device; several devices may share a GSI. Made by every thread in the same order. */
  line(gsi: number): GsiLine {
    const source = this.#sources.get(gsi) ?? 0;
    assert(source < EVENT_SOURCE, 'a line has few devices');
    this.#sources.set(gsi, source + 1);
    return { set: (active) => this.routes.setLine(gsi, active, source) };
  }

  /** A short pulse: an edge for whoever listens to edges. */
  pulse(gsi: number): void {
    this.routes.setLine(gsi, true, EVENT_SOURCE);
    this.routes.setLine(gsi, false, EVENT_SOURCE);
  }

  /** The interval timer lets go of its line: another has it now. */
  releasePit(): void {
    this.routes.setLine(0, false, PIT_SOURCE);
  }

  /** A message-signalled interrupt (SDM 10.11). False when nobody accepts it, or the address is not an interrupt address. */
  sendMsi(address: bigint, data: number): boolean {
    const low = Number(address & 0xffffffffn);
    if (low >>> 20 !== 0xfee || address >> 32n !== 0n) return false;
    const redirected = (low & 8) !== 0;
    const mode = (data >>> 8) & 7;
    const message: InterruptMessage = {
      vector: data & 0xff,
      // With a redirection hint a fixed interrupt goes to one of its destinations.
      mode: redirected && mode === 0 ? 1 : mode,
      logical: (low & 4) !== 0,
      destination: (low >>> 12) & 0xff,
      level: (data & 0xc000) === 0xc000,
    };
    return this.lapics.deliver(message);
  }

  /** A pulse on every local APIC's LINT1, where NMIs of the board arrive. */
  nmi(): void {
    for (const lapic of this.lapics.all) lapic.pin(REG.lvt1);
  }

  // The vCPU's side, on its own thread.

  /** Whether `acknowledge` would return a vector now. Takes no lock. */
  pending(vcpu: number): boolean {
    const lapic = this.lapics.of(vcpu);
    return (this.pic.output && lapic.acceptsPic) || lapic.deliverable >= 0;
  }

  /** Whether the next vector comes from the 8259: `acknowledge` then needs the machine lock. */
  pendingFromPic(vcpu: number): boolean {
    return this.pic.output && this.lapics.of(vcpu).acceptsPic;
  }

  /** The vector to deliver now, which is then in service; -1 when there is none. */
  acknowledge(vcpu: number): number {
    const lapic = this.lapics.of(vcpu);
    if (!this.pendingFromPic(vcpu)) return lapic.acknowledge();
    const vector = this.pic.acknowledge();
    if (this.pending(vcpu)) this.#host.signal(vcpu, 1);
    return vector;
  }

  /** CR8: bits 7:4 of the task priority. */
  getTpr(vcpu: number): number {
    return (this.lapics.of(vcpu).reg(REG.tpr) >>> 4) & 15;
  }

  setTpr(vcpu: number, cr8: number): void {
    this.lapics.of(vcpu).setTpr((cr8 & 15) << 4);
  }

  // Life cycle, under the machine lock with every vCPU stopped.

  reset(): void {
    routeState.reset(this.routes.state);
    this.pic.reset();
    this.ioapic.reset();
    for (const lapic of this.lapics.all) lapic.reset();
    this.pit.reset();
  }

  save(): SavedIrqchip {
    return Object.fromEntries(this.#parts().map(({ name, save }) => [name, save()]));
  }

  /** Hostile input: refused with an `EngineError`, and then nothing is changed. */
  restore(saved: SavedIrqchip): void {
    const before = this.save();
    try {
      for (const { name, restore } of this.#parts()) restore(saved[name] ?? []);
    } catch (error) {
      for (const { name, restore } of this.#parts()) restore(before[name] ?? []);
      throw error;
    } finally {
      this.pic.restored();
      this.pit.restored();
      for (const lapic of this.lapics.all) lapic.restored();
    }
  }

  inspect() {
    return this.#parts().map(({ name, inspect }) => ({ name, members: inspect() }));
  }

  #parts() {
    const part = <L extends Pick<Layout<never>, 'name'>, S>(name: string, layout: L, state: S) => {
      const any = layout as unknown as {
        save(s: S): SavedState;
        restore(s: S, saved: unknown): void;
        inspect(s: S): ReturnType<Layout<never>['inspect']>;
      };
      return {
        name,
        save: () => any.save(state),
        restore: (saved: unknown) => any.restore(state, saved),
        inspect: () => any.inspect(state),
      };
    };
    return [
      part('gsi', routeState, this.routes.state),
      part('pic', picState, this.pic.state),
      part('ioapic', ioapicState, this.ioapic.state),
      part('pit', pitState, this.pit.state),
      ...this.lapics.all.map((lapic) => part(`lapic${lapic.id}`, lapicState, lapic.state)),
    ];
  }
}
