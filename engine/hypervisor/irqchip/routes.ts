/** GSI routing: where an interrupt line of the machine leads (KVM_SET_GSI_ROUTING). State, shared by all threads. */
import { EngineError } from '../../base/index.ts';
import type { MachineMemory } from '../../memory/index.ts';
import { array, defineState } from '../../state/index.ts';
import { PINS } from './ioapic.ts';

/** Interrupt lines of a machine. */
const GSIS = 64;
/** Devices that can share one line. */
export const SOURCES = 32;
const NONE = 0xff;

/** Where one GSI leads: pins of the interrupt controllers, a message, or nowhere. */
export interface GsiRoute {
  readonly gsi: number;
  /** 8259 line 0..15. */
  readonly pic?: number;
  /** I/O APIC pin 0..23. */
  readonly ioapic?: number;
  /** A message instead of pins, sent when the line goes up. */
  readonly msi?: { readonly address: bigint; readonly data: number };
}

const wire = (names: string) => `kvm_irq_routing_entry.${names}`;
export const routeState = defineState('gsi', {
  pic: array('u8', GSIS, {
    id: 1,
    reset: defaults((gsi) => (gsi < 16 && gsi !== 2 ? gsi : NONE)),
    doc: '8259 line; 255: none',
    kvm: wire('irqchip.pin'),
  }),
  ioapic: array('u8', GSIS, {
    id: 2,
    reset: defaults((gsi) => (gsi === 0 ? 2 : gsi < PINS && gsi !== 2 ? gsi : NONE)),
    doc: 'I/O APIC pin; 255: none',
    kvm: wire('irqchip.pin'),
  }),
  msi: array('u8', GSIS, { id: 3, range: [0, 1], doc: 'The line sends a message', kvm: wire('type') }),
  address: array('u64', GSIS, { id: 4, doc: 'Address of the message', kvm: wire('msi.address') }),
  data: array('u32', GSIS, { id: 5, doc: 'Data of the message', kvm: wire('msi.data') }),
  levels: array('u32', GSIS, { id: 6, doc: 'Who holds the line active: one bit per source' }),
});

/** ISA lines lead to both controllers, line 0 to pin 2 of the I/O APIC; lines 16 to 23 to the I/O APIC only. */
function defaults(of: (gsi: number) => number): number[] {
  return Array.from({ length: GSIS }, (_, gsi) => of(gsi));
}

export interface RouteTargets {
  pic(line: number, active: boolean): void;
  ioapic(pin: number, active: boolean): void;
  msi(address: bigint, data: number): void;
}

export class Routes {
  readonly state: ReturnType<(typeof routeState)['bind']>;
  readonly #targets: RouteTargets;

  constructor(machine: MachineMemory, targets: RouteTargets) {
    this.state = routeState.bind(machine.memory, machine.arena.take('irqchip.routes', routeState.size, routeState.align));
    this.#targets = targets;
  }

  /** Replace routes; GSIs not named keep theirs. Refused as a whole when one is invalid. */
  set(routes: readonly GsiRoute[]): void {
    for (const { gsi, pic, ioapic, msi } of routes) {
      const refuse = (reason: string) => {
        throw new EngineError('route-invalid', { gsi, reason });
      };
      if (!Number.isInteger(gsi) || gsi < 0 || gsi >= GSIS) refuse(`lines are numbered 0 to ${GSIS - 1}`);
      if (pic !== undefined && !(pic >= 0 && pic < 16)) refuse('8259 lines are numbered 0 to 15');
      if (ioapic !== undefined && !(ioapic >= 0 && ioapic < PINS)) refuse(`I/O APIC pins are numbered 0 to ${PINS - 1}`);
      if (msi !== undefined && (pic !== undefined || ioapic !== undefined))
        refuse('a line leads to pins or sends a message, not both');
    }
    for (const { gsi, pic, ioapic, msi } of routes) {
      this.state.pic[gsi] = pic ?? NONE;
      this.state.ioapic[gsi] = ioapic ?? NONE;
      this.state.msi[gsi] = msi ? 1 : 0;
      this.state.address[gsi] = msi?.address ?? 0n;
      this.state.data[gsi] = msi?.data ?? 0;
    }
  }

  get(gsi: number): GsiRoute {
    const { pic, ioapic, msi, address, data } = this.state;
    if (msi[gsi]) return { gsi, msi: { address: address[gsi] as bigint, data: data[gsi] as number } };
    return {
      gsi,
      ...(pic[gsi] === NONE ? {} : { pic: pic[gsi] as number }),
      ...(ioapic[gsi] === NONE ? {} : { ioapic: ioapic[gsi] as number }),
    };
  }

  /** A source drives a line; the line is active while any source holds it. Under the machine lock. */
  setLine(gsi: number, active: boolean, source: number): void {
    const { levels } = this.state;
    const before = levels[gsi];
    if (before === undefined) return;
    const bit = 1 << source;
    const after = (active ? before | bit : before & ~bit) >>> 0;
    levels[gsi] = after;
    if ((before !== 0) === (after !== 0)) return;
    this.#drive(gsi, after !== 0);
  }

  #drive(gsi: number, active: boolean): void {
    const { pic, ioapic, msi, address, data } = this.state;
    if (msi[gsi]) {
      if (active) this.#targets.msi(address[gsi] as bigint, data[gsi] as number);
      return;
    }
    if ((pic[gsi] as number) < 16) this.#targets.pic(pic[gsi] as number, active);
    if ((ioapic[gsi] as number) < PINS) this.#targets.ioapic(ioapic[gsi] as number, active);
  }
}
