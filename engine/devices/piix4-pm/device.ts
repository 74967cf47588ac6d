/**
 * Power management of the PC: PIIX4 function 3 with ACPI's fixed registers. Spec: Intel 290562, chapter 7; ACPI 6.5 section 4.8.
 * The timer is computed from the machine clock. SMBus is not decoded.
 *
 * Threats: the guest controls all registers and can end its own machine; the base register only moves its own ports.
 * The person presses the power and the sleep button; each sets one status bit however often it is pressed.
 * Restored registers are cut to the bits a guest can set; a wrong time only moves one interrupt.
 */
import { bytes, i64, u8, u16 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { configImage, configSpace, type PciIdentity } from '../pci/config-space.ts';
import { machineSignals } from '../signals.ts';
import { BLOCK, Control, Pci, Pm1, Reg, SMI_ENABLED, SOFT_OFF, TIMER_BITS, TIMER_HZ } from './spec.ts';

const IDENTITY: PciIdentity = {
  vendor: 0x8086,
  device: 0x7113,
  revision: 0x03,
  classCode: 0x068000,
  interruptPin: 1,
  command: { reset: 0x0000, writable: 0x0001 },
  registers: [
    { at: Pci.Base, reset: [1, 0, 0, 0], writable: [0xc0, 0xff, 0, 0] },
    { at: Pci.DeviceActivityB, reset: SMI_ENABLED, writable: [0, 0, 0, 0] },
    { at: Pci.Miscellaneous, reset: [0], writable: [BLOCK.Enable] },
  ],
};

const STATUS_BITS = Pm1.Timer | Pm1.BusMaster | Pm1.Global | Pm1.PowerButton | Pm1.SleepButton | Pm1.Rtc | Pm1.Wake;
const EVENTS = Pm1.Timer | Pm1.Global | Pm1.PowerButton | Pm1.SleepButton | Pm1.Rtc;
const CONTROL_KEPT = Control.Sci | Control.BusMasterReload | Control.SleepType;
const HALF_TURN = 2 ** (TIMER_BITS - 1);

export const piix4Pm = defineDevice({
  type: 'piix4-pm',
  ports: { block: BLOCK.Size, apm: 2 },
  widest: 4,
  irqs: ['sci'],
  timers: ['turn'],
  needs: { signals: machineSignals },
  state: {
    config: bytes(256, { id: 1, reset: configImage(IDENTITY), doc: 'Configuration space' }),
    status: u16({ id: 2, mask: STATUS_BITS, doc: 'PM1 status, cleared by writing ones' }),
    enable: u16({ id: 3, mask: EVENTS, doc: 'PM1 enable' }),
    control: u16({ id: 4, mask: CONTROL_KEPT, doc: 'PM1 control; bit 0 sends events to the SCI' }),
    gpStatus: u16({ id: 5, doc: 'General-purpose event status, cleared by writing ones' }),
    gpEnable: u16({ id: 6, doc: 'General-purpose event enable' }),
    seen: i64({ id: 7, range: [0n, 2n ** 53n], doc: 'Half turns of the PM timer that are accounted in its status bit' }),
    apmControl: u8({ id: 8, doc: 'Port B2h' }),
    apmStatus: u8({ id: 9, doc: 'Port B3h' }),
  },
  create({ state, irqs, timers, clock, placements, signals }) {
    const ticks = () => Math.floor((clock.now() * TIMER_HZ) / 1e9);
    const account = () => {
      const half = Math.floor(ticks() / HALF_TURN);
      if (half > Number(state.seen)) state.status |= Pm1.Timer;
      state.seen = BigInt(half);
    };
    const drive = () => {
      const events = (state.status & state.enable & EVENTS) | (state.gpStatus & state.gpEnable);
      const on = (state.control & Control.Sci) !== 0;
      irqs.sci.set(on && events !== 0);
      const waits = on && (state.enable & ~state.status & Pm1.Timer) !== 0;
      if (!waits) timers.turn.cancel();
      else timers.turn.at(Math.ceil(((Math.floor(ticks() / HALF_TURN) + 1) * HALF_TURN * 1e9) / TIMER_HZ));
    };
    const settle = () => {
      account();
      drive();
    };
    const placeBlock = () => {
      const base = ((state.config[Pci.Base] ?? 0) | ((state.config[Pci.Base + 1] ?? 0) << 8)) & BLOCK.Address;
      placements.block.move(base);
      placements.block.enable(((state.config[Pci.Miscellaneous] ?? 0) & BLOCK.Enable) !== 0 && base !== 0);
    };
    const config = configSpace(state.config, IDENTITY, { placements: {}, changed: placeBlock });

    /** Sixteen-bit registers by offset; the rest of the block reads as zero. */
    const read16 = (at: number): number => {
      switch (at) {
        case Reg.Status:
          account();
          return state.status;
        case Reg.Enable:
          return state.enable;
        case Reg.Control:
          return state.control;
        case Reg.Timer:
          return (ticks() % 2 ** TIMER_BITS) & 0xffff;
        case Reg.Timer + 2:
          return Math.floor((ticks() % 2 ** TIMER_BITS) / 0x10000);
        case Reg.GpStatus:
          return state.gpStatus;
        case Reg.GpEnable:
          return state.gpEnable;
        default:
          return 0;
      }
    };
    const sleep = (value: number) => {
      if ((value & Control.SleepEnable) !== 0 && (value & Control.SleepType) >>> 10 === SOFT_OFF) signals.powerOff();
    };
    const write16 = (at: number, value: number) => {
      if (at === Reg.Status) {
        account();
        state.status &= ~value;
      } else if (at === Reg.Enable) state.enable = value & EVENTS;
      else if (at === Reg.Control) {
        state.control = value & CONTROL_KEPT;
        sleep(value);
      } else if (at === Reg.GpStatus) state.gpStatus &= ~value;
      else if (at === Reg.GpEnable) state.gpEnable = value;
    };
    const isStatus = (at: number) => at === Reg.Status || at === Reg.GpStatus;

    return {
      regions: {
        block: {
          read: (at, size) => {
            if (at === Reg.Timer && size === 4) return ticks() % 2 ** TIMER_BITS; // both halves of one moment
            const low = read16(at & ~1);
            if (size === 1) return low >>> (8 * (at & 1));
            return size === 2 ? low : low + read16((at + 2) & ~1) * 0x10000;
          },
          write: (at, value, size) => {
            const register = at & ~1;
            if (size === 1) {
              // A byte written to a status register must not clear the other half.
              const other = isStatus(register) ? 0 : read16(register) & (at & 1 ? 0x00ff : 0xff00);
              write16(register, other | ((value & 0xff) << (8 * (at & 1))));
            } else {
              write16(register, value & 0xffff);
              if (size === 4) write16(register + 2, value >>> 16);
            }
            settle();
          },
        },
        apm: {
          read: (at, size) => (at === 0 ? state.apmControl | (size > 1 ? state.apmStatus << 8 : 0) : state.apmStatus),
          write: (at, value, size) => {
            if (at === 0) state.apmControl = value & 0xff;
            if (at === 1 || size > 1) state.apmStatus = (at === 1 ? value : value >>> 8) & 0xff;
          },
        },
      },
      timers: { turn: settle },
      reset: () => {
        state.seen = BigInt(Math.floor(ticks() / HALF_TURN));
      },
      restored: () => {
        config.restored();
        placeBlock();
        drive();
      },
      api: {
        config,
        /** The person presses the power button. */
        pressPowerButton: () => {
          state.status |= Pm1.PowerButton;
          settle();
        },
        pressSleepButton: () => {
          state.status |= Pm1.SleepButton;
          settle();
        },
      },
    };
  },
});
