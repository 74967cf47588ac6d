/** The display adapter of a PC: wiring, the screen it shows, and the text mode in which a BIOS leaves it. */
import type { Device } from '../devices/device.ts';
import type { PciBus } from '../devices/pci/bus.ts';
import type { Screen } from '../devices/screen.ts';
import { vga } from '../devices/vga/device.ts';
import { VgaScreen } from '../devices/vga/screen/screen.ts';
import { WINDOW } from '../devices/vga/spec.ts';
import type { MachineMemory } from '../memory/index.ts';
import { placeVideoMemory } from './video-memory.ts';

export type { Rectangle, Screen, ScreenText } from '../devices/screen.ts';

/** Where the adapter stands on PCI bus 0. */
const SLOT = 2;

export interface Display {
  readonly device: Pick<Device, 'name' | 'type' | 'reset' | 'save' | 'restore' | 'inspect'>;
  /** A screen for this thread; one thread of a machine at a time. */
  createScreen(): Screen;
}

/** `rom`: what the adapter's expansion ROM holds; no bytes for none. */
export function attachDisplay(memory: MachineMemory, bus: PciBus, rom: Uint8Array = new Uint8Array(0)): Display {
  const video = placeVideoMemory(memory, memory.map.ramBytes);
  const adapter = vga.attach(memory, {
    name: 'vga',
    at: { mono: 0x3b0, regs: 0x3c0, color: 0x3d0, dispi: 0x1ce, window: WINDOW.base },
    irqs: {},
    needs: { video, rom: { bytes: rom } },
  });
  bus.plug(SLOT, 0, adapter.api.config);
  const { lock, clock } = memory;
  return {
    device: adapter,
    createScreen: () => new VgaScreen({ registers: adapter.state, video, lock, clock, takeWritten: video.takeWritten }),
  };
}
