/** INT 10h 4Fh: VESA BIOS extensions 3.0 over a Bochs VBE display. Spec: VESA VBE Core Functions 3.0, chapter 4. */
import { ascii } from '../../bytes.ts';
import { Bda, Private } from '../areas.ts';
import type { Frame } from '../frame.ts';
import type { BiosHost } from '../host.ts';
import { functions, readConfig } from '../pci.ts';
import { ROM_SEGMENT } from '../rom.ts';
import { linear, read8, read16, write8, write16 } from '../words.ts';
import { setMode, type Video } from './set-mode.ts';
import { Dispi, Enable, hasVbe, readDispi, writeDispi } from './vbe-ports.ts';

interface VbeMode {
  readonly number: number;
  readonly width: number;
  readonly height: number;
  readonly depth: 8 | 15 | 16 | 24 | 32;
}

/** Numbers that VESA gave, and of our own from 140h on for depths and sizes it did not number. */
const SIZES: readonly (readonly [width: number, height: number, numbers: readonly number[]])[] = [
  //               8      15     16     24     32
  [320, 200, [0, 0x10d, 0x10e, 0x10f, 0x140]],
  [640, 400, [0x100, 0x150, 0x151, 0x152, 0x141]],
  [640, 480, [0x101, 0x110, 0x111, 0x112, 0x142]],
  [800, 600, [0x103, 0x113, 0x114, 0x115, 0x143]],
  [1024, 768, [0x105, 0x116, 0x117, 0x118, 0x144]],
  [1280, 1024, [0x107, 0x119, 0x11a, 0x11b, 0x145]],
  [1600, 1200, [0x11c, 0x11d, 0x11e, 0x11f, 0x147]],
  [1152, 864, [0x148, 0x149, 0x14a, 0x14b, 0x14c]],
  [1280, 720, [0, 0, 0x18d, 0x18e, 0x18f]],
  [1280, 768, [0, 0, 0x175, 0x176, 0x177]],
  [1280, 800, [0, 0, 0x178, 0x179, 0x17a]],
  [1280, 960, [0, 0, 0x17b, 0x17c, 0x17d]],
  [1440, 900, [0, 0, 0x17e, 0x17f, 0x180]],
  [1680, 1050, [0, 0, 0x184, 0x185, 0x186]],
  [1920, 1080, [0, 0, 0x190, 0x191, 0x192]],
  [1920, 1200, [0, 0, 0x187, 0x188, 0x189]],
  [2560, 1440, [0, 0, 0x193, 0x194, 0x195]],
  [2560, 1600, [0, 0, 0x18a, 0x18b, 0x18c]],
];
const DEPTHS = [8, 15, 16, 24, 32] as const;
const MODES: readonly VbeMode[] = SIZES.flatMap(([width, height, numbers]) =>
  numbers.flatMap((number, i) => (number === 0 ? [] : [{ number, width, height, depth: DEPTHS[i] ?? 8 }])),
);

const Mode = { Number: 0x01ff, Linear: 0x4000, Keep: 0x8000 } as const;
const DONE = 0x004f;
const FAILED = 0x014f;
const NOT_IN_THIS_MODE = 0x034f;
const UNIT = 0x10000;
const DISPLAY_CLASS = 0x0300;

const bytesOf = (depth: number): number => Math.ceil(depth / 8);
const memoryBytes = ({ io }: BiosHost): number => Math.max(1, readDispi(io, Dispi.Memory)) * UNIT;

/** Base address of the linear frame buffer: the first memory window of the display; 0 without one. */
function frameBuffer({ io }: BiosHost): number {
  for (const devfn of functions(io)) {
    if (readConfig(io, devfn, 0x0a, 2) !== DISPLAY_CLASS) continue;
    const base = readConfig(io, devfn, 0x10);
    if ((base & 1) === 0) return (base & ~15) >>> 0;
  }
  return 0;
}

const fits = (host: BiosHost, mode: VbeMode): boolean => mode.width * mode.height * bytesOf(mode.depth) <= memoryBytes(host);

