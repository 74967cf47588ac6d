/** Forms of values that several commands use. */
import * as z from 'zod';

export const nothing = z.strictObject({});

/** A 64-bit or shorter value in lower case hexadecimal; with all its digits where the manuals print it so. */
export const Hexadecimal = z.string().regex(/^0x[0-9a-f]+$/);

/** An address or value: hexadecimal with `0x`, or decimal; below 2^64. */
export const Address = z
  .string()
  .regex(/^(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})$/, 'must be a number such as 0xffffffff81000000')
  .refine((text) => BigInt(text) < 2n ** 64n, 'has more than 64 bits');

export const Vcpu = z.int().nonnegative();
