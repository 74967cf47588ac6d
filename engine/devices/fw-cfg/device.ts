/**
 * Firmware configuration: the machine's facts for firmware and tests, byte by byte or by DMA. Spec: QEMU, docs/specs/fw_cfg.
 *
 * Threats: the guest chooses items, offsets and DMA addresses; items are constant, reads end at their last byte, DMA goes to guest
 * memory only, in pieces of bounded size, and one transfer moves no more than the item has plus 1 MiB of zeroes.
 * Items come from the machine's settings. A restored offset beyond an item reads as zeroes.
 */
import { u16, u32 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { definePort } from '../ports.ts';
import type { FwCfgItems } from './content.ts';
import { DMA_CONTROL_BYTES, DMA_SIGNATURE, Dma, Offset, PORTS, WRITE_CHANNEL } from './spec.ts';

const fwCfgContent = definePort<FwCfgItems>('fw-cfg-content', () => new Map());

const PIECE = 0x10000;
const MOST_ZEROES = 0x100000;
const NOTHING = new Uint8Array(0);

const swap = (value: number): number =>
  (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;

export const fwCfg = defineDevice({
  type: 'fw-cfg',
  ports: { regs: PORTS },
  widest: 4,
  needs: { content: fwCfgContent },
  state: {
    key: u16({ id: 1, doc: 'Selected item' }),
    offset: u32({ id: 2, doc: 'Next byte of the item' }),
    dmaHigh: u32({ id: 3, doc: 'Upper half of the DMA descriptor address' }),
  },
  create({ state, dma, content }) {
    const item = () => content.get(state.key) ?? NOTHING;
    const select = (key: number) => {
      state.key = key & 0xffff & ~WRITE_CHANNEL;
      state.offset = 0;
    };
    const advance = (count: number) => {
      state.offset = Math.min(state.offset + count, 0xffff_ffff);
    };
    const nextByte = (): number => {
      const byte = item()[state.offset] ?? 0;
      advance(1);
      return byte;
    };

    /** Item bytes to guest memory, zeroes behind the item's end. */
    const copyOut = (gpa: number, length: number) => {
      const bytes = item();
      const bounded = Math.min(length, Math.max(0, bytes.length - state.offset) + MOST_ZEROES);
      for (let done = 0; done < bounded; done += PIECE) {
        const piece = new Uint8Array(Math.min(PIECE, bounded - done));
        const from = state.offset + done;
        piece.set(bytes.subarray(Math.min(from, bytes.length), Math.min(from + piece.length, bytes.length)));
        dma.write(gpa + done, piece);
      }
      advance(length);
    };

    /** Perform the descriptor at `gpa`: control, length, address; its control word becomes the result. */
    const transfer = (gpa: number) => {
      const bytes = dma.read(gpa, DMA_CONTROL_BYTES);
      const view = new DataView(bytes.buffer);
      const control = view.getUint32(0);
      const length = view.getUint32(4);
      const address = Number(view.getBigUint64(8));
      if (control & Dma.Select) select(control >>> 16);
      let result = 0;
      if (control & Dma.Read) copyOut(address, length);
      else if (control & Dma.Write)
        result = Dma.Error; // no item can be written
      else if (control & Dma.Skip) advance(length);
      dma.write32(gpa, swap(result));
    };

    return {
      read: (at, size) => {
        if (at === Offset.Data && size === 1) return nextByte();
        if (size === 4 && at === Offset.DmaHigh) return swap(DMA_SIGNATURE.high);
        if (size === 4 && at === Offset.DmaLow) return swap(DMA_SIGNATURE.low);
        return at >= Offset.DmaHigh ? 0xffff_ffff : 0;
      },
      write: (at, value, size) => {
        if (at === Offset.Selector && size === 2) select(value);
        else if (at === Offset.DmaHigh && size === 4) state.dmaHigh = swap(value);
        else if (at === Offset.DmaLow && size === 4) {
          const gpa = state.dmaHigh * 2 ** 32 + swap(value);
          state.dmaHigh = 0;
          transfer(gpa);
        }
      },
    };
  },
});
