/** What a host offers to machines. */
import * as z from 'zod';
import { cpuModels } from './settings.ts';

export const HostCapabilities = z.strictObject({
  accelerators: z.array(
    z.strictObject({
      name: z.string(),
      available: z.boolean(),
      /** What it is when available, otherwise the reason why not. */
      text: z.string(),
    }),
  ),
  /** Logical processors of the host that may be used. */
  processors: z.int().positive(),
  hostMemoryKiB: z.int().positive(),
  /** Limits of one machine's memory here. */
  guestMemoryKiB: z.strictObject({ minimum: z.int().positive(), maximum: z.int().nonnegative() }),
  cpuModels: z.array(z.enum(cpuModels)),
});
export type HostCapabilities = z.output<typeof HostCapabilities>;
