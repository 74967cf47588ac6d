/**
 * 82371SB (PIIX3) PCI-to-ISA bridge: PIRQ routing and the reset control register. Spec: Intel 290550, sections 2.2 and 2.5.
 *
 * Threats: the guest controls the routes; an interrupt can only arrive at lines the data sheet allows.
 * Levels of PCI pins come from devices of the machine, one bit each, so that no device can release another's.
 * Restored routes are cut to the bits a guest can set.
 */
import { array, bytes, u8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { configImage, configSpace, type PciIdentity } from '../pci/config-space.ts';
import { isaLines, machineSignals } from '../signals.ts';

const IDENTITY: PciIdentity = {
  vendor: 0x8086,
  device: 0x7000,
  revision: 0x00,
  classCode: 0x060100,
  multifunction: true,
  command: { reset: 0x0007, writable: 0x0008 },
  registers: [
    { at: 0x4c, reset: [0x4d], writable: [0xff] }, // I/O recovery
    { at: 0x4e, reset: [0x03, 0x00], writable: [0xff, 0x01] }, // X-bus chip select
    { at: 0x60, reset: [0x80, 0x80, 0x80, 0x80], writable: [0x8f, 0x8f, 0x8f, 0x8f] },
    { at: 0x69, reset: [0x02], writable: [0xfe] }, // top of memory for ISA masters
  ],
};

const PIRQ = 0x60;
const ROUTE_OFF = 0x80;
/** Interrupts that a PIRQ may be routed to (2.2.8). */
const ROUTABLE = 0b1101_1110_1111_1000;
/** RCR: RCPU starts the reset, SRST makes it a hard one. */
const RESET_CPU = 0x04;
const RESET_KEPT = 0x02;

export const piix3 = defineDevice({
  type: 'piix3',
  needs: { lines: isaLines, signals: machineSignals },
  state: {
    config: bytes(256, { id: 1, reset: configImage(IDENTITY), doc: 'Configuration space' }),
    sources: array('u32', 32, { id: 2, doc: 'Asserted PCI pins: entry PIRQ * 8 + function, bit of the slot' }),
    resetControl: u8({ id: 3, mask: RESET_KEPT, doc: 'Reset control register at port CF9h' }),
  },
  create({ state, lines, signals }) {
    const asserted = (pirq: number): boolean => {
      for (let fn = 0; fn < 8; fn++) if (state.sources[pirq * 8 + fn] !== 0) return true;
      return false;
    };
    /** A line is active while any PIRQ routed to it is. */
    const drive = () => {
      let active = 0;
      for (let pirq = 0; pirq < 4; pirq++) {
        const route = state.config[PIRQ + pirq] ?? ROUTE_OFF;
        if (!(route & ROUTE_OFF) && asserted(pirq)) active |= 1 << (route & 0x0f);
      }
      for (let irq = 0; irq < 16; irq++) if (ROUTABLE & (1 << irq)) lines.set(irq, (active & (1 << irq)) !== 0);
    };
    const config = configSpace(state.config, IDENTITY, {
      placements: {},
      changed: (offset, size) => {
        if (offset < PIRQ + 4 && offset + size > PIRQ) drive();
      },
    });
    return {
      restored: () => {
        config.restored();
        drive();
      },
      api: {
        config,
        /** Level of pin INTA..INTD (0..3) of a function. Pin p of slot s is PIRQ (s - 1 + p) mod 4. */
        setPin: (from: { readonly slot: number; readonly fn: number; readonly pin: number }, active: boolean) => {
          const at = ((from.slot + 3 + from.pin) & 3) * 8 + from.fn;
          const bit = (1 << from.slot) >>> 0;
          const before = state.sources[at] ?? 0;
          const after = (active ? before | bit : before & ~bit) >>> 0;
          if (after === before) return;
          state.sources[at] = after;
          drive();
        },
        resetControl: {
          read: () => state.resetControl,
          write: (value: number) => {
            state.resetControl = value & RESET_KEPT;
            if (value & RESET_CPU) signals.reset();
          },
        },
      },
    };
  },
});
