/**
 * `machine.json`: what a machine folder says about its machine. Versioned and meant to be read and edited by people; whoever reads it
 * treats it as hostile.
 */
import * as z from 'zod';
import { MachineSettings } from './settings.ts';

/** Text a person gave: one line of 1 to 64 characters, no control characters. */
const Label = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(64, 'must be at most 64 characters')
  .regex(/^\P{Cc}*$/u, 'must not have control characters');

/** What a person can say about a machine besides its settings. */
export const MachineNotes = z.strictObject({
  title: Label.optional().describe('Shown instead of the name.'),
  notes: z.string().max(20_000, 'must be at most 20000 characters').default('').describe('Whatever a person wants to remember.'),
  tags: z.array(Label).max(32, 'must be at most 32').default([]).describe('Words by which the library is filtered.'),
  group: Label.optional().describe('Machines of a group stand together in the library.'),
});
export type MachineNotes = z.output<typeof MachineNotes>;

/** Settings without the name: that is the folder's. Relative paths start at the machine's folder. */
export const StoredSettings = MachineSettings.omit({ name: true }).extend({
  /** No terminal belongs to a machine of the library. */
  serial: MachineSettings.shape.serial
    .unwrap()
    .default('console')
    .describe('What COM1 is connected to; `console` keeps it for whoever connects, `file:PATH` writes it down.'),
  serial2: MachineSettings.shape.serial2.unwrap().default('console').describe('What COM2 is connected to, likewise.'),
});
export type StoredSettings = z.output<typeof StoredSettings>;

export const MachineFile = z.strictObject({
  format: z.literal('rootmode-machine'),
  version: z.literal(1),
  id: z.uuid().describe('Stays the same when the machine is renamed or moved; a copy gets a new one.'),
  created: z.iso.datetime().describe('When it was made, ISO 8601 in UTC.'),
  ...MachineNotes.shape,
  settings: StoredSettings,
});
export type MachineFile = z.output<typeof MachineFile>;

/** Largest machine.json that is read, in bytes. */
export const maximumMachineFileBytes = 1024 * 1024;
