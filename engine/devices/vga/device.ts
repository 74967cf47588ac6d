/**
 * Display adapter: a VGA with the Bochs display interface, as a PCI function with a linear frame buffer. Spec: IBM PS/2 Hardware
 * Interface Technical Reference, Video Subsystem; QEMU, docs/specs/standard-vga, for the interface and the PCI function.
 * Video memory is RAM to the guest wherever no latch, mask or plane is at work; `screen/` draws the picture from registers and memory.
 *
 * Threats: the guest controls every register and all video memory; indices and sizes are cut before anything is derived from them,
 * and turning the interface on clears at most all of video memory.
 * Nothing comes from outside. Restored registers beyond their bits mean what a guest's write of them would.
 */
import { array, bool, bytes, u8, u16, u32 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { configImage, configSpace, type PciIdentity } from '../pci/config-space.ts';
import { expansionRom, ROM_WINDOW, romBase, romRegion } from '../pci/expansion-rom.ts';
import { dispiRead, dispiWrite } from './dispi.ts';
import { edid } from './edid.ts';
import { readPlanes, writePlanes } from './planes.ts';
import { crtcCounters, shownWindow } from './registers.ts';
import {
  ATTR_MASKS,
  Attr,
  CLOCKS_HZ,
  Clocking,
  CRTC_REGISTERS,
  Crtc,
  CrtcPort,
  DISPI_ID,
  DISPI_REGISTERS,
  Dispi,
  DispiEnable,
  EXTENDED_SIZE,
  GFX_MASKS,
  LITTLE_ENDIAN,
  Misc,
  MMIO_SIZE,
  Mmio,
  PALETTE_ON,
  Port,
  PROTECT,
  SEQ_MASKS,
  Seq,
  Status1,
  WINDOW,
} from './spec.ts';
import { CELLS, FRAME_BUFFER_END, videoMemory } from './video-memory.ts';

/** Bytes of video memory and of its base address: 2560x1600 at 32 bits. */
export const VIDEO_MEMORY = 0x100_0000;

const IDENTITY: PciIdentity = {
  vendor: 0x1234,
  device: 0x1111,
  revision: 0x02,
  classCode: 0x030000,
  bars: [
    { kind: 'memory', size: VIDEO_MEMORY, region: 'linear', prefetchable: true },
    undefined,
    { kind: 'memory', size: MMIO_SIZE, region: 'registers' },
  ],
  registers: [{ at: 0x2c, reset: [0xf4, 0x1a, 0x00, 0x11], writable: [0, 0, 0, 0] }],
};
const COMMAND_MEMORY = 0x0002;

/** What the window shows, so that an access needs not to derive it. */
const Shown = { Nothing: 0, Cells: 1, Linear: 2 } as const;

const EDID = edid({ width: 1024, height: 768 });

export const vga = defineDevice({
  type: 'vga',
  ports: { mono: 12, regs: 16, color: 16, dispi: 3 },
  mmio: { window: WINDOW.size, registers: MMIO_SIZE, linear: VIDEO_MEMORY, rom: ROM_WINDOW },
  // Planar drawing is many small writes; a read of the window, which loads the latches, comes after them.
  coalesced: ['window'],
  widest: 4,
  needs: { video: videoMemory, rom: expansionRom },
  state: {
    config: bytes(256, { id: 1, reset: configImage(IDENTITY), doc: 'Configuration space' }),
    misc: u8({ id: 2, mask: 0xef, doc: 'Miscellaneous output' }),
    feature: u8({ id: 3, mask: 0x0b, doc: 'Feature control; without effect' }),
    seqIndex: u8({ id: 4, mask: 0x07, doc: 'Sequencer index' }),
    seq: array('u8', SEQ_MASKS.length, { id: 5, doc: 'Sequencer registers' }),
    crtcIndex: u8({ id: 6, mask: 0x3f, doc: 'CRTC index' }),
    crtc: array('u8', CRTC_REGISTERS, { id: 7, doc: 'CRTC registers' }),
    gfxIndex: u8({ id: 8, mask: 0x0f, doc: 'Graphics controller index' }),
    gfx: array('u8', GFX_MASKS.length, { id: 9, doc: 'Graphics controller registers' }),
    attrIndex: u8({ id: 10, mask: 0x3f, doc: 'Attribute controller index; bit 5 connects the palette to the screen' }),
    attrData: bool({ id: 11, doc: 'The next write to 3C0h is data' }),
    attr: array('u8', ATTR_MASKS.length, { id: 12, doc: 'Attribute controller registers' }),
    pelMask: u8({ id: 13, reset: 0xff, doc: 'Mask of colour numbers' }),
    dacRead: u8({ id: 14, doc: 'Next colour to be read' }),
    dacWrite: u8({ id: 15, doc: 'Next colour to be written' }),
    dacPart: u8({ id: 16, range: [0, 2], doc: 'Next part of the colour: red, green, blue' }),
    dacReading: bool({ id: 17, doc: 'The index was set for reading' }),
    dacHeld: array('u8', 2, { id: 18, doc: 'Red and green of a colour whose blue is not written yet' }),
    palette: bytes(768, { id: 19, doc: 'Colours as written: red, green, blue' }),
    latch: u32({ id: 20, doc: 'Latches of the four planes' }),
    dispiIndex: u16({ id: 21, doc: 'Index of the display interface' }),
    dispi: array('u16', DISPI_REGISTERS, {
      id: 22,
      reset: Array.from({ length: DISPI_REGISTERS }, (_, i) => (i === Dispi.Id ? DISPI_ID : 0)),
      doc: 'Registers of the display interface',
    }),
    shown: u8({ id: 23, range: [0, 2], member: 'derived', doc: 'What the window shows as RAM: nothing, cells of text, memory' }),
  },
  create({ state, placements, clock, video, rom }) {
    /** The same cells in the order of the planes: characters in plane 0, attributes in plane 1. */
    const foldCells = () => {
      for (let i = 0; i < CELLS; i++) {
        video.words[i] = (((video.words[i] as number) & 0xffff0000) | (video.cells[i] as number)) >>> 0;
      }
      for (let at = 0; at < CELLS * 4; at += 4096) video.mark(at);
    };
    const unfoldCells = () => {
      for (let i = 0; i < CELLS; i++) video.cells[i] = (video.words[i] as number) & 0xffff;
    };
    const show = () => {
      const shown = shownWindow(state, video.bytes.length);
      state.shown = shown === undefined ? Shown.Nothing : shown.from === 'cells' ? Shown.Cells : Shown.Linear;
      video.showWindow(shown);
    };
    /**
     * The frame buffer is RAM, but on the bus while the window acts as planes: writes there may wait, and whoever comes by the bus finds
     * them done.
     */
    const placeLinear = () => {
      const { config } = state;
      const base = ((config[0x13] as number) * 0x100_0000) >>> 0;
      const decoded = ((config[0x04] as number) & COMMAND_MEMORY) !== 0 && base !== 0;
      const planar = state.shown === Shown.Nothing;
      video.showLinear(decoded && !planar ? base : undefined);
      if (decoded) placements.linear.move(base);
      placements.linear.enable(decoded && planar && base + VIDEO_MEMORY <= FRAME_BUFFER_END);
    };

    /** After a register that decides what the window shows. */
    const remap = () => {
      const before = state.shown;
      const shown = shownWindow(state, video.bytes.length);
      const after = shown === undefined ? Shown.Nothing : shown.from === 'cells' ? Shown.Cells : Shown.Linear;
      if (before === Shown.Nothing && after === Shown.Nothing) return;
      if (before === Shown.Cells && after !== Shown.Cells) {
        video.showWindow(undefined); // nobody writes cells while they are folded
        foldCells();
      } else if (after === Shown.Cells && before !== Shown.Cells) unfoldCells();
      show();
      if ((before === Shown.Nothing) !== (after === Shown.Nothing)) placeLinear();
    };
    const config = configSpace(
      state.config,
      { ...IDENTITY, rom: romBase(rom) },
      {
        placements: { registers: placements.registers, rom: placements.rom },
        changed: (offset) => {
          if (offset < 0x14) placeLinear();
        },
      },
    );

    const placeCrtc = () => {
      const color = (state.misc & Misc.Color) !== 0;
      placements.color.enable(color);
      placements.mono.enable(!color);
    };
    const writeMisc = (value: number) => {
      state.misc = value & 0xef;
      placeCrtc();
      remap();
    };

    const writeSeq = (value: number) => {
      const index = state.seqIndex;
      const mask = SEQ_MASKS[index];
      if (mask === undefined) return;
      state.seq[index] = value & mask;
      if (index === Seq.MapMask || index === Seq.Memory) remap();
    };
    const writeGfx = (value: number) => {
      const index = state.gfxIndex;
      const mask = GFX_MASKS[index];
      if (mask === undefined) return;
      state.gfx[index] = value & mask;
      remap();
    };
    const writeCrtc = (value: number) => {
      const index = state.crtcIndex;
      if (index >= CRTC_REGISTERS) return;
      const isProtected = ((state.crtc[Crtc.RetraceEnd] as number) & PROTECT) !== 0 && index <= Crtc.Overflow;
      if (!isProtected) state.crtc[index] = value;
      else if (index === Crtc.Overflow) state.crtc[index] = ((state.crtc[index] as number) & ~0x10) | (value & 0x10);
    };
    const writeAttribute = (value: number) => {
      if (!state.attrData) state.attrIndex = value & 0x3f;
      else {
        const index = state.attrIndex & 0x1f;
        const mask = ATTR_MASKS[index];
        // While the palette feeds the screen, the processor does not reach it.
        const busy = index < Attr.Mode && (state.attrIndex & PALETTE_ON) !== 0;
        if (mask !== undefined && !busy) state.attr[index] = value & mask;
      }
      state.attrData = !state.attrData;
    };

    const eightBitDac = () => ((state.dispi[Dispi.Enable] as number) & DispiEnable.EightBitDac) !== 0;
    const readDac = (): number => {
      const value = state.palette[state.dacRead * 3 + state.dacPart] as number;
      if (state.dacPart === 2) state.dacRead = (state.dacRead + 1) & 0xff;
      state.dacPart = state.dacPart === 2 ? 0 : state.dacPart + 1;
      return value;
    };
    const writeDac = (byte: number) => {
      const value = eightBitDac() ? byte : byte & 0x3f;
      if (state.dacPart < 2) {
        state.dacHeld[state.dacPart] = value;
        state.dacPart++;
        return;
      }
      state.palette.set([state.dacHeld[0] as number, state.dacHeld[1] as number, value], state.dacWrite * 3);
      state.dacWrite = (state.dacWrite + 1) & 0xff;
      state.dacPart = 0;
    };

    /** Input status 1, from where the beam stands now; a CRTC that is not programmed yet has the beam of mode 3. */
    const status = (): number => {
      const { totalColumns, columns, totalLines, lines, retraceStart } = crtcCounters(state);
      const clocking = state.seq[Seq.Clocking] as number;
      const dots = ((clocking & Clocking.EightDots) !== 0 ? 8 : 9) * ((clocking & Clocking.HalfClock) !== 0 ? 2 : 1);
      const hertz = (state.misc & Misc.Clock) === 0x04 ? CLOCKS_HZ[1] : CLOCKS_HZ[0];
      const programmed = totalLines > 2 && totalColumns > 5;
      const lineTime = ((programmed ? totalColumns * dots : 900) * 1e9) / hertz;
      const frame = programmed ? totalLines : 449;
      const beam = clock.now() / lineTime;
      const line = Math.floor(beam) % frame;
      const column = (beam - Math.floor(beam)) * (programmed ? totalColumns : 100);
      const shown = Math.min(programmed ? lines : 400, frame - 1);
      const retrace = programmed && retraceStart > 0 && retraceStart < frame ? retraceStart : Math.min(shown + 12, frame - 1);
      const inRetrace = line >= retrace && line < retrace + 2;
      const blank = line >= shown || column >= (programmed ? columns : 80);
      return (blank ? Status1.Blank : 0) | (inRetrace ? Status1.Retrace | Status1.Blank : 0);
    };

    const readCrtcPort = (at: number): number => {
      if (at === CrtcPort.Index) return state.crtcIndex;
      if (at === CrtcPort.Data) return state.crtc[state.crtcIndex] ?? 0xff;
      if (at !== CrtcPort.Status) return 0xff;
      state.attrData = false;
      return status();
    };
    const writeCrtcPort = (at: number, value: number) => {
      if (at === CrtcPort.Index) state.crtcIndex = value & 0x3f;
      else if (at === CrtcPort.Data) writeCrtc(value);
      else if (at === CrtcPort.Status) state.feature = value & 0x0b;
    };

    const readPort = (at: number): number => {
      switch (at) {
        case Port.AttributeIndex:
          return state.attrIndex;
        case Port.AttributeData:
          return state.attr[state.attrIndex & 0x1f] ?? 0xff;
        case Port.Misc:
          return 0x10; // no interrupt; the monitor is a colour one
        case Port.SequencerIndex:
          return state.seqIndex;
        case Port.SequencerData:
          return state.seq[state.seqIndex] ?? 0xff;
        case Port.PelMask:
          return state.pelMask;
        case Port.DacReadIndex:
          return state.dacReading ? 3 : 0;
        case Port.DacWriteIndex:
          return state.dacWrite;
        case Port.DacData:
          return readDac();
        case Port.FeatureRead:
          return state.feature;
        case Port.MiscRead:
          return state.misc;
        case Port.GraphicsIndex:
          return state.gfxIndex;
        case Port.GraphicsData:
          return state.gfx[state.gfxIndex] ?? 0xff;
        default:
          return 0xff;
      }
    };
    const writePort = (at: number, value: number) => {
      switch (at) {
        case Port.AttributeIndex:
        case Port.AttributeData:
          return writeAttribute(value);
        case Port.Misc:
          return writeMisc(value);
        case Port.SequencerIndex:
          state.seqIndex = value & 0x07;
          return;
        case Port.SequencerData:
          return writeSeq(value);
        case Port.PelMask:
          state.pelMask = value;
          return;
        case Port.DacReadIndex:
        case Port.DacWriteIndex:
          state.dacReading = at === Port.DacReadIndex;
          if (state.dacReading) state.dacRead = value;
          else state.dacWrite = value;
          state.dacPart = 0;
          return;
        case Port.DacData:
          return writeDac(value);
        case Port.GraphicsIndex:
          state.gfxIndex = value & 0x0f;
          return;
        case Port.GraphicsData:
          return writeGfx(value);
      }
    };

    const dispi = { state, video, changed: remap };
    /** 3C0h to 3DFh as the memory-mapped registers have them, the CRTC wherever it stands. */
    const readMapped = (at: number): number => {
      if (at < EDID.length) return EDID[at] as number;
      if (at >= Mmio.Ports && at < Mmio.PortsEnd) {
        const port = at - Mmio.Ports;
        return port < 0x10 ? readPort(port) : readCrtcPort(port - 0x10);
      }
      if (at >= Mmio.Dispi && at < Mmio.DispiEnd) {
        return (dispiRead(dispi, (at - Mmio.Dispi) >>> 1) >>> (8 * (at & 1))) & 0xff;
      }
      if (at === Mmio.Extended) return EXTENDED_SIZE;
      if (at >= Mmio.ByteOrder && at < Mmio.ByteOrder + 4) return LITTLE_ENDIAN & 0xff;
      return at >= Mmio.Extended && at < Mmio.ByteOrder ? 0 : 0xff;
    };
    const writeMapped = (at: number, value: number) => {
      if (at < Mmio.Ports || at >= Mmio.PortsEnd) return;
      const port = at - Mmio.Ports;
      if (port < 0x10) writePort(port, value);
      else writeCrtcPort(port - 0x10, value);
    };

    const readWindow = (at: number): number => {
      if (state.shown === Shown.Nothing) return readPlanes(state, video, at);
      const shown = shownWindow(state, video.bytes.length);
      const from = shown === undefined ? -1 : at - (shown.gpa - WINDOW.base);
      if (shown === undefined || from < 0 || from >= shown.size) return 0xff;
      if (shown.from !== 'cells') return video.bytes[(shown.from + from) % video.bytes.length] as number;
      return ((video.cells[from >>> 1] as number) >>> (8 * (from & 1))) & 0xff;
    };
    const writeWindow = (at: number, value: number) => {
      if (state.shown === Shown.Nothing) return writePlanes(state, video, { at, value });
      const shown = shownWindow(state, video.bytes.length);
      const from = shown === undefined ? -1 : at - (shown.gpa - WINDOW.base);
      if (shown === undefined || from < 0 || from >= shown.size) return;
      if (shown.from === 'cells') {
        const cell = video.cells[from >>> 1] as number;
        video.cells[from >>> 1] = (from & 1) === 0 ? (cell & 0xff00) | value : (cell & 0xff) | (value << 8);
      } else {
        const to = (shown.from + from) % video.bytes.length;
        video.bytes[to] = value;
        video.mark(to);
      }
    };

    return {
      regions: {
        mono: byteWise(readCrtcPort, writeCrtcPort),
        color: byteWise(readCrtcPort, writeCrtcPort),
        regs: byteWise(readPort, writePort),
        window: byteWise(readWindow, writeWindow),
        linear: byteWise(
          (at) => video.bytes[at] ?? 0xff,
          (at, value) => {
            video.bytes[at] = value;
            video.mark(at % video.bytes.length);
          },
        ),
        dispi: {
          read: (at) => (at === 0 ? state.dispiIndex : dispiRead(dispi, state.dispiIndex)),
          write: (at, value) => {
            if (at === 0) state.dispiIndex = value & 0xffff;
            else dispiWrite(dispi, state.dispiIndex, value & 0xffff);
          },
        },
        rom: romRegion(rom),
        registers: {
          read: byteWise(readMapped, writeMapped).read,
          write: (at, value, size) => {
            const word = at >= Mmio.Dispi && at < Mmio.DispiEnd && size > 1 && (at & 1) === 0;
            if (word) dispiWrite(dispi, (at - Mmio.Dispi) >>> 1, value & 0xffff);
            else byteWise(readMapped, writeMapped).write(at, value, size);
          },
        },
      },
      reset: () => {
        // What a screen could show of the machine before: text, fonts and planes. The rest is cleared by whoever turns it on.
        video.words.fill(0, 0, Math.min(video.words.length, 0x1_0000));
        video.cells.fill(0);
      },
      restored: () => {
        config.restored();
        placeCrtc();
        show();
        placeLinear();
      },
      api: { config },
    };
  },
});

/** A region of bytes: wider accesses are their bytes in order, low first. */
function byteWise(read: (at: number) => number, write: (at: number, value: number) => void) {
  return {
    read: (at: number, size: number): number => {
      let value = read(at);
      for (let i = 1; i < size; i++) value += read(at + i) * 2 ** (8 * i);
      return value;
    },
    write: (at: number, value: number, size: number): void => {
      for (let i = 0; i < size; i++) write(at + i, (value >>> (8 * i)) & 0xff);
    },
  };
}