export function vbeService(video: Video, f: Frame): void {
  const { host } = video;
  if (!hasVbe(host.io)) return; // AL stays 4Fh only where the function exists: AX keeps the question
  switch (f.al) {
    case 0x00:
      controllerInformation(video, f);
      return;
    case 0x01:
      modeInformation(video, f);
      return;
    case 0x02:
      f.ax = setVbeMode(video, f.bx) ? DONE : FAILED;
      return;
    case 0x03:
      f.bx = currentMode(video);
      f.ax = DONE;
      return;
    case 0x04:
      saveRestore(video, f);
      return;
    case 0x05:
      window(video, f);
      return;
    case 0x06:
      scanLine(video, f);
      return;
    case 0x07:
      displayStart(video, f);
      return;
    case 0x08:
      dacFormat(video, f);
      return;
    case 0x09:
      palette(video, f);
      return;
    case 0x0a:
      if (f.bl !== 0) {
        f.ax = FAILED;
        return;
      }
      f.es = ROM_SEGMENT;
      f.di = video.rom.vbe32;
      f.cx = video.rom.vbe32Bytes;
      f.ax = DONE;
      return;
    case 0x10: // power management: reported as on, nothing to switch
      if (f.bl === 0) f.bx = 0x0020;
      f.ax = f.bl <= 2 ? DONE : FAILED;
      return;
    default:
      f.ax = FAILED;
  }
}

const far = (gpa: number): number => ROM_SEGMENT * 0x10000 + (gpa & 0xffff);

function controllerInformation({ host }: Video, f: Frame): void {
  const { memory } = host;
  const at = linear(f.es, f.di);
  const wantsVersion2 = new TextDecoder('latin1').decode(memory.read(at, 4)) === 'VBE2';
  const block = new Uint8Array(wantsVersion2 ? 512 : 256);
  const view = new DataView(block.buffer);
  const text = 'Rootmode VBE\0Rootmode\0Bochs VBE display\0';
  memory.write(Private.Vbe, ascii(text));
  const modes = Private.Vbe + 64;
  const numbers = MODES.filter((mode) => fits(host, mode)).map(({ number }) => number);
  const list = new Uint8Array(2 * numbers.length + 2).fill(0xff);
  for (const [i, number] of numbers.entries()) list.set([number & 0xff, number >>> 8], 2 * i);
  memory.write(modes, list);
  block.set(ascii('VESA'));
  view.setUint16(4, 0x0300, true);
  view.setUint32(6, far(Private.Vbe), true);
  view.setUint32(10, 1, true); // the DAC can be switched to 8 bits
  view.setUint32(14, far(modes), true);
  view.setUint16(18, memoryBytes(host) / UNIT, true);
  if (wantsVersion2) {
    view.setUint16(20, 0x0100, true);
    view.setUint32(22, far(Private.Vbe + 13), true);
    view.setUint32(26, far(Private.Vbe + 22), true);
    view.setUint32(30, far(Private.Vbe + 36), true);
  }
  memory.write(at, block);
  f.ax = DONE;
}

function modeInformation({ host }: Video, f: Frame): void {
  const mode = MODES.find(({ number }) => number === (f.cx & Mode.Number));
  if (!mode || !fits(host, mode)) {
    f.ax = FAILED;
    return;
  }
  const block = new Uint8Array(256);
  const view = new DataView(block.buffer);
  const pitch = mode.width * bytesOf(mode.depth);
  const pages = Math.max(1, Math.min(256, Math.floor(memoryBytes(host) / (pitch * mode.height))));
  const base = frameBuffer(host);
  // Supported, extended information, colour, graphics, linear when there is a frame buffer; not VGA compatible.
  view.setUint16(0, 0x003b | (base === 0 ? 0 : 0x80), true);
  block[2] = 0x07; // window A: there, readable, writable
  view.setUint16(4, 64, true);
  view.setUint16(6, 64, true);
  view.setUint16(8, 0xa000, true);
  view.setUint16(16, pitch, true);
  view.setUint16(18, mode.width, true);
  view.setUint16(20, mode.height, true);
  block.set([8, mode.height >= 400 ? 16 : 8, 1, mode.depth, 1, mode.depth === 8 ? 4 : 6, 0, pages - 1, 1], 22);
  const fields = colourFields(mode.depth);
  block.set(fields, 31);
  block[39] = mode.depth === 32 ? 2 : 0; // the reserved byte is free
  view.setUint32(40, base, true);
  view.setUint16(50, pitch, true);
  block[52] = pages - 1;
  block[53] = pages - 1;
  block.set(fields, 54);
  view.setUint32(62, 230_000_000, true);
  host.memory.write(linear(f.es, f.di), block);
  f.ax = DONE;
}

