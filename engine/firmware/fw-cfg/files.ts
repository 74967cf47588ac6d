/** What the machine tells firmware that is not ours, by the names QEMU's firmware asks for: the same facts our own BIOS uses. */

import type { BiosDiskPlace, BiosDrive } from '../bios/disk.ts';
import { ascii, join, littleEndian } from '../bytes.ts';
import { highRam, lowRam, type Platform } from '../platform.ts';
import { smbiosTables } from '../smbios.ts';
import { acpiFiles } from './acpi-files.ts';

const ANCHOR_BYTES = 31;
/** The structure table stands right behind the entry point, padded to this. */
const ANCHOR_ROOM = 32;
const RAM = 1;

const range = (start: number, length: number): Uint8Array =>
  join(littleEndian(start, 8), littleEndian(length, 8), littleEndian(RAM, 4));

/** Where the drives are, kind by kind in this order. */
export function placesInOrder(
  drives: readonly Pick<BiosDrive, 'kind' | 'place'>[],
  order: readonly BiosDrive['kind'][],
): readonly BiosDiskPlace[] {
  return order.flatMap((kind) => drives.filter((drive) => drive.kind === kind).map(({ place }) => place));
}

/** Open Firmware paths of drives, in the order in which they are to be tried. */
function bootOrder(places: readonly BiosDiskPlace[]): Uint8Array {
  const lines = places.map((place) =>
    place.bus === 'floppy'
      ? `/pci@i0cf8/isa@1/fdc@03f0/floppy@${place.unit}`
      : `/pci@i0cf8/ide@${place.devfn >>> 3},${place.devfn & 7}/drive@${place.channel}/disk@${place.unit}`,
  );
  return join(ascii(lines.join('\n')), Uint8Array.of(0));
}

export interface FirmwareFacts {
  readonly platform: Platform;
  readonly bootPlaces: readonly BiosDiskPlace[];
  /** How long a boot menu waits; 0: none. */
  readonly menuMilliseconds: number;
}

export function firmwareFiles({ platform, bootPlaces, menuMilliseconds }: FirmwareFacts): Readonly<Record<string, Uint8Array>> {
  const smbios = smbiosTables(platform, 0);
  const high = highRam(platform);
  return {
    ...acpiFiles(platform),
    'etc/e820': join(range(0, lowRam(platform)), ...(high > 0 ? [range(platform.ramHole.end, high)] : [])),
    'etc/smbios/smbios-anchor': smbios.subarray(0, ANCHOR_BYTES),
    'etc/smbios/smbios-tables': smbios.subarray(ANCHOR_ROOM),
    'etc/max-cpus': littleEndian(platform.cpus, 2),
    'etc/boot-menu-wait': littleEndian(menuMilliseconds, 4),
    ...(bootPlaces.length > 0 && { bootorder: bootOrder(bootPlaces) }),
  };
}
