/**
 * The services behind the ROM's traps. A trap names the frame of its caller; the service reads and changes it, and memory and ports of
 * the machine, and says by the frame's action how it goes on. It holds no state of its own: all of it is guest memory.
 */
import { Bda } from './areas.ts';
import { bootService } from './boot.ts';
import { clockInterrupt, timeService } from './clock.ts';
import { diskService } from './disks/int13.ts';
import { Frame } from './frame.ts';
import type { BiosHost } from './host.ts';
import { keyboardInterrupt, keyboardService } from './input/keyboard.ts';
import { mouseInterrupt } from './input/mouse.ts';
import { type PciRegisters, pciBios } from './pci.ts';
import { optionsInRom } from './pci-options.ts';
import { printerService, serialService } from './ports.ts';
import { powerOnSelfTest } from './post.ts';
import { romTable } from './rom.ts';
import { equipmentService, printScreen, systemService } from './system.ts';
import { videoService } from './video/int10.ts';
import { createVideo } from './video/set-mode.ts';

export interface Bios {
  /** A real-mode trap; `frame` is where its frame lies. Bounded work, never throws. */
  call(frame: number): void;
  /** The 32-bit entry of the PCI BIOS: registers in, registers out. */
  call32(registers: PciRegisters): void;
}

/** The vector word that the ROM pushes at power-on. */
const POWER_ON = 0x100;

export function createBios(host: BiosHost): Bios {
  let made: ((f: Frame) => void) | undefined;
  return {
    call: (frame) => {
      made ??= dispatcher(host);
      if (made === undefined) return;
      const f = new Frame(host.memory, frame);
      made(f);
      f.store();
    },
    call32: (registers) => pciBios(host.io, registers, { giveOptions: (r) => optionsInRom(host.platform, r) }),
  };
}

/** Made at the first trap, when the ROM has been loaded; undefined while the machine has none, or another one. */
function dispatcher(host: BiosHost): ((f: Frame) => void) | undefined {
  const rom = romTable(host.rom());
  if (rom === undefined) return undefined;
  const video = createVideo(host, rom);
  const disks = { host, rom };
  const booter = { host, screen: video.screen };
  const services = new Map<number, (f: Frame) => void>([
    [0x05, () => printScreen(host, Bda.PrintScreen)],
    [0x09, (f) => keyboardInterrupt(host, f)],
    [0x10, (f) => videoService(video, f)],
    [0x11, (f) => equipmentService(host, f, Bda.Equipment)],
    [0x12, (f) => equipmentService(host, f, Bda.MemoryKib)],
    [0x13, (f) => diskService(disks, f)],
    [0x14, (f) => serialService(host, f)],
    [0x15, (f) => systemService(host, f)],
    [0x16, (f) => keyboardService(host, f)],
    [0x17, (f) => printerService(host, f)],
    [0x18, (f) => bootService(booter, f)],
    [0x19, (f) => bootService(booter, f)],
    [0x1a, (f) => timeService(host, f)],
    [0x40, (f) => diskService(disks, f)],
    [0x70, (f) => clockInterrupt(host, f)],
    [0x74, (f) => mouseInterrupt(host, f)],
    [POWER_ON, (f) => powerOnSelfTest(video, f)],
  ]);
  return (f) => services.get(f.vector)?.(f);
}
