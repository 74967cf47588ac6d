/** Storage controllers of the PC: the IDE function of the PIIX3, the floppy controller. */
import type { DmaChannel } from '../devices/dma-channel.ts';
import { i82077 } from '../devices/i82077/device.ts';
import { ide } from '../devices/ide/device.ts';
import type { PciBus } from '../devices/pci/bus.ts';
import type { Irqchip } from '../hypervisor/index.ts';
import type { MachineMemory } from '../memory/index.ts';
import { type DriveBay, IDE_DRIVES, VARIABLES_DRIVE } from './drives/queue.ts';

/** ISA interrupts of the two channels in legacy mode. */
const [PRIMARY, SECONDARY] = [14, 15];

const FLOPPY = 6;
const FLOPPY_CHANNEL = 2;

export interface StorageParts {
  /** Channels of the ISA DMA controllers. */
  readonly isaDma: (channel: number) => DmaChannel;
  readonly memory: MachineMemory;
  readonly irqchip: Irqchip;
  readonly bus: PciBus;
  readonly bay: DriveBay;
}

/** Attach the controllers, in an order that every thread keeps. */
export function attachStorage({ memory, irqchip, bus, bay, isaDma }: StorageParts) {
  const controller = ide.attach(memory, {
    name: 'ide',
    at: { primary: 0x1f0, primaryControl: 0x3f6, secondary: 0x170, secondaryControl: 0x376 },
    irqs: { primary: irqchip.line(PRIMARY), secondary: irqchip.line(SECONDARY) },
    needs: { drives: bay.drives.slice(0, IDE_DRIVES).map((drive) => drive?.line()) },
  });
  bus.plug(1, 1, controller.api.config);
  const floppy = i82077.attach(memory, {
    name: 'floppy',
    at: { regs: 0x3f0, input: 0x3f7 },
    irqs: { intr: irqchip.line(FLOPPY) },
    needs: {
      drives: bay.drives.slice(IDE_DRIVES, VARIABLES_DRIVE).map((drive) => drive?.line()),
      channel: isaDma(FLOPPY_CHANNEL),
    },
  });
  return {
    devices: [controller, floppy],
    trays: {
      locked: (drive: number) => controller.api.trayLocked(drive),
      lock: (drive: number, locked: boolean) => controller.api.lockTray(drive, locked),
    },
    askForTray: (drive: number): 'free' | 'locked' => {
      if (!controller.api.trayLocked(drive)) return 'free';
      controller.api.requestEject(drive);
      return 'locked';
    },
  };
}
