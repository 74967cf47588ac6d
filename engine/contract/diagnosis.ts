/** What `rootmode doctor` finds out about the host and this installation. */
import * as z from 'zod';

export const Finding = z.strictObject({
  /** What was looked at, in a word or two. */
  area: z.string(),
  /** `note`: works, but less is on offer. `fail`: machines will not run, or not keep what they have. */
  state: z.enum(['ok', 'note', 'fail']),
  text: z.string(),
  /** What to do; present where something can be done. */
  remedy: z.string().optional(),
});
export type Finding = z.output<typeof Finding>;
