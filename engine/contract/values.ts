/** Forms of values that several commands use. */
import { z } from 'zod';

export const nothing = z.strictObject({});

/** A 64-bit or shorter value in lower case hexadecimal; with all its digits where the manuals print it so. */
export const Hexadecimal = z.string().regex(/^0x[0-9a-f]+$/);
