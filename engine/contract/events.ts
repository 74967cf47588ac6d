/**
 * What an engine tells without being asked, to peers that subscribed: one line `{"event":"serial-output","data":{...}}` each.
 */
import * as z from 'zod';
import { command } from './command.ts';
import { Stopped } from './stops.ts';

export const eventSchemas = {
  /** The guest wrote to a serial port whose target is the console. */
  'serial-output': z.strictObject({
    /** 0 is COM1. */
    port: z.int().nonnegative(),
    bytes: z.base64(),
    /** True for what the guest had written before the subscription, which comes first. */
    history: z.boolean(),
  }),
  /** The machine stands still, or goes on (`stopped` absent). The first one says what it does at the subscription. */
  'machine-stopped': z.strictObject({ stopped: Stopped.optional() }),
  /** The guest's speaker plays this from now on; 0: nothing. The first one says what it plays at the subscription. */
  'speaker-tone': z.strictObject({ hertz: z.number().nonnegative() }),
} as const;

export type EventName = keyof typeof eventSchemas;
const eventNames = Object.keys(eventSchemas) as [EventName, ...EventName[]];

export const eventsSubscribe = command({
  name: 'events-subscribe',
  since: '0.1',
  doc: 'From now on tell this connection of these events, until it is closed. Subscribing twice changes nothing.',
  params: z.strictObject({ events: z.array(z.enum(eventNames)).min(1) }),
  result: z.strictObject({}),
  errors: [],
});

/** A line that is no answer. */
export const WireEvent = z.object({ event: z.string(), data: z.record(z.string(), z.unknown()) });
export type WireEvent = z.output<typeof WireEvent>;
