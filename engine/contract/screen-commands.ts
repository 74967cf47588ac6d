/** Commands about what a person sees of a machine and does to it: its screen, its keyboard, its sleep button. */
import { z } from 'zod';
import { command } from './command.ts';
import { nothing } from './values.ts';

export const machineScreenshot = command({
  name: 'machine-screenshot',
  since: '0.1',
  doc: 'The picture on the screen as a PNG file, base64.',
  allowedIn: ['running', 'paused'],
  params: nothing,
  result: z.strictObject({ width: z.int().positive(), height: z.int().positive(), png: z.base64() }),
  errors: ['screen-missing', 'machine-not-answering'],
});

export const machineScreenText = command({
  name: 'machine-screen-text',
  since: '0.1',
  doc: 'The characters on the screen while it shows a text mode; a graphics mode is an error.',
  allowedIn: ['running', 'paused'],
  params: nothing,
  result: z.strictObject({
    columns: z.int().positive(),
    /** Each of exactly `columns` characters. */
    lines: z.array(z.string()),
    cursor: z.strictObject({ column: z.int().nonnegative(), line: z.int().nonnegative() }).optional(),
  }),
  errors: ['screen-missing', 'screen-graphics', 'machine-not-answering'],
});

/** Most characters typed at once: a guest that reads slowly has them for minutes. */
const maximumTypedCharacters = 10_000;

export const machineType = command({
  name: 'machine-type',
  since: '0.1',
  doc: 'Type a text on the keyboard, as fast as the guest reads it. Answers when it is queued.',
  allowedIn: ['running'],
  params: z.strictObject({ text: z.string().max(maximumTypedCharacters) }),
  result: nothing,
  errors: ['text-untypable', 'keys-waiting', 'machine-not-answering'],
});

export const machineKey = command({
  name: 'machine-key',
  since: '0.1',
  doc: 'Press keys together and release them: names joined by `-`, such as ctrl-alt-del.',
  allowedIn: ['running'],
  params: z.strictObject({ keys: z.string().min(1).max(100) }),
  result: nothing,
  errors: ['key-unknown', 'keys-waiting', 'machine-not-answering'],
});

export const machineSleepButton = command({
  name: 'machine-sleep-button',
  since: '0.1',
  doc: 'Press the sleep button once: the guest decides what follows.',
  allowedIn: ['running'],
  params: nothing,
  result: nothing,
  errors: [],
});

/** In the order in which help shows them. */
export const screenCommands = [machineScreenshot, machineScreenText, machineType, machineKey, machineSleepButton] as const;
