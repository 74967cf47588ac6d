/** What VMX offers: the capability MSRs as a guest with VMX, and the hypervisor under every guest, find them. */
import * as z from 'zod';
import { command } from './command.ts';
import { Hexadecimal, nothing } from './values.ts';

export const VmxCapabilities = z.strictObject({
  msrs: z.array(
    z.strictObject({
      index: Hexadecimal,
      /** As the manual calls it: `IA32_VMX_PINBASED_CTLS`. */
      name: z.string(),
      value: Hexadecimal,
      /** What it says besides, in words. */
      meaning: z.array(z.string()),
      /** What it decides about fields of a VMCS. */
      allowed: z
        .strictObject({
          fields: z.array(z.string()),
          /** Bits that must be 1 (allowed-0 settings), and bits that may be (allowed-1 settings). */
          ones: Hexadecimal,
          may: Hexadecimal,
          bits: z.array(z.strictObject({ at: z.int().min(0).max(63), name: z.string(), text: z.string() })),
        })
        .optional(),
    }),
  ),
});
export type VmxCapabilities = z.output<typeof VmxCapabilities>;

export const hostVmx = command({
  name: 'host-vmx',
  since: '0.1',
  doc: 'The capability MSRs of VMX on this processor, with what they allow of the fields of a VMCS, bit by bit.',
  params: nothing,
  result: VmxCapabilities,
  errors: ['vmx-unread'],
});
