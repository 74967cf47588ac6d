/** Commands about what a person sees of a machine and does to it: its screen, its keyboard, its sleep button. */
import * as z from 'zod';
import { command } from './command.ts';
import { screenShown, screenStream } from './screen-stream.ts';
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

/** Farthest move at once, in dots. */
const maximumDistance = 4096;
const pointerButton = z.enum(['left', 'right', 'middle']);

export const machinePointer = command({
  name: 'machine-pointer',
  since: '0.1',
  doc: 'Move the pointer, turn its wheel, hold and release its buttons. Says whether the guest takes positions.',
  allowedIn: ['running'],
  params: z.strictObject({
    /** In dots of the picture: to a place, or further to the right and down. */
    move: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('to'), x: z.int().nonnegative(), y: z.int().nonnegative() }),
        z.strictObject({
          kind: z.literal('by'),
          x: z.int().min(-maximumDistance).max(maximumDistance),
          y: z.int().min(-maximumDistance).max(maximumDistance),
        }),
      ])
      .optional(),
    /** Notches, towards the person positive. */
    wheel: z.int().min(-100).max(100).optional(),
    /** Held from now on; absent: as before. */
    buttons: z.array(pointerButton).max(3).optional(),
  }),
  result: z.strictObject({ positions: z.boolean() }),
  errors: ['pointer-relative', 'pointer-unheard', 'screen-missing', 'machine-not-answering'],
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

/** Most keys of one message: what fingers do between two of them. */
const maximumKeys = 64;
const Counts = z.int().min(-4096).max(4096).default(0);

export const machineInput = command({
  name: 'machine-input',
  since: '0.1',
  doc: 'Keys go down and up, and the mouse moves, as under a person’s hands. Answers when it is queued.',
  allowedIn: ['running'],
  params: z.strictObject({
    keys: z
      .array(
        z.strictObject({
          /** The key’s place, by its code in W3C UI Events: `KeyA`, `ShiftLeft`. Keys that a PC has not are left out. */
          key: z.string().max(32),
          down: z.boolean(),
        }),
      )
      .max(maximumKeys)
      .default([]),
    /** Relative motion, in counts of the mouse. */
    pointer: z
      .strictObject({
        /** To the right, and towards the person. */
        x: Counts,
        y: Counts,
        /** Notches, towards the person. */
        wheel: Counts,
        /** Held now: 1 left, 2 right, 4 middle, 8 and 16 the side buttons. */
        buttons: z.int().min(0).max(31).default(0),
      })
      .optional(),
  }),
  result: nothing,
  errors: ['keys-waiting'],
});

/** In the order in which help shows them. */
export const screenCommands = [
  machineScreenshot,
  machineScreenText,
  screenStream,
  screenShown,
  machineType,
  machineKey,
  machinePointer,
  machineInput,
  machineSleepButton,
] as const;
