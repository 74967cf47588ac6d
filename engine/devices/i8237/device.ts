/**
 * The PC's two DMA controllers and their page registers. Spec: Intel 8237A data sheet; Intel 82371SB section 2.5.1 for the page
 * registers. No device of this machine asks for DMA, so channels keep what they are told and never transfer. Port 80h, a page register
 * without channel, is where firmware shows its progress.
 *
 * Threats: the guest controls all registers; nothing is transferred.
 * Nothing comes from outside.
 * Restored registers mean nothing to anybody but the guest.
 */
import { array, bool, u8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';

const CHANNELS = 4;
/** Registers of one controller behind the channels' addresses and counts. */
const Reg = {
  StatusCommand: 8,
  Request: 9,
  SingleMask: 10,
  Mode: 11,
  ClearFlipFlop: 12,
  MasterClear: 13,
  ClearMask: 14,
  AllMask: 15,
} as const;
/** Ports 80h to 8Fh; 92h is the keyboard controller's. */
const PAGES = 16;

export const i8237 = defineDevice({
  type: 'i8237',
  ports: { low: 16, high: 32, pages: PAGES },
  state: {
    words: array('u16', 2 * CHANNELS * 2, { id: 1, doc: 'Address and count of each channel, first controller first' }),
    bases: array('u16', 2 * CHANNELS * 2, { id: 2, doc: 'What was last written to them' }),
    mask: array('u8', 2, { id: 3, reset: 0x0f, mask: 0x0f, doc: 'Masked channels of each controller' }),
    command: array('u8', 2, { id: 4, doc: 'Command registers' }),
    modes: array('u8', 2 * CHANNELS, { id: 5, doc: 'Mode of each channel' }),
    firstFlip: bool({ id: 6, doc: 'First controller: the next byte is the upper one' }),
    secondFlip: bool({ id: 7, doc: 'Second controller: the next byte is the upper one' }),
    pages: array('u8', PAGES, { id: 8, doc: 'Page registers, ports 80h to 8Fh' }),
    requests: u8({ id: 9, doc: 'Software requests, second controller in the upper half' }),
  },
  create({ state }) {
    const flip = (controller: number): boolean => {
      const upper = controller === 0 ? state.firstFlip : state.secondFlip;
      setFlip(controller, !upper);
      return upper;
    };
    const setFlip = (controller: number, upper: boolean) => {
      if (controller === 0) state.firstFlip = upper;
      else state.secondFlip = upper;
    };
    const setBit = (value: number, bit: number, on: boolean) => (on ? value | (1 << bit) : value & ~(1 << bit));
    const clear = (controller: number) => {
      setFlip(controller, false);
      state.mask[controller] = 0x0f;
      state.command[controller] = 0;
      state.requests &= controller === 0 ? 0xf0 : 0x0f;
    };

    const read = (controller: number, at: number): number => {
      if (at < Reg.StatusCommand) {
        const word = state.words[controller * 8 + at] ?? 0;
        return flip(controller) ? word >>> 8 : word & 0xff;
      }
      if (at === Reg.AllMask) return (state.mask[controller] ?? 0) | 0xf0;
      if (at === Reg.StatusCommand) return ((state.requests >>> (4 * controller)) & 0x0f) << 4; // no channel has reached its count
      return 0;
    };
    const write = (controller: number, at: number, value: number) => {
      const channel = value & 3;
      if (at < Reg.StatusCommand) {
        const which = controller * 8 + at;
        const old = state.bases[which] ?? 0;
        const word = flip(controller) ? (old & 0x00ff) | (value << 8) : (old & 0xff00) | value;
        state.bases[which] = word;
        state.words[which] = word;
      } else if (at === Reg.StatusCommand) state.command[controller] = value;
      else if (at === Reg.Request) state.requests = setBit(state.requests, controller * 4 + channel, (value & 4) !== 0);
      else if (at === Reg.SingleMask) state.mask[controller] = setBit(state.mask[controller] ?? 0, channel, (value & 4) !== 0);
      else if (at === Reg.Mode) state.modes[controller * CHANNELS + channel] = value;
      else if (at === Reg.ClearFlipFlop) setFlip(controller, false);
      else if (at === Reg.MasterClear) clear(controller);
      else if (at === Reg.ClearMask) state.mask[controller] = 0;
      else state.mask[controller] = value & 0x0f;
    };
    return {
      regions: {
        low: { read: (at) => read(0, at), write: (at, value) => write(0, at, value & 0xff) },
        // The second controller's registers stand at every other port.
        high: { read: (at) => read(1, at >>> 1), write: (at, value) => write(1, at >>> 1, value & 0xff) },
        pages: {
          read: (at) => state.pages[at] ?? 0xff,
          write: (at, value) => {
            state.pages[at] = value & 0xff;
          },
        },
      },
    };
  },
});
