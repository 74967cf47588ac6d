/**
 * The form of messages on a byte stream: one JSON object per line, UTF-8, ended by a line feed.
 *
 *     > {"execute":"machine-status","arguments":{},"id":1}
 *     < {"return":{...},"id":1}   or   {"error":{"class":"vcpu-not-found","desc":"...","data":{...}},"id":1}
 *
 * The server greets with one line `{"rootmode":{"version":"...","machine":"..."}}`.
 */
import * as z from 'zod';

/** Longest request line in bytes, line feed excluded. No command needs a hundredth of it. */
export const maximumRequestBytes = 64 * 1024;
/** Longest line a client accepts. */
export const maximumResponseBytes = 16 * 1024 * 1024;

const Id = z.union([z.int(), z.string().max(128)]);

export const WireRequest = z.strictObject({
  execute: z.string().max(64),
  arguments: z.record(z.string(), z.unknown()).optional(),
  id: Id.optional(),
});
export type WireRequest = z.output<typeof WireRequest>;

const WireError = z.object({ class: z.string(), desc: z.string(), data: z.record(z.string(), z.unknown()) });
export type WireError = z.output<typeof WireError>;

export const WireResponse = z.union([
  z.object({ return: z.unknown(), id: Id.optional() }).refine((message) => message.return !== undefined),
  z.object({ error: WireError, id: Id.optional() }),
]);
export type WireResponse = z.output<typeof WireResponse>;

export const WireGreeting = z.object({ rootmode: z.object({ version: z.string(), machine: z.string() }) });
