/** What a manager does that takes long: how far it is, and its end on request. Every window sees what every other one began. */
import * as z from 'zod';
import { command } from './command.ts';
import { Failure } from './failure.ts';
import { nothing } from './values.ts';

/** SHA-256 (FIPS 180-4) in hexadecimal. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');

/** Jobs that make an image of the library. */
const imageKinds = ['download', 'image-create', 'image-convert'] as const;
const jobKinds = ['create', 'copy', 'import', 'export', ...imageKinds] as const;

export const Job = z.strictObject({
  job: z.int().positive(),
  kind: z.enum(jobKinds),
  /** Name of the machine, image or file that is made. */
  title: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** Bytes so far, and in all where that is known. */
  done: z.number().nonnegative(),
  total: z.number().nonnegative().optional(),
  /** What an earlier attempt had brought. */
  resumed: z.number().nonnegative(),
  /** Where the result is, and its SHA-256. */
  path: z.string().optional(),
  sha256: Sha256.optional(),
  /** Why it failed. */
  problem: z.string().optional(),
  failure: Failure.optional(),
});
export type Job = z.output<typeof Job>;
export type JobKind = Job['kind'];

export const isImageKind = (kind: JobKind): boolean => (imageKinds as readonly JobKind[]).includes(kind);

export const jobList = command({
  name: 'job-list',
  since: '0.1',
  doc: 'What runs long, and what became of it: the newest first. The event `job-changed` tells how it goes on.',
  params: nothing,
  result: z.strictObject({ jobs: z.array(Job) }),
  errors: [],
});

export const jobCancel = command({
  name: 'job-cancel',
  since: '0.1',
  doc: 'End a job. It leaves nothing behind but what a download has brought; the command that began it fails with `job-cancelled`. Ending one that is over succeeds.',
  params: z.strictObject({ job: z.int().positive() }),
  result: nothing,
  errors: ['job-unknown'],
});

/** What a manager tells every window without being asked: `{"event":"job-changed","data":{...}}`. */
export const managerEventSchemas = {
  /** A machine was made, changed, moved, started or ended: `library-list` tells which. */
  'library-changed': z.strictObject({}),
  /** A job began, went on (a few times a second) or ended. */
  'job-changed': Job,
} as const;
