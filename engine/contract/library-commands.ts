/**
 * The commands of a manager: the library of machines and the host they run on. A manager serves every machine, so commands name theirs.
 */
import * as z from 'zod';
import { HostCapabilities } from './capabilities.ts';
import { command } from './command.ts';
import { Failure } from './failure.ts';
import { ImageName, imageCommands } from './image-commands.ts';
import { LogEntry } from './log-entries.ts';
import { MachineNotes, StoredSettings } from './machine-file.ts';
import { MachineName } from './settings.ts';
import { hostVmx } from './vmx-capabilities.ts';

const nothing = z.strictObject({});
const named = z.strictObject({ name: MachineName });
/** What `library-remove` gave. */
const Token = z.strictObject({ token: z.string().max(128) });

/** A machine as the library shows it. */
export const MachineSummary = z.strictObject({
  name: MachineName,
  /** Where its files are. */
  folder: z.string(),
  /** Process that runs it; absent while nobody does. */
  pid: z.int().positive().optional(),
  /** The process that ran it last ended without a word: it was killed, or it crashed. */
  crashed: z.boolean().optional(),
  /** A manager copies or packs it: it cannot be started or changed until then. */
  busy: z.boolean().optional(),
  /** Why its machine.json cannot be used; then there are no settings. */
  problem: z.string().optional(),
  failure: Failure.optional(),
  id: z.uuid().optional(),
  created: z.iso.datetime().optional(),
  title: z.string().optional(),
  notes: z.string().optional(),
  tags: z.array(z.string()).optional(),
  group: z.string().optional(),
  settings: StoredSettings.optional(),
});
export type MachineSummary = z.output<typeof MachineSummary>;

export const libraryList = command({
  name: 'library-list',
  since: '0.1',
  doc: 'Every machine of the library, by name, damaged ones with their problem.',
  params: nothing,
  result: z.strictObject({ folder: z.string(), machines: z.array(MachineSummary) }),
  errors: ['library-folder'],
});

export const libraryCreate = command({
  name: 'library-create',
  since: '0.1',
  doc: 'Make a machine. It is there whole or not at all.',
  params: z.strictObject({
    name: MachineName,
    ...MachineNotes.shape,
    settings: StoredSettings,
    /** Files made in the machine's folder, raw and empty; they take room on the host as the guest writes, unless told otherwise. */
    emptyDisks: z
      .array(
        z.strictObject({
          file: ImageName,
          bytes: z
            .int()
            .min(512)
            .max(2 ** 41)
            .multipleOf(512),
          /** Take all of its room now; the machine is there when that is done. A job: `job-cancel` ends it. */
          preallocate: z.boolean().default(false),
        }),
      )
      .max(4)
      .default([]),
  }),
  result: MachineSummary,
  errors: ['machine-exists', 'file-unwritable', 'job-cancelled', 'job-limit'],
});

export const libraryChange = command({
  name: 'library-change',
  since: '0.1',
  doc: 'Change notes and settings of a machine that does not run. What is not named stays; null takes away what was said.',
  params: z.strictObject({
    name: MachineName,
    title: MachineNotes.shape.title.nullable(),
    notes: z.string().max(20_000).optional(),
    tags: MachineNotes.shape.tags.unwrap().optional(),
    group: MachineNotes.shape.group.nullable(),
    /** Checked together with what stays; null is the setting of a new machine. */
    settings: z.record(z.string(), z.unknown()).optional(),
  }),
  result: MachineSummary,
  errors: ['machine-unknown', 'machine-locked', 'machine-busy', 'machine-folder', 'setting-invalid', 'file-unwritable'],
});

export const libraryImport = command({
  name: 'library-import',
  since: '0.1',
  doc: 'Copy a machine folder from elsewhere into the library, with the files in it, or unpack the archive of a machine. A job: `job-cancel` ends it.',
  params: z.strictObject({
    path: z.string().min(1).max(4096),
    to: MachineName,
    /** Of a folder: take it in although it names files outside of itself, which the guest can then read and may change. */
    allowOutside: z.boolean().default(false),
  }),
  result: MachineSummary,
  errors: [
    'machine-exists',
    'machine-folder',
    'machine-locked',
    'machine-busy',
    'machine-archive',
    'machine-outside',
    'job-cancelled',
    'job-limit',
    'file-missing',
    'file-unreadable',
    'file-unwritable',
  ],
});

