/**
 * I/O APIC with 24 pins, version 11h. Source: Intel 82093AA data sheet (290566), sections 3 and 4; remote IRR and EOI broadcast as
 * SDM vol. 3, 10.8.5. The polarity bit is ignored: lines here are active or not. A masked edge is lost, as in the chip.
 *
 * Threats: a guest controls the redirection table; vectors below 16 are reported by the local APIC they reach, pins are below 24.
 */
import type { MachineMemory } from '../../memory/index.ts';
import { array, defineState, u8, u32, u64 } from '../../state/index.ts';

/** Pins of the I/O APIC. */
export const PINS = 24;
const IOAPIC_BASE = 0xfec0_0000;

/** `Delivery status` (bit 12) always reads idle: delivery is immediate. */
const MASKED = 1 << 16;
const LEVEL = 1 << 15;
const REMOTE_IRR = 1 << 14;
const WRITABLE = 0x0001_afff;

export const ioapicState = defineState('ioapic', {
  address: u64({ id: 1, reset: BigInt(IOAPIC_BASE), doc: 'Guest-physical address', kvm: 'kvm_ioapic_state.base_address' }),
  select: u32({ id: 2, mask: 0xff, doc: 'Register select', kvm: 'kvm_ioapic_state.ioregsel' }),
  id: u32({ id: 3, mask: 0x0f, doc: 'APIC id', kvm: 'kvm_ioapic_state.id' }),
  lines: u32({ id: 4, mask: 0x00ff_ffff, doc: 'Level of each pin', kvm: 'kvm_ioapic_state.irr' }),
  low: array('u32', PINS, {
    id: 5,
    reset: MASKED,
    mask: WRITABLE | REMOTE_IRR,
    doc: 'Redirection table, bits 31..0',
    kvm: 'kvm_ioapic_state.redirtbl',
  }),
  destination: array('u8', PINS, { id: 6, doc: 'Redirection table, bits 63..56', kvm: 'kvm_ioapic_state.redirtbl' }),
  version: u8({ id: 7, reset: 0x11, range: [0x11, 0x11], doc: 'Version' }),
});

/** An interrupt message on its way to local APICs. */
export interface InterruptMessage {
  readonly vector: number;
  /** 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 6 start-up, 7 ExtINT. */
  readonly mode: number;
  readonly logical: boolean;
  readonly destination: number;
  readonly level: boolean;
}

export interface IoApic {
  readonly state: ReturnType<(typeof ioapicState)['bind']>;
  setPin(pin: number, active: boolean): void;
  /** A local APIC ended a level-triggered interrupt with this vector. */
  endOfInterrupt(vector: number): void;
  reset(): void;
}

/** `deliver` sends a message to the local APICs and says whether one accepted it. Everything runs under the machine lock. */
export function createIoApic(machine: MachineMemory, deliver: (message: InterruptMessage) => boolean): IoApic {
  const s = ioapicState.bind(machine.memory, machine.arena.take('irqchip.ioapic', ioapicState.size, ioapicState.align));
  const low = (pin: number) => s.low[pin] as number;

  const send = (pin: number) => {
    const entry = low(pin);
    if ((entry & MASKED) !== 0) return;
    const level = (entry & LEVEL) !== 0;
    if (level && (entry & REMOTE_IRR) !== 0) return;
    const accepted = deliver({
      vector: entry & 0xff,
      mode: (entry >>> 8) & 7,
      logical: (entry & 0x800) !== 0,
      destination: s.destination[pin] as number,
      level,
    });
    if (level && accepted) s.low[pin] = entry | REMOTE_IRR;
  };
  const active = (pin: number) => ((s.lines >>> pin) & 1) === 1;
  const sendIfHeld = (pin: number) => {
    if (active(pin) && (low(pin) & LEVEL) !== 0) send(pin);
  };

  const readRegister = () => {
    if (s.select === 0 || s.select === 2) return s.id << 24;
    if (s.select === 1) return ((PINS - 1) << 16) | s.version;
    const pin = (s.select - 0x10) >> 1;
    if (pin < 0 || pin >= PINS) return 0xffffffff;
    return (s.select & 1) === 0 ? low(pin) : (s.destination[pin] as number) << 24;
  };

  const writeRegister = (value: number) => {
    if (s.select === 0) s.id = (value >>> 24) & 0x0f;
    const pin = (s.select - 0x10) >> 1;
    if (pin < 0 || pin >= PINS) return;
    if ((s.select & 1) === 1) {
      s.destination[pin] = value >>> 24;
      return;
    }
    // Remote IRR is the chip's; it means nothing for edges and goes when a pin becomes one.
    const remote = (value & LEVEL) === 0 ? 0 : low(pin) & REMOTE_IRR;
    s.low[pin] = (value & WRITABLE) | remote;
    sendIfHeld(pin);
  };

  machine.bus.addMmio({
    name: 'ioapic',
    gpa: IOAPIC_BASE,
    size: 4096,
    read: (at) => {
      const register = at & 0xff & ~3;
      const value = register === 0 ? s.select : register === 0x10 ? readRegister() : 0;
      return value >>> (8 * (at & 3));
    },
    write: (at, _size, value) => {
      const register = at & 0xff;
      if (register === 0) s.select = value & 0xff;
      else if (register === 0x10) writeRegister(value);
    },
  });

  return {
    state: s,
    setPin: (pin, on) => {
      const before = active(pin);
      s.lines = on ? s.lines | (1 << pin) : s.lines & ~(1 << pin);
      if (on && (!before || (low(pin) & LEVEL) !== 0)) send(pin);
    },
    endOfInterrupt: (vector) => {
      for (let pin = 0; pin < PINS; pin++) {
        const entry = low(pin);
        if ((entry & 0xff) !== vector || (entry & (LEVEL | REMOTE_IRR)) !== (LEVEL | REMOTE_IRR)) continue;
        s.low[pin] = entry & ~REMOTE_IRR;
        sendIfHeld(pin);
      }
    },
    reset: () => ioapicState.reset(s),
  };
}
