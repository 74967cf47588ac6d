/** The machine's drives as its BIOS sees them: the bay's, through the BIOS's own places at them. */
import { biosDrive } from '../../devices/bios-drive/device.ts';
import type { Device } from '../../devices/device.ts';
import type { BiosDiskPlace, BiosDrive } from '../../firmware/bios/disk.ts';
import type { MachineMemory } from '../../memory/index.ts';
import { type DriveBay, IDE_DRIVES, VARIABLES_DRIVE } from './queue.ts';

const CHANNELS = [
  { commandPort: 0x1f0, controlPort: 0x3f6, irq: 14 },
  { commandPort: 0x170, controlPort: 0x376, irq: 15 },
] as const;
/** The IDE function of the ISA bridge. */
const IDE_DEVFN = 9;

function placeOf(d: number): BiosDiskPlace {
  if (d >= IDE_DRIVES) return { bus: 'floppy', unit: d === IDE_DRIVES ? 0 : 1 };
  const channel = d < 2 ? 0 : 1;
  return { bus: 'ide', channel, unit: d % 2 === 0 ? 0 : 1, devfn: IDE_DEVFN, ...CHANNELS[channel] };
}

export interface BiosDrives {
  readonly devices: readonly Device[];
  readonly drives: readonly BiosDrive[];
}

export interface Trays {
  locked(drive: number): boolean;
  lock(drive: number, locked: boolean): void;
}

export function attachBiosDrives(memory: MachineMemory, bay: DriveBay, trays: Trays): BiosDrives {
  const attached = bay.drives.slice(0, VARIABLES_DRIVE).flatMap((drive, d) => {
    if (drive === undefined) return [];
    const [, lane] = drive.lanes;
    const line = {
      ...drive.line(),
      submit: lane.submit.bind(lane),
      cancel: lane.cancel.bind(lane),
      onDone: lane.onDone.bind(lane),
    };
    const device = biosDrive.attach(memory, { name: `bios-drive${d}`, irqs: {}, needs: { lines: [line] } });
    const sectorBytes = drive.kind === 'cdrom' ? 2048 : 512;
    const seen: BiosDrive = {
      kind: drive.kind,
      place: placeOf(d),
      title: drive.title,
      medium: () => {
        const { present, bytes, readonly } = drive.medium();
        return present ? { sectorBytes, sectors: Math.floor(bytes / sectorBytes), readonly } : undefined;
      },
      mediumChanges: () => drive.changes() & 0xffff,
      start: ({ kind, sector, count, gpa }) =>
        device.api.start({ op: kind, offset: sector * sectorBytes, bytes: count * sectorBytes, gpa }),
      poll: () => {
        const result = device.api.poll();
        return result === 'failed' ? 'medium' : result;
      },
      eject: (open) => {
        if (!open || trays.locked(d)) return !open;
        drive.eject();
        return true;
      },
      lock: (locked) => trays.lock(d, locked),
      get locked() {
        return trays.locked(d);
      },
    };
    return [{ device: device as unknown as Device, seen }];
  });
  return { devices: attached.map(({ device }) => device), drives: attached.map(({ seen }) => seen) };
}