export const libraryExport = command({
  name: 'library-export',
  since: '0.1',
  doc: 'Pack a machine that does not run into one file, with every file that its settings name. A job: `job-cancel` ends it.',
  params: z.strictObject({ name: MachineName, path: z.string().min(1).max(4096) }),
  result: nothing,
  errors: [
    ...(['machine-unknown', 'machine-locked', 'machine-busy', 'machine-folder', 'machine-unportable'] as const),
    ...(['file-missing', 'file-unreadable', 'file-unwritable', 'job-cancelled', 'job-limit'] as const),
  ],
});

export const libraryRename = command({
  name: 'library-rename',
  since: '0.1',
  doc: 'Give a machine that does not run another name; its folder moves.',
  params: z.strictObject({ name: MachineName, to: MachineName }),
  result: MachineSummary,
  errors: ['machine-unknown', 'machine-exists', 'machine-locked', 'machine-busy', 'file-unwritable'],
});

export const libraryCopy = command({
  name: 'library-copy',
  since: '0.1',
  doc: 'Copy a machine that does not run, with the files in its folder. A job: `job-cancel` ends it.',
  params: z.strictObject({ name: MachineName, to: MachineName }),
  result: MachineSummary,
  errors: [
    ...(['machine-unknown', 'machine-exists', 'machine-locked', 'machine-busy', 'machine-folder'] as const),
    ...(['file-unreadable', 'file-unwritable', 'job-cancelled', 'job-limit'] as const),
  ],
});

export const libraryRemove = command({
  name: 'library-remove',
  since: '0.1',
  doc: 'Put a machine that does not run away. Its files stay until `library-forget`; the token undoes it.',
  params: named,
  result: z.strictObject({ token: z.string(), name: MachineName }),
  errors: ['machine-unknown', 'machine-locked', 'machine-busy', 'file-unwritable'],
});

export const libraryRemoved = command({
  name: 'library-removed',
  since: '0.1',
  doc: 'Machines that were removed and can be restored.',
  params: nothing,
  result: z.strictObject({ machines: z.array(z.strictObject({ token: z.string(), name: MachineName })) }),
  errors: [],
});

export const libraryRestore = command({
  name: 'library-restore',
  since: '0.1',
  doc: 'Bring a removed machine back.',
  params: Token,
  result: MachineSummary,
  errors: ['machine-unknown', 'machine-exists', 'file-unwritable'],
});

export const libraryForget = command({
  name: 'library-forget',
  since: '0.1',
  doc: 'Delete a removed machine and all files in its folder for good.',
  params: Token,
  result: nothing,
  errors: ['machine-unknown'],
});

export const libraryStart = command({
  name: 'library-start',
  since: '0.1',
  doc: 'Start a machine in a process of its own and answer when its guest runs. The process outlives whoever asked.',
  params: named,
  result: z.strictObject({ pid: z.int().positive() }),
  errors: ['machine-unknown', 'machine-locked', 'machine-busy', 'machine-folder', 'machine-start'],
});

export const libraryLog = command({
  name: 'library-log',
  since: '0.1',
  doc: 'The last lines that the machine’s process wrote about itself, and why it failed when it said so.',
  params: z.strictObject({ name: MachineName, lines: z.int().min(1).max(1000).default(50) }),
  result: z.strictObject({
    lines: z.array(z.string()),
    /** The same, entry by entry. */
    entries: z.array(LogEntry),
    failure: Failure.optional(),
  }),
  errors: ['machine-unknown', 'file-unreadable'],
});

export const hostCapabilities = command({
  name: 'host-capabilities',
  since: '0.1',
  doc: 'What this host offers to machines, and why not when not.',
  params: nothing,
  result: HostCapabilities,
  errors: [],
});

/** Everything a manager serves. */
export const libraryThumbnail = command({
  name: 'library-thumbnail',
  since: '0.1',
  doc: 'The last small picture of a machine’s screen, renewed while it runs; nothing when its screen was never seen.',
  params: z.strictObject({ name: MachineName }),
  result: z.strictObject({
    thumbnail: z.strictObject({ png: z.base64(), /** Milliseconds since 1970. */ taken: z.number() }).optional(),
  }),
  errors: ['machine-unknown'],
});

export const managerCommands = [
  libraryList,
  libraryCreate,
  libraryChange,
  libraryImport,
  libraryExport,
  libraryRename,
  libraryCopy,
  libraryRemove,
  libraryRemoved,
  libraryRestore,
  libraryForget,
  libraryStart,
  libraryLog,
  libraryThumbnail,
  hostCapabilities,
  hostVmx,
  ...imageCommands,
] as const;
