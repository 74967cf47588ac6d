/** The built-in BIOS on this board: its ROM, the traps, and what its services reach of the machine. */

import { biosTrap } from '../devices/bios-trap/device.ts';
import { BASE } from '../devices/bios-trap/spec.ts';
import type { Device } from '../devices/device.ts';
import { createBios } from '../firmware/bios/bios.ts';
import type { BiosDrive } from '../firmware/bios/disk.ts';
import type { BiosMemory, BootSettings } from '../firmware/bios/host.ts';
import { ROM_BYTES } from '../firmware/bios/rom.ts';
import { firmwareMsrs } from '../firmware/mtrr.ts';
import type { Platform } from '../firmware/platform.ts';
import type { Irqchip } from '../hypervisor/index.ts';
import { type AccessSize, type MachineMemory, PAGE, PHYS, PHYSICAL_END } from '../memory/index.ts';
import { initializeHardware } from './power-on.ts';
import type { RomPlace } from './rom.ts';

/** Services run on the calling vCPU's thread; for devices they are nobody in particular. */
const DEVICE = -1;

/** Bytes to a device's memory as a processor's string instruction moves them: words of four where they are aligned. */
function busWrite({ bus }: MachineMemory, gpa: number, bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; ) {
    const byte = bytes[i] as number;
    if (((gpa + i) & 3) === 0 && i + 4 <= bytes.length) {
      const word = byte | ((bytes[i + 1] as number) << 8) | ((bytes[i + 2] as number) << 16) | ((bytes[i + 3] as number) << 24);
      bus.mmioWrite(DEVICE, gpa + i, 4, word >>> 0);
      i += 4;
    } else bus.mmioWrite(DEVICE, gpa + i++, 1, byte);
  }
}

/** Guest memory as a processor reaches it: RAM and ROM directly, the rest over the bus. */
function busMemory(memory: MachineMemory): BiosMemory {
  const { dma, bus, views, map } = memory;
  const entry = (gpa: number) =>
    gpa >= 0 && gpa < PHYSICAL_END ? (views.u32[(map.physTable >>> 2) + Math.floor(gpa / PAGE)] ?? 0) : 0;
  /** Runs of pages of one kind. */
  const runs = (gpa: number, length: number, kinds: number, visit: (direct: boolean, at: number, count: number) => void) => {
    for (let at = 0; at < length; ) {
      const direct = (entry(gpa + at) & kinds) !== 0;
      let end = at;
      do end = Math.min(length, (Math.floor((gpa + end) / PAGE) + 1) * PAGE - gpa);
      while (end < length && ((entry(gpa + end) & kinds) !== 0) === direct);
      visit(direct, at, end - at);
      at = end;
    }
  };
  return {
    read: (gpa, length) => {
      const bytes = new Uint8Array(length);
      runs(gpa, length, PHYS.RAM | PHYS.ROM, (direct, at, count) => {
        if (direct) bytes.set(dma.read(gpa + at, count), at);
        else for (let i = at; i < at + count; i++) bytes[i] = bus.mmioRead(DEVICE, gpa + i, 1);
      });
      return bytes;
    },
    write: (gpa, bytes) => {
      runs(gpa, bytes.length, PHYS.RAM, (direct, at, count) => {
        const part = bytes.subarray(at, at + count);
        if (direct) dma.write(gpa + at, part);
        else busWrite(memory, gpa + at, part);
      });
    },
    isRam: (gpa, length) => dma.isRam(gpa, length),
  };
}

export interface FirmwareParts {
  readonly memory: MachineMemory;
  readonly irqchip: Irqchip;
  readonly platform: Platform;
  readonly rom: RomPlace;
  readonly drives: readonly BiosDrive[];
  readonly boot: BootSettings;
}

/** Attach the traps and what answers them. */
export function attachFirmware({ memory, irqchip, platform, rom, drives, boot }: FirmwareParts): Device {
  const { bus } = memory;
  const bios = createBios({
    memory: busMemory(memory),
    io: {
      in: (port, size: AccessSize = 1) => bus.portRead(DEVICE, port, size),
      out: (port, value, size: AccessSize = 1) => bus.portWrite(DEVICE, port, size, value),
    },
    platform,
    drives,
    boot,
    rom: () => rom.image().slice(-ROM_BYTES),
    now: () => memory.clock.now(),
    initializeHardware: () => initializeHardware(memory, irqchip, platform),
    msrs: firmwareMsrs(),
  });
  const services = {
    call: (frame: number) => bios.call(frame),
    pciCall: (registers: Uint32Array) => {
      const [eax = 0, ebx = 0, ecx = 0, edx = 0, esi = 0, edi = 0] = registers;
      const named = { eax, ebx, ecx, edx, esi, edi };
      bios.call32(named);
      registers.set([named.eax, named.ebx, named.ecx, named.edx, named.esi, named.edi]);
    },
  };
  return biosTrap.attach(memory, { name: 'bios-trap', at: { regs: BASE }, irqs: {}, needs: { services } }) as unknown as Device;
}
