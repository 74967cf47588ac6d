/** The display adapter alone, its memory in the RAM of a small machine, and its screen. */
import type { MachineMemory } from '../../../memory/index.ts';
import { type DeviceBench, type DeviceOf, deviceBench } from '../../testing/contract.ts';
import { vga } from '../device.ts';
import { VgaScreen } from '../screen/screen.ts';
import { WINDOW } from '../spec.ts';
import { CELLS, type ShownWindow, type VideoMemory } from '../video-memory.ts';

const BYTES = 0x4_0000;
/** RAM of the bench that stands in for video memory; the rest of it is the guest's. */
const AT = 0x8_0000;

export interface AdapterVideo extends VideoMemory {
  takeWritten(): Uint8Array;
}

/** What the guest was shown last. */
export interface Shown {
  linear: number | undefined;
  window: ShownWindow | undefined;
}

export function videoIn(machine: MachineMemory, options: { shown?: Shown; bytes?: number } = {}): AdapterVideo {
  const bytes = options.bytes ?? BYTES;
  const hva = machine.map.ramBase + AT;
  const buffer = machine.views.buffer as ArrayBuffer;
  const { shown } = options;
  return {
    bytes: new Uint8Array(buffer, hva, bytes),
    words: new Uint32Array(buffer, hva, bytes / 4),
    cells: new Uint16Array(buffer, hva + bytes, CELLS),
    showLinear: (gpa) => {
      if (shown) shown.linear = gpa;
    },
    showWindow: (window) => {
      if (shown) shown.window = window;
    },
    mark: (offset) => machine.dirtyLog.mark(hva + offset),
    takeWritten: () => machine.dirtyLog.collectPages(hva, bytes + CELLS * 2),
  };
}

export const adapterPlaces = {
  mono: 0x3b0,
  regs: 0x3c0,
  color: 0x3d0,
  dispi: 0x1ce,
  window: WINDOW.base,
  registers: 0xf000_0000,
};

export interface Adapter extends DeviceBench<DeviceOf<typeof vga>> {
  readonly video: AdapterVideo;
  readonly screen: VgaScreen;
  readonly shown: Shown;
  out(port: number, value: number, size?: 1 | 2): void;
  in(port: number, size?: 1 | 2): number;
  /** Index and value into an indexed register. */
  set(port: number, ...pairs: readonly (readonly [index: number, value: number])[]): void;
  /** Memory as the guest sees it through the bus. */
  poke(gpa: number, ...bytes: readonly number[]): void;
  peek(gpa: number): number;
  dispi(index: number, value: number): void;
}

export function adapter(options: { bytes?: number } = {}): Adapter {
  const shown: Shown = { linear: undefined, window: undefined };
  let video: AdapterVideo | undefined;
  const bench = deviceBench(vga, {
    at: adapterPlaces,
    needs: (machine) => {
      video = videoIn(machine, { shown, ...options });
      return { video };
    },
  });
  const { machine, device } = bench;
  const placed = video as unknown as AdapterVideo;
  const out = (port: number, value: number, size: 1 | 2 = 1) => machine.bus.portWrite(0, port, size, value);
  return {
    ...bench,
    video: placed,
    shown,
    screen: new VgaScreen({
      registers: device.state,
      video: placed,
      lock: { run: (body) => body() },
      clock: machine.clock,
      takeWritten: placed.takeWritten,
    }),
    out,
    in: (port, size = 1) => machine.bus.portRead(0, port, size),
    set: (port, ...pairs) => {
      for (const [index, value] of pairs) out(port, index | (value << 8), 2);
    },
    poke: (gpa, ...bytes) => {
      for (const [i, byte] of bytes.entries()) machine.bus.mmioWrite(0, gpa + i, 1, byte);
    },
    peek: (gpa) => machine.bus.mmioRead(0, gpa, 1),
    dispi: (index, value) => {
      out(0x1ce, index, 2);
      out(0x1cf, value, 2);
    },
  };
}
