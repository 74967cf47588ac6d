/** The PCI functions of a board for people: who they are, where their registers and memory stand. */
import type { PciBus } from '../devices/pci/bus.ts';

const CONFIG_BYTES = 256;
const BARS = 6;
const COMMAND = { io: 1, memory: 2 } as const;
/** Base class and sub-class (PCI Code and ID Assignment Specification). */
const CLASSES: Readonly<Record<number, string>> = {
  256: 'SCSI controller',
  257: 'IDE controller',
  262: 'SATA controller',
  512: 'Ethernet controller',
  768: 'VGA display controller',
  1025: 'audio device',
  1280: 'RAM',
  1536: 'host bridge',
  1537: 'ISA bridge',
  1540: 'PCI bridge',
  1664: 'bridge',
  3075: 'USB controller',
  3077: 'SMBus controller',
};

export function pciReport(bus: PciBus) {
  return bus.places().map((devfn) => {
    const config = Uint8Array.from({ length: CONFIG_BYTES }, (_, at) => bus.read(devfn, at, 1) & 0xff);
    const view = new DataView(config.buffer);
    const word = (at: number): number => view.getUint16(at, true);
    const command = word(4);
    const kind = word(10);
    const bars = Array.from({ length: BARS }, (_, index) => {
      const value = view.getUint32(0x10 + 4 * index, true);
      const io = (value & 1) !== 0;
      return {
        index,
        kind: io ? ('io' as const) : ('memory' as const),
        address: io ? (value & ~3) >>> 0 : (value & ~15) >>> 0,
        enabled: (command & (io ? COMMAND.io : COMMAND.memory)) !== 0,
      };
    }).filter(({ kind: space, address }) => address !== 0 || space === 'io');
    return {
      bus: 0,
      device: devfn >> 3,
      function: devfn & 7,
      vendor: word(0),
      id: word(2),
      class: view.getUint32(8, true) >>> 8,
      name: CLASSES[kind] ?? 'device',
      command,
      status: word(6),
      interruptPin: config[0x3d] as number,
      interruptLine: config[0x3c] as number,
      bars,
      config,
    };
  });
}

export type PciReport = ReturnType<typeof pciReport>;
