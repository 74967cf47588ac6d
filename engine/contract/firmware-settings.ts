/** What a person can set about how a machine starts. */
import * as z from 'zod';

export const bootKinds = ['disk', 'floppy', 'cdrom'] as const;

export const firmwareSettings = {
  kernel: z
    .string()
    .min(1)
    .optional()
    .describe('A kernel that is started without firmware; absent: the firmware starts and boots from the drives.'),
  firmware: z.string().min(1).optional().describe('A firmware image in place of the built-in BIOS.'),
  variables: z
    .string()
    .min(1)
    .optional()
    .describe('For firmware that keeps variables: the file they are in; made of the one beside the firmware when it is missing.'),
  boot: z
    .strictObject({ order: z.array(z.enum(bootKinds)).min(1).max(bootKinds.length), menu: z.boolean() })
    .default({ order: [...bootKinds], menu: false })
    .describe('For the built-in BIOS: kinds of drives in the order in which they are tried, and whether it waits for F12.'),
} as const;
