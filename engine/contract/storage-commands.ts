/** Commands about the drives of a machine, and going on after the host had no room for them. */
import * as z from 'zod';
import { command } from './command.ts';
import { nothing } from './values.ts';

export const machineMedium = command({
  name: 'machine-medium',
  since: '0.1',
  doc: 'Put an image into a CD or floppy drive, or take the medium out. A tray that the guest has locked stays closed, unless by force.',
  allowedIn: ['running', 'paused'],
  params: z.strictObject({
    /** `cdrom`, `cdrom1`, `floppy`, `floppy1`. */
    drive: z.string().min(1).max(16),
    /** An absolute path; absent: the medium is taken out. */
    file: z.string().min(1).max(4096).optional(),
    readonly: z.boolean().default(false),
    force: z.boolean().default(false),
  }),
  result: nothing,
  errors: [
    'drive-unknown',
    'drive-locked',
    'file-missing',
    'file-unreadable',
    'file-unwritable',
    'image-locked',
    'image-format',
    'image-damaged',
    'image-encrypted',
    'image-backing',
  ],
});

export const machineCont = command({
  name: 'machine-cont',
  since: '0.1',
  doc: 'Go on after a pause, such as the one of a full host disk: what waited is tried again. A running machine runs on.',
  allowedIn: ['running', 'paused'],
  params: nothing,
  result: nothing,
  errors: [],
});

export const storageCommands = [machineMedium, machineCont] as const;
