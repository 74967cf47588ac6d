/** What a person can set about a machine's drives. */
import * as z from 'zod';

const Disk = z.strictObject({
  file: z.string().min(1),
  /** `auto` looks at the file. */
  format: z.enum(['auto', 'raw', 'qcow2']).default('auto'),
  bus: z.enum(['ide']).default('ide'),
  readonly: z.boolean().default(false),
  /** What the guest writes is forgotten at the end. */
  snapshot: z.boolean().default(false),
});

/** A drive whose medium can be changed; without a file it is empty. */
const Removable = z.strictObject({ file: z.string().min(1).optional(), readonly: z.boolean().default(false) });

/** Places at the two IDE channels, for disks and CD drives together; floppy drives. */
const MAXIMUM = { ide: 4, floppies: 2 } as const;

export const storageSettings = {
  disks: z.array(Disk).max(MAXIMUM.ide, 'can be at most 4').default([]),
  cdroms: z.array(Removable).max(MAXIMUM.ide, 'can be at most 4').default([]),
  floppies: z.array(Removable).max(MAXIMUM.floppies, 'can be at most 2').default([]),
} as const;
