/** Commands about the serial ports of a machine: what is typed there, and files that keep what the guest writes. */
import * as z from 'zod';
import { command } from './command.ts';
import { nothing } from './values.ts';

/** Bytes as base64 (RFC 4648, section 4). */
const Base64 = z.base64().max(48 * 1024, 'must be at most 49152 characters');
/** 0 is COM1, 1 is COM2. */
const SerialPort = z.union([z.literal(0), z.literal(1)]);

export const serialWrite = command({
  name: 'serial-write',
  since: '0.1',
  doc: 'Send bytes to a serial port of the guest as if they came over its line. Needs the serial target `console`.',
  allowedIn: ['running'],
  params: z.strictObject({ port: SerialPort.default(0), bytes: Base64 }),
  result: nothing,
  errors: ['serial-target'],
});

export const serialPorts = command({
  name: 'serial-ports',
  since: '0.1',
  doc: 'The serial ports of the machine: what they are connected to, and the files that keep what the guest writes.',
  params: nothing,
  result: z.strictObject({
    ports: z.array(
      z.strictObject({
        port: SerialPort,
        /** As in the settings. */
        target: z.string(),
        /** What keeps its output as well; absent: nothing does. */
        log: z.string().optional(),
      }),
    ),
  }),
  errors: [],
});

export const serialLog = command({
  name: 'serial-log',
  since: '0.1',
  doc: 'Add what the guest writes to a serial port from now on to a file as well, or end that.',
  allowedIn: ['running', 'paused'],
  params: z.strictObject({
    port: SerialPort.default(0),
    /** Where; relative paths start at the folder of the machine. Absent: it ends. */
    file: z.string().min(1).max(4096).optional(),
  }),
  result: z.strictObject({ file: z.string().optional() }),
  errors: ['file-unwritable'],
});

export const serialCommands = [serialWrite, serialPorts, serialLog] as const;