/** Size and position of red, green, blue and reserved. */
function colourFields(depth: VbeMode['depth']): readonly number[] {
  if (depth === 15) return [5, 10, 5, 5, 5, 0, 1, 15];
  if (depth === 16) return [5, 11, 6, 5, 5, 0, 0, 0];
  if (depth === 24) return [8, 16, 8, 8, 8, 0, 0, 0];
  if (depth === 32) return [8, 16, 8, 8, 8, 0, 8, 24];
  return [0, 0, 0, 0, 0, 0, 0, 0];
}

/** What function 03h answers: kept where no VGA mode number is. */
const MODE_WORD = Private.Vbe - 2;

function setVbeMode(video: Video, wanted: number): boolean {
  const { host } = video;
  const { io, memory } = host;
  if ((wanted & Mode.Number) < 0x100) return setMode(video, (wanted & 0x7f) | (wanted & Mode.Keep ? 0x80 : 0));
  const mode = MODES.find(({ number }) => number === (wanted & Mode.Number));
  if (!mode || !fits(host, mode)) return false;
  // The VGA's own registers stand as in a 256-colour mode beneath.
  setMode(video, 0x13 | 0x80);
  writeDispi(io, Dispi.Width, mode.width);
  writeDispi(io, Dispi.Height, mode.height);
  writeDispi(io, Dispi.Depth, mode.depth);
  const enable = Enable.On | (wanted & Mode.Linear ? Enable.Linear : 0) | (wanted & Mode.Keep ? Enable.KeepMemory : 0);
  writeDispi(io, Dispi.Enable, enable);
  write16(memory, MODE_WORD, wanted & (Mode.Number | Mode.Linear | Mode.Keep));
  write16(memory, Bda.Columns, mode.width / 8);
  write8(memory, Bda.RowsMinusOne, Math.floor(mode.height / 16) - 1);
  write8(memory, Bda.VideoMode, 0x6f); // none of the VGA's: its character services leave the screen alone
  return true;
}

const isOn = ({ io }: BiosHost): boolean => (readDispi(io, Dispi.Enable) & Enable.On) !== 0;

function currentMode({ host }: Video): number {
  return isOn(host) ? read16(host.memory, MODE_WORD) : read8(host.memory, Bda.VideoMode) & 0x7f;
}

const SAVED = [Dispi.Width, Dispi.Height, Dispi.Depth, Dispi.VirtualWidth, Dispi.X, Dispi.Y, Dispi.Bank] as const;
const SAVED_BYTES = 64;

/** Only the display's own registers and the data area are kept; BX counts blocks of 64 bytes. */
function saveRestore({ host }: Video, f: Frame): void {
  const { io, memory } = host;
  const at = linear(f.es, f.bx);
  if (f.dl === 0) f.bx = 2;
  else if (f.dl === 1) {
    const block = new Uint8Array(2 * SAVED_BYTES);
    const view = new DataView(block.buffer);
    view.setUint16(0, readDispi(io, Dispi.Enable), true);
    for (const [i, index] of SAVED.entries()) view.setUint16(2 + 2 * i, readDispi(io, index), true);
    block.set(memory.read(Bda.VideoMode, 30), 32);
    block.set(memory.read(MODE_WORD, 2), 62);
    memory.write(at, block);
  } else if (f.dl === 2) {
    const block = memory.read(at, SAVED_BYTES);
    const view = new DataView(block.buffer);
    writeDispi(io, Dispi.Enable, 0);
    for (const [i, index] of SAVED.slice(0, 3).entries()) writeDispi(io, index, view.getUint16(2 + 2 * i, true));
    writeDispi(io, Dispi.Enable, view.getUint16(0, true) | Enable.KeepMemory);
    for (const [i, index] of SAVED.entries()) if (i >= 3) writeDispi(io, index, view.getUint16(2 + 2 * i, true));
    memory.write(Bda.VideoMode, block.subarray(32, 62));
    memory.write(MODE_WORD, block.subarray(62, 64));
  } else {
    f.ax = FAILED;
    return;
  }
  f.ax = DONE;
}

