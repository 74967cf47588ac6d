/** What the screen costs the host: the display adapter's part of a guest that changes every pixel, or every character, of each frame. */
import { attachDisplay } from '../../engine/board/display.ts';
import { PciBus } from '../../engine/devices/pci/bus.ts';
import type { Screen } from '../../engine/devices/screen.ts';
import { createMachineMemory, type MachineMemory } from '../../engine/memory/index.ts';

const MIB = 2 ** 20;
const FRAMES = 180;
const WARM = 60;
const RATE = 60;
const DEVICE = -1;
const BASE = 0xe000_0000;

interface Bench {
  readonly memory: MachineMemory;
  readonly screen: Screen;
  out(port: number, value: number, size?: 1 | 2): void;
}

function bench(): Bench {
  const memory = createMachineMemory({ ramBytes: MIB, vcpus: 1, arenaBytes: 20 * MIB });
  const bus = new PciBus();
  const display = attachDisplay(memory, bus, new Uint8Array(0));
  display.device.reset();
  bus.write(2 * 8, { offset: 0x10, size: 4, value: BASE });
  bus.write(2 * 8, { offset: 0x04, size: 2, value: 3 });
  return {
    memory,
    screen: display.createScreen(),
    out: (port, value, size = 1) => memory.bus.portWrite(DEVICE, port, size, value),
  };
}

/** Percent of a core at 60 frames a second, what `draw` itself takes left out. */
function percentOfCore({ screen }: Bench, draw: (frame: number) => void): number {
  let microseconds = 0;
  for (let frame = 0; frame < WARM + FRAMES; frame++) {
    draw(frame);
    const before = process.cpuUsage();
    const { changed } = screen.update();
    const { user, system } = process.cpuUsage(before);
    if (changed.length === 0) throw new Error('a frame that changes everything changed nothing');
    if (frame >= WARM) microseconds += user + system;
  }
  return (microseconds / FRAMES / 1e6) * RATE * 100;
}

/** 1024x768 at 32 bits, every pixel new in each frame. */
export function redraw(): number {
  const parts = bench();
  for (const [index, value] of [
    [1, 1024],
    [2, 768],
    [3, 32],
    [4, 0x41],
  ] as const) {
    parts.out(0x1ce, index, 2);
    parts.out(0x1cf, value, 2);
  }
  const frame = new Uint32Array(1024 * 768);
  return percentOfCore(parts, (n) => {
    for (let i = 0; i < frame.length; i++) frame[i] = Math.imul(i + n, 0x9e3779b1) >>> 8;
    parts.memory.dma.write(BASE, new Uint8Array(frame.buffer));
  });
}

/** 80x25 characters in the window of mode 3, a line further in each frame. */
export function scroll(): number {
  const parts = bench();
  const indexed = (port: number, pairs: readonly (readonly [number, number])[]) => {
    for (const [index, value] of pairs) parts.out(port, index | (value << 8), 2);
  };
  parts.out(0x3c2, 0x67);
  indexed(0x3c4, [...[3, 0, 3, 0, 2].entries()]);
  const crtc = '5f4f50825581bf1f004f0d0e000000009c8e8f281f96b9a3ff'.match(/../g) ?? [];
  indexed(0x3d4, [[0x11, 0], ...crtc.map((byte, index) => [index, Number.parseInt(byte, 16)] as const)]);
  indexed(0x3ce, [...[0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff].entries()]);
  for (let index = 0; index < 0x15; index++) {
    parts.memory.bus.portRead(DEVICE, 0x3da, 1);
    parts.out(0x3c0, index);
    parts.out(0x3c0, index < 16 ? index : ([0x0c, 0, 0x0f, 8, 0][index - 16] ?? 0));
  }
  parts.out(0x3c0, 0x20);
  parts.out(0x3c8, 0);
  for (let i = 0; i < 768; i++) parts.out(0x3c9, (i * 7) & 0x3f);
  const cells = new Uint8Array(4000);
  return percentOfCore(parts, (n) => {
    for (let i = 0; i < cells.length; i++) cells[i] = (i + n * 161) & 0x7f;
    parts.memory.dma.write(0xb8000, cells);
  });
}
