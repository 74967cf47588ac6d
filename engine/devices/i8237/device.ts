/**
 * The PC's two DMA controllers and their page registers. Spec: Intel 8237A data sheet; Intel 82371SB section 2.5.1 for the page
 * registers. A device that asks for DMA is told where its channel points and how far, moves the bytes itself, and then says how many went:
 * single, demand and block transfers are the same then. Cascading beyond the built-in one is not wired. Port 80h, a page register without
 * channel, is where firmware shows its progress.
 *
 * Threats: the guest controls all registers; a channel describes at most 64 KiB (128 KiB of words) below 16 MiB, never across its page.
 * Nothing comes from outside.
 * Restored registers are bounded in the same way.
 */
import { array, bool, u8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import type { DmaChannel } from '../dma-channel.ts';

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
/** Where each channel's page register stands behind port 80h. */
const PAGE_OF = [7, 3, 1, 2, 15, 11, 9, 10] as const;
/** By bits 2 and 3 of the mode; 3 is none. */
const KINDS = ['verify', 'write', 'read', undefined] as const;
const [MODE_AUTO, MODE_DOWN, COMMAND_OFF] = [0x10, 0x20, 0x04];
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
    reached: u8({
      id: 10,
      doc: 'Channels that have reached their count since the status was read, second controller in the upper half',
    }),
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
      state.reached &= controller === 0 ? 0xf0 : 0x0f;
    };

    const read = (controller: number, at: number): number => {
      if (at < Reg.StatusCommand) {
        const word = state.words[controller * 8 + at] ?? 0;
        return flip(controller) ? word >>> 8 : word & 0xff;
      }
      if (at === Reg.AllMask) return (state.mask[controller] ?? 0) | 0xf0;
      if (at === Reg.StatusCommand) {
        const reached = (state.reached >>> (4 * controller)) & 0x0f;
        state.reached &= controller === 0 ? 0xf0 : 0x0f;
        return (((state.requests >>> (4 * controller)) & 0x0f) << 4) | reached;
      }
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
    const channel = (number: number): DmaChannel => {
      const controller = number >>> 2;
      const inner = number & 3;
      const place = controller * 8 + inner * 2;
      const unit = controller === 0 ? 1 : 2;
      const pageOf = () => state.pages[PAGE_OF[number] as number] as number;
      const down = () => ((state.modes[number] as number) & MODE_DOWN) !== 0;
      return {
        transfer: () => {
          const enabled =
            ((state.mask[controller] as number) & (1 << inner)) === 0 &&
            ((state.command[controller] as number) & COMMAND_OFF) === 0;
          const kind = KINDS[((state.modes[number] as number) >>> 2) & 3];
          if (!enabled || kind === undefined || down()) return undefined;
          const offset = (state.words[place] as number) * unit;
          const left = ((state.words[place + 1] as number) + 1) * unit;
          // The page register does not count: a transfer wraps at the end of its 64 KiB, or 128 KiB.
          const page = unit === 1 ? pageOf() * 0x1_0000 : (pageOf() & ~1) * 0x1_0000;
          return { kind, gpa: page + offset, bytes: left, beforeWrap: Math.min(left, 0x1_0000 * unit - offset) };
        },
        moved: (bytes) => {
          const units = Math.floor(bytes / unit);
          const count = (state.words[place + 1] as number) - units;
          state.words[place] = (state.words[place] as number) + units;
          state.words[place + 1] = count & 0xffff;
          if (count >= 0) return false;
          const bit = 1 << number;
          state.reached |= bit;
          state.requests &= ~bit;
          if ((state.modes[number] as number) & MODE_AUTO) {
            state.words[place] = state.bases[place] as number;
            state.words[place + 1] = state.bases[place + 1] as number;
          } else state.mask[controller] = (state.mask[controller] as number) | (1 << inner);
          return true;
        },
      };
    };
    return {
      /** Channel 0 to 3 and 5 to 7, for the device wired to it. */
      api: { channel },
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
