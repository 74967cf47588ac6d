/**
 * Files that machines are made from: those of the host, by folder, and the library's own images, which are downloaded or handed over piece
 * by piece.
 */
import * as z from 'zod';
import { command } from './command.ts';
import { jobCancel, jobList, Sha256 } from './job-commands.ts';
import { MachineName } from './settings.ts';
import { nothing } from './values.ts';

/** What a file is, by its first bytes. `kernel`: Linux, PVH or multiboot; `archive`: an initial ramdisk, mostly. */
const fileKinds = ['kernel', 'iso', 'disk', 'floppy', 'boot-sector', 'archive', 'machine', 'folder', 'other'] as const;
export const FileKind = z.enum(fileKinds);
export type FileKind = z.output<typeof FileKind>;

const Path = z.string().min(1).max(4096);

/** Name of an image in the library: a file name that leads nowhere else. */
export const ImageName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$/, 'must be 1 to 128 letters, digits, dots, dashes, plus signs or underscores');

const Entry = z.strictObject({ name: z.string(), path: z.string(), folder: z.boolean(), bytes: z.number().nonnegative() });

export const hostFolder = command({
  name: 'host-folder',
  since: '0.1',
  doc: 'What is in a folder of the host, folders first; absent: the home folder. Hidden files are left out.',
  params: z.strictObject({ path: Path.optional() }),
  result: z.strictObject({ path: z.string(), parent: z.string().optional(), entries: z.array(Entry), more: z.boolean() }),
  errors: ['file-missing', 'file-unreadable'],
});

const Looked = z.strictObject({ path: z.string(), bytes: z.number().nonnegative(), kind: FileKind });

export const hostFile = command({
  name: 'host-file',
  since: '0.1',
  doc: 'What a file of the host is, by its first bytes.',
  params: z.strictObject({ path: Path }),
  result: Looked,
  errors: ['file-missing', 'file-unreadable'],
});

const Image = Looked.extend({
  name: ImageName,
  /** When it was written last, ISO 8601 in UTC. */
  modified: z.iso.datetime(),
  /** Of a disk image: its form, and the size of the disk that a guest sees. */
  format: z.enum(['qcow2', 'raw']).optional(),
  diskBytes: z.number().nonnegative().optional(),
  /** Machines whose settings name it. */
  usedBy: z.array(MachineName),
});
export type Image = z.output<typeof Image>;

/** What `image-download` goes on with when it is asked for the same again. */
const Unfinished = z.strictObject({
  name: ImageName,
  url: z.string(),
  bytes: z.number().nonnegative(),
  sha256: Sha256.optional(),
});

export const imageList = command({
  name: 'image-list',
  since: '0.1',
  doc: 'The images of the library, by name, and the downloads that are not whole yet.',
  params: nothing,
  result: z.strictObject({ folder: z.string(), images: z.array(Image), unfinished: z.array(Unfinished) }),
  errors: ['library-folder'],
});

export const imageRemove = command({
  name: 'image-remove',
  since: '0.1',
  doc: 'Delete an image of the library that no running machine uses. Deleting one that is not there succeeds.',
  params: z.strictObject({ name: ImageName }),
  result: nothing,
  errors: ['image-in-use', 'file-unwritable'],
});

/** Bytes of one piece that is handed over. */
export const maximumPieceBytes = 32 * 1024;

export const imageUpload = command({
  name: 'image-upload',
  since: '0.1',
  doc: 'Begin to hand over an image of so many bytes. One of the same name is replaced when the last piece has come.',
  params: z.strictObject({ name: ImageName, bytes: z.int().min(0) }),
  result: z.strictObject({ upload: z.int().positive() }),
  errors: ['file-unwritable', 'upload-limit'],
});

export const imageUploadPiece = command({
  name: 'image-upload-piece',
  since: '0.1',
  doc: 'The next bytes of an image that is handed over. After the last one its path is told.',
  params: z.strictObject({ upload: z.int().positive(), bytes: z.base64().max(Math.ceil(maximumPieceBytes / 3) * 4) }),
  result: z.strictObject({ received: z.int().nonnegative(), path: z.string().optional() }),
  errors: ['upload-unknown', 'file-unwritable'],
});

export const imageUploadCancel = command({
  name: 'image-upload-cancel',
  since: '0.1',
  doc: 'Give up handing over an image. Giving up one that is over succeeds.',
  params: z.strictObject({ upload: z.int().positive() }),
  result: nothing,
  errors: [],
});

export const imageDownload = command({
  name: 'image-download',
  since: '0.1',
  doc: 'Begin to download an image into the library. What an earlier attempt brought is kept where the server says that it is the same file.',
  params: z.strictObject({
    url: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).max(2048),
    name: ImageName,
    /** Checked before the image appears. */
    sha256: Sha256.optional(),
  }),
  result: z.strictObject({ job: z.int().positive() }),
  errors: ['job-limit', 'image-exists'],
});

const Bytes = z
  .int()
  .min(512)
  .max(2 ** 41)
  .multipleOf(512);
const ImageFormat = z.enum(['qcow2', 'raw']);

export const imageCreate = command({
  name: 'image-create',
  since: '0.1',
  doc: 'Make an empty disk in the library, and answer when it is whole. A job: `job-cancel` ends it.',
  params: z.strictObject({
    name: ImageName,
    format: ImageFormat.default('qcow2'),
    bytes: Bytes,
    /** Take all of its room on the host now, not as it fills. */
    preallocate: z.boolean().default(false),
  }),
  result: Image,
  errors: ['image-exists', 'job-cancelled', 'job-limit', 'image-work', 'file-unwritable'],
});

export const imageConvert = command({
  name: 'image-convert',
  since: '0.1',
  doc: 'Copy the disk of an image, with what it stands on, into a new image of the library, and answer when it is whole. A job: `job-cancel` ends it.',
  params: z.strictObject({
    from: Path,
    name: ImageName,
    format: ImageFormat.default('qcow2'),
    compress: z.boolean().default(false),
  }),
  result: Image,
  errors: ['image-exists', 'job-cancelled', 'job-limit', 'image-work', 'file-unwritable'],
});

export const imageDiscard = command({
  name: 'image-discard',
  since: '0.1',
  doc: 'Delete what an unfinished download has brought. Nothing there: succeeds.',
  params: z.strictObject({ name: ImageName }),
  result: nothing,
  errors: ['image-busy', 'file-unwritable'],
});

/** In the order in which help shows them. */
export const imageCommands = [
  hostFolder,
  hostFile,
  imageList,
  imageRemove,
  imageUpload,
  imageUploadPiece,
  imageUploadCancel,
  imageDownload,
  imageDiscard,
  imageCreate,
  imageConvert,
  jobList,
  jobCancel,
] as const;