function window({ host }: Video, f: Frame): void {
  const { io } = host;
  if (f.bl !== 0) f.ax = FAILED;
  else if (!isOn(host) || readDispi(io, Dispi.Enable) & Enable.Linear) f.ax = NOT_IN_THIS_MODE;
  else {
    if (f.bh === 0) writeDispi(io, Dispi.Bank, f.dx);
    else f.dx = readDispi(io, Dispi.Bank);
    f.ax = f.bh <= 1 ? DONE : FAILED;
  }
}

function scanLine({ host }: Video, f: Frame): void {
  const { io } = host;
  if (!isOn(host)) {
    f.ax = NOT_IN_THIS_MODE;
    return;
  }
  const bytes = bytesOf(readDispi(io, Dispi.Depth));
  const [width, height] = [Math.max(1, readDispi(io, Dispi.Width)), readDispi(io, Dispi.Height)];
  const widest = Math.floor(memoryBytes(host) / Math.max(1, height) / bytes);
  if (f.bl === 0 || f.bl === 2) {
    const wanted = f.bl === 0 ? f.cx : Math.ceil(f.cx / bytes);
    if (wanted < width || wanted > widest) {
      f.ax = 0x024f;
      return;
    }
    writeDispi(io, Dispi.VirtualWidth, wanted);
  } else if (f.bl > 3) {
    f.ax = FAILED;
    return;
  }
  const pixels = f.bl === 3 ? Math.min(widest, 0xffff) : Math.max(1, readDispi(io, Dispi.VirtualWidth));
  f.cx = pixels;
  f.bx = pixels * bytes;
  f.dx = Math.min(0xffff, Math.floor(memoryBytes(host) / (pixels * bytes)));
  f.ax = DONE;
}

function displayStart({ host }: Video, f: Frame): void {
  const { io } = host;
  if (!isOn(host)) f.ax = NOT_IN_THIS_MODE;
  else if ((f.bl & 0x7f) === 0) {
    writeDispi(io, Dispi.X, f.cx);
    writeDispi(io, Dispi.Y, f.dx);
    f.ax = DONE;
  } else if (f.bl === 1) {
    f.bh = 0;
    f.cx = readDispi(io, Dispi.X);
    f.dx = readDispi(io, Dispi.Y);
    f.ax = DONE;
  } else f.ax = FAILED;
}

function dacFormat({ host }: Video, f: Frame): void {
  const { io } = host;
  if (f.bl > 1) {
    f.ax = FAILED;
    return;
  }
  const enable = readDispi(io, Dispi.Enable);
  if (f.bl === 0) writeDispi(io, Dispi.Enable, (f.bh >= 8 ? enable | Enable.Dac8 : enable & ~Enable.Dac8) | Enable.KeepMemory);
  f.bh = readDispi(io, Dispi.Enable) & Enable.Dac8 ? 8 : 6;
  f.ax = DONE;
}

function palette({ screen, host }: Video, f: Frame): void {
  const { memory } = host;
  const at = linear(f.es, f.di);
  const count = Math.min(f.cx, 256);
  const set = f.bl === 0 || f.bl === 0x80;
  if (!set && f.bl !== 1) {
    f.ax = FAILED;
    return;
  }
  if (set) {
    const bytes = memory.read(at, 4 * count);
    for (let i = 0; i < count; i++) {
      screen.vga.setColour((f.dx + i) & 0xff, [bytes[4 * i + 2] ?? 0, bytes[4 * i + 1] ?? 0, bytes[4 * i] ?? 0]);
    }
  } else {
    const bytes = new Uint8Array(4 * count);
    for (let i = 0; i < count; i++) {
      const [red, green, blue] = screen.vga.colour((f.dx + i) & 0xff);
      bytes.set([blue, green, red, 0], 4 * i);
    }
    memory.write(at, bytes);
  }
  f.ax = DONE;
}
