/** What a person can set about a machine's drives. */
import * as z from 'zod';

const snapshot = z.boolean().default(false).describe('What the guest writes is forgotten at the end.');

const Disk = z.strictObject({
  file: z.string().min(1),
  format: z.enum(['auto', 'raw', 'qcow2']).default('auto').describe('`auto` looks at the file.'),
  bus: z.enum(['ide']).default('ide'),
  readonly: z.boolean().default(false),
  snapshot,
});

/** A drive whose medium can be changed; without a file it is empty. */
const Removable = z.strictObject({ file: z.string().min(1).optional(), readonly: z.boolean().default(false) });

const Floppy = Removable.extend({ snapshot });

/** Places at the two IDE channels, for disks and CD drives together; floppy drives. */
const MAXIMUM = { ide: 4, floppies: 2 } as const;

export const storageSettings = {
  disks: z.array(Disk).max(MAXIMUM.ide, 'can be at most 4').default([]).describe('Disks, in the order of their channels.'),
  cdroms: z
    .array(Removable)
    .max(MAXIMUM.ide, 'can be at most 4')
    .default([])
    .describe('CD drives; one without a file is empty. Their media can be changed while the machine runs.'),
  floppies: z.array(Floppy).max(MAXIMUM.floppies, 'can be at most 2').default([]).describe('Floppy drives, likewise.'),
} as const;
