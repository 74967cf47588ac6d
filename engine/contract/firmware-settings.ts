/** What a person can set about how a machine starts. */
import * as z from 'zod';

export const bootKinds = ['disk', 'floppy', 'cdrom'] as const;

export const firmwareSettings = {
  /** A kernel that is started without firmware; absent: the firmware starts and boots from the drives. */
  kernel: z.string().min(1).optional(),
  /** A firmware image in place of the built-in BIOS. */
  firmware: z.string().min(1).optional(),
  /** For the built-in BIOS: kinds of drives in the order in which they are tried, and whether it waits for F12. */
  boot: z
    .strictObject({ order: z.array(z.enum(bootKinds)).min(1).max(bootKinds.length), menu: z.boolean() })
    .default({ order: [...bootKinds], menu: false }),
} as const;
