/** Opening an image with everything behind it: format by its first bytes, backing files by their names, down to the last. */
import { EngineError } from '../base/index.ts';
import type { DiskImage, ImageFormat } from './image.ts';
import { checkQcow2 } from './qcow2/check.ts';
import { Incompatible, isQcow2, readHeader } from './qcow2/header.ts';
import { type Codec, Qcow2 } from './qcow2/image.ts';
import { openRaw } from './raw.ts';
import type { Storage } from './storage.ts';

/** What opening files needs of the host. */
export interface ImageHost {
  /** Fails with `file-missing`, `file-unreadable`, `file-unwritable`, `image-locked`. */
  open(path: string, how: 'read' | 'write'): Storage;
  /** The path that `name`, as an image at `from` names it, means. */
  resolve(from: string, name: string): string;
  /** The same for two paths of one file. */
  identity(path: string): string;
  readonly codec: Codec;
}

export interface OpenOptions {
  readonly format?: ImageFormat | 'auto';
  readonly readonly?: boolean;
  /** Leave the backing file alone: for tools that look at one file. Unallocated clusters read as zeros. */
  readonly alone?: boolean;
}

/** Backing files behind one image. */
const DEEPEST = 64;
/** First bytes of other formats, so that a disk of one of them is not taken for raw bytes. */
const FOREIGN: readonly (readonly [name: string, at: number, text: string])[] = [
  ['QED', 0, 'QED\0'],
  ['VMDK', 0, 'KDMV'],
  ['VMDK', 0, '# Disk DescriptorFile'],
  ['VHDX', 0, 'vhdxfile'],
  ['VDI', 64, '\x7f\x10\xda\xbe'],
  ['LUKS', 0, 'LUKS\xba\xbe'],
];

export type Probed = ImageFormat | { readonly foreign: string };

/** What a file is, by its first bytes: raw when they say nothing else. */
export function probe(storage: Storage): Probed {
  const start = new Uint8Array(512);
  storage.read(0, [start]);
  if (isQcow2(start)) return 'qcow2';
  for (const [foreign, at, text] of FOREIGN) {
    if ([...text].every((letter, i) => start[at + i] === letter.charCodeAt(0))) return { foreign };
  }
  return 'raw';
}

/** Open an image for use. A dirty one is counted anew first. Fails with the errors of `image-*` and `file-*`. */
export function openImage(host: ImageHost, path: string, options: OpenOptions = {}): DiskImage {
  return open(host, path, { options, above: [] });
}

interface Step {
  readonly options: OpenOptions;
  /** Identities of the images above, which this one must not be. */
  readonly above: readonly string[];
}

function open(host: ImageHost, path: string, { options, above }: Step): DiskImage {
  const storage = host.open(path, options.readonly ? 'read' : 'write');
  try {
    const wanted = options.format ?? 'auto';
    const format = wanted === 'auto' ? probe(storage) : wanted;
    if (typeof format === 'object') {
      if (format.foreign === 'LUKS') throw new EngineError('image-encrypted', { path });
      throw new EngineError('image-format', { path, reason: `it looks like ${format.foreign}` });
    }
    if (format === 'raw') return openRaw(storage, { readonly: options.readonly === true, guessed: wanted === 'auto' });
    const backing = options.alone ? undefined : openBacking(host, storage, [...above, host.identity(path)]);
    try {
      return openQcow2(storage, host.codec, { ...options, backing });
    } catch (failure) {
      backing?.close();
      throw failure;
    }
  } catch (failure) {
    storage.close();
    throw failure;
  }
}

function openQcow2(
  storage: Storage,
  codec: Codec,
  options: { readonly readonly?: boolean; readonly backing: DiskImage | undefined },
): Qcow2 {
  const image = new Qcow2(storage, { ...options, codec });
  if (!image.readonly && image.header.incompatible & Incompatible.dirty) {
    checkQcow2(image, 'all');
    image.header.incompatible &= ~Incompatible.dirty;
    image.writeHeader();
    storage.flush();
  }
  return image;
}

function openBacking(host: ImageHost, storage: Storage, above: readonly string[]): DiskImage | undefined {
  const { backing } = readHeader(storage);
  if (backing === undefined) return undefined;
  const { path } = storage;
  const fail = (reason: string, cause?: unknown): never => {
    throw new EngineError('image-backing', { path, backing: backing.file, reason }, { cause });
  };
  if (/^[a-z][a-z0-9+.-]+:/i.test(backing.file) && !backing.file.startsWith('file:')) fail('only files of this host can be used');
  const file = host.resolve(path, backing.file.replace(/^file:/, ''));
  if (above.length > DEEPEST) fail(`there are more than ${DEEPEST} behind each other`);
  if (above.includes(host.identity(file))) fail('it stands on itself');
  const known = backing.format === 'raw' || backing.format === 'qcow2';
  if (backing.format !== undefined && !known) fail(`its format ${backing.format} is not known`);
  try {
    const format = known ? (backing.format as ImageFormat) : 'auto';
    return open(host, file, { options: { readonly: true, format }, above });
  } catch (failure) {
    if (failure instanceof EngineError && failure.code === 'file-missing') fail('it does not exist', failure);
    throw failure;
  }
}
