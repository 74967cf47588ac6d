/** Where the drives of a machine are. Apart from the settings' schemas, so that threads which only ask this load no parser. */
import type * as z from 'zod';
import type { storageSettings } from './storage-settings.ts';

/** A medium as a drive takes it. */
export interface MediumSettings {
  readonly file: string;
  readonly format: 'auto' | 'raw' | 'qcow2';
  readonly readonly: boolean;
  readonly snapshot: boolean;
}

/** One drive of a machine. */
export interface DrivePlan {
  /** What commands call it: `disk`, `disk1`, `cdrom`, `floppy`. */
  readonly name: string;
  readonly kind: 'disk' | 'cdrom' | 'floppy';
  /** Absent: the drive is empty. */
  readonly medium?: MediumSettings;
}

type Drives = { readonly [K in keyof typeof storageSettings]: z.output<(typeof storageSettings)[K]> } & {
  readonly variables?: string | undefined;
};

/** Where CD drives go first, and disks: a CD drive is master of the second channel, as on most PCs. */
const [CD_PLACES, DISK_PLACES] = [
  [2, 3, 1, 0],
  [0, 1, 3, 2],
] as const;

/**
 * The drives by place: 0 to 3 at the IDE channels, 4 and 5 at the floppy controller, 6 the file of the firmware's variables; undefined where
 * there is none or no place is left.
 */
export function drivePlan({ disks, cdroms, floppies, variables }: Drives): (DrivePlan | undefined)[] {
  const plan: (DrivePlan | undefined)[] = new Array<undefined>(7).fill(undefined);
  const put = (places: readonly number[], drive: DrivePlan) => {
    const place = places.find((one) => plan[one] === undefined);
    if (place !== undefined) plan[place] = drive;
  };
  const nameOf = (kind: string, i: number) => (i === 0 ? kind : `${kind}${i}`);
  const removable = (
    kind: 'cdrom' | 'floppy',
    i: number,
    { file, readonly, snapshot = false }: { file?: string | undefined; readonly: boolean; snapshot?: boolean },
  ): DrivePlan => {
    const medium = file === undefined ? undefined : { ...removableMedium(kind, file, readonly), snapshot };
    return { name: nameOf(kind, i), kind, ...(medium && { medium }) };
  };
  cdroms.forEach((one, i) => {
    put(CD_PLACES, removable('cdrom', i, one));
  });
  disks.forEach(({ file, format, readonly, snapshot }, i) => {
    put(DISK_PLACES, { name: nameOf('disk', i), kind: 'disk', medium: { file, format, readonly, snapshot } });
  });
  floppies.forEach((one, i) => {
    put([4, 5], removable('floppy', i, one));
  });
  if (variables !== undefined) {
    const medium = { file: variables, format: 'raw', readonly: false, snapshot: false } as const;
    put([6], { name: 'variables', kind: 'disk', medium });
  }
  return plan;
}

/** A file put into a CD or floppy drive: CDs are read, never written, and neither is guessed to be anything but bytes. */
export function removableMedium(kind: 'cdrom' | 'floppy', file: string, readonly: boolean): MediumSettings {
  return { file, format: kind === 'cdrom' ? 'auto' : 'raw', readonly: readonly || kind === 'cdrom', snapshot: false };
}
