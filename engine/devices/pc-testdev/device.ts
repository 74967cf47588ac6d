/**
 * Test device of kvm-unit-tests, as QEMU's pc-testdev: a port that keeps what was written, a flush port, ports that drive ISA lines,
 * and two pages of memory that are reached as MMIO (QEMU has 64 KiB; the tests touch the first two pages).
 *
 * Threats: present only in machines made for tests. The guest can raise its own interrupt lines and fill the bytes below.
 * Nothing comes from outside.
 * Restored bytes mean nothing to anybody but the test.
 */
import { array, u32 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { isaLines } from '../signals.ts';

const LINES = 16;
const WINDOW = 0x2000;

export const pcTestdev = defineDevice({
  type: 'pc-testdev',
  ports: { data: 4, flush: 4, irq: 24 },
  mmio: { window: WINDOW },
  widest: 4,
  needs: { lines: isaLines },
  state: {
    data: u32({ id: 1, doc: 'What was written to the data port' }),
    levels: u32({ id: 2, mask: 0xff_ffff, doc: 'Levels given to the interrupt lines' }),
    window: array('u32', WINDOW / 4, { id: 3, doc: 'Memory behind the MMIO window' }),
  },
  create({ state, lines }) {
    const shifted = (value: number, size: number, at: number) => {
      const mask = (size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1) * 2 ** (8 * at);
      return { mask: mask >>> 0, value: (value << (8 * at)) >>> 0 };
    };
    const drive = (line: number, active: boolean) => {
      state.levels = (active ? state.levels | (1 << line) : state.levels & ~(1 << line)) >>> 0;
      if (line < LINES) lines.set(line, active);
    };
    const window = new Uint8Array(state.window.buffer, state.window.byteOffset, WINDOW);
    return {
      regions: {
        data: {
          read: (at) => state.data >>> (8 * at),
          write: (at, value, size) => {
            const to = shifted(value, size, at);
            state.data = ((state.data & ~to.mask) | (to.value & to.mask)) >>> 0;
          },
        },
        // The page whose address is written need not be flushed: nothing here caches it.
        flush: { read: () => 0, write: () => undefined },
        irq: {
          read: (at) => (state.levels >>> at) & 1,
          write: (at, value, size) => {
            for (let i = 0; i < size; i++) drive(at + i, ((value >>> (8 * i)) & 0xff) !== 0);
          },
        },
        window: {
          read: (at, size) => {
            let value = 0;
            for (let i = 0; i < size; i++) value += (window[at + i] ?? 0xff) * 2 ** (8 * i);
            return value;
          },
          write: (at, value, size) => {
            for (let i = 0; i < size; i++) window[at + i] = (value >>> (8 * i)) & 0xff;
          },
        },
      },
      restored: () => {
        for (let irq = 0; irq < LINES; irq++) lines.set(irq, ((state.levels >>> irq) & 1) !== 0);
      },
    };
  },
});
