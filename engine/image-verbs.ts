/** `rootmode image`: images made, looked at, checked and changed. */
import { rmSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { EngineError } from './base/index.ts';
import { openImage, probe } from './block/chain.ts';
import type { DiskImage, ImageFormat } from './block/image.ts';
import { commitJob, copyJob, fillJob, type Job, rebaseJob } from './block/jobs.ts';
import { allocatedBytes, checkQcow2, type Repair } from './block/qcow2/check.ts';
import { createQcow2 } from './block/qcow2/create.ts';
import { Qcow2 } from './block/qcow2/image.ts';
import { resizeQcow2 } from './block/qcow2/resize.ts';
import { applySnapshot, createSnapshot, deleteSnapshot, listSnapshots } from './block/qcow2/snapshots.ts';
import { wallClockMilliseconds } from './host/clock.ts';
import { openImageFile } from './host/image-file.ts';
import { onSignals, turn } from './host/process.ts';
import { imageHost } from './media.ts';
import { bytesOf, clusterBytesOf, infoText, oneOf, snapshotText, startProgress } from './servers/image-text.ts';

/** 130: interrupted, as by SIGINT. 3: leaks, 1: damage. */
export interface Outcome {
  readonly text: string;
  readonly status: number;
}

export interface FormatWords {
  readonly format?: string;
  readonly backing?: string;
  readonly backingFormat?: string;
  readonly clusterSize?: string;
  readonly compression?: string;
  readonly lazyRefcounts?: boolean;
  readonly formatVersion?: string;
  readonly preallocation?: string;
  readonly progress?: string;
}

const OWNER = '`rootmode image`';
const host = imageHost(OWNER);
const done = (text = ''): Outcome => ({ text, status: 0 });

export async function create(file: string, size: string | undefined, words: FormatWords): Promise<Outcome> {
  const format = formatOf(words.format ?? 'qcow2');
  const filled = oneOf('--preallocation', words.preallocation ?? 'off', ['off', 'full']) === 'full';
  let bytes = size === undefined ? undefined : bytesOf('SIZE', size);
  if (words.backing !== undefined) {
    // Its own size, unless another is said; and that it can be opened at all.
    const backing = openImage(host, host.resolve(file, words.backing), {
      readonly: true,
      format: backingFormat(words) ?? 'auto',
    });
    bytes ??= backing.bytes;
    backing.close();
  }
  if (bytes === undefined) throw new EngineError('usage', { command: 'rootmode image create', reason: 'The size is missing' });
  if (filled && words.backing !== undefined)
    throw new EngineError('usage', {
      command: 'rootmode image create',
      reason: 'An image that stands on another cannot be filled: it would hide that',
    });
  makeEmpty(file, format, { bytes, words });
  return filled ? fill(file, format, words) : done();
}

async function fill(file: string, format: ImageFormat, words: FormatWords): Promise<Outcome> {
  return wholeOrGone(file, () => drivenInto(file, format, (image) => drive(fillJob(image), 'making', words)));
}

/** What was made in part is of no use to anybody, whatever came between. */
async function wholeOrGone(file: string, make: () => Promise<boolean>): Promise<Outcome> {
  let whole = false;
  try {
    whole = await make();
    return whole ? done() : interrupted(`${file} was removed`);
  } finally {
    if (!whole) rmSync(file, { force: true });
  }
}

/** Closing writes what was kept back: it can fail as well. */
async function drivenInto(file: string, format: ImageFormat, act: (image: DiskImage) => Promise<boolean>): Promise<boolean> {
  const image = openImage(host, file, { format });
  try {
    return await act(image);
  } finally {
    image.close();
  }
}

interface EmptyImage {
  readonly bytes: number;
  readonly words: FormatWords;
}

/** An existing file is emptied; what goes wrong leaves no half of an image. */
function makeEmpty(file: string, format: ImageFormat, { bytes, words }: EmptyImage): void {
  const storage = openImageFile(file, 'create', OWNER);
  try {
    if (format === 'raw') {
      if (words.backing !== undefined)
        throw new EngineError('usage', { command: 'rootmode image create', reason: 'A raw image has no backing file' });
      storage.resize(bytes);
    } else {
      const version = oneOf('--format-version', words.formatVersion ?? '3', ['2', '3']) === '2' ? 2 : 3;
      createQcow2(storage, {
        size: bytes,
        version,
        clusterBytes: clusterBytesOf(words.clusterSize ?? '64K'),
        compression: oneOf('--compression', words.compression ?? 'zlib', ['zlib', 'zstd']),
        lazyRefcounts: words.lazyRefcounts === true,
        ...(words.backing !== undefined && { backing: { file: words.backing, format: namedBackingFormat(file, words) } }),
      });
    }
    storage.close();
  } catch (failure) {
    storage.close();
    rmSync(file, { force: true });
    throw failure;
  }
}

function backingFormat(words: FormatWords): ImageFormat | undefined {
  return words.backingFormat === undefined ? undefined : formatOf(words.backingFormat);
}

/** The format stands in the image, so that nobody has to guess it again. */
function namedBackingFormat(file: string, words: FormatWords): string {
  const named = backingFormat(words);
  if (named !== undefined) return named;
  const storage = host.open(host.resolve(file, words.backing ?? ''), 'read');
  try {
    const found = probe(storage);
    return typeof found === 'string' ? found : 'raw';
  } finally {
    storage.close();
  }
}

function formatOf(word: string): ImageFormat {
  return oneOf('--format', word, ['raw', 'qcow2']);
}

export function info(file: string, { json = false } = {}): Outcome {
  const storage = host.open(file, 'read');
  const allocated = storage.allocated();
  storage.close();
  const image = openImage(host, file, { readonly: true, alone: true });
  try {
    const facts = {
      file,
      format: image.format,
      diskBytes: image.bytes,
      hostBytes: allocated,
      ...(image instanceof Qcow2 && {
        version: image.header.version,
        clusterBytes: image.header.clusterBytes,
        compression: image.header.compression,
        lazyRefcounts: image.lazy,
        dirty: (image.header.incompatible & 1) !== 0,
        corrupt: (image.header.incompatible & 2) !== 0,
        allocatedBytes: allocatedBytes(image),
        ...(image.header.backing && { backing: image.header.backing.file, backingFormat: image.header.backing.format }),
        snapshots: listSnapshots(image).map(({ id, name, seconds, stateBytes }) => ({ id, name, seconds, stateBytes })),
      }),
    };
    return done(json ? `${JSON.stringify(facts, null, 2)}\n` : infoText(facts));
  } finally {
    image.close();
  }
}

export function check(file: string, { repair }: { readonly repair?: string } = {}): Outcome {
  const how: Repair = repair === undefined ? 'none' : oneOf('--repair', repair, ['leaks', 'all']);
  const image = openAlone(file, how === 'none' ? 'read' : 'write', 'check');
  const bar = startProgress('checking');
  try {
    const { leaks, corruptions, findings, allocated, compressed, clusters } = checkQcow2(image, how, (at, of) =>
      bar.show({ done: at, of }),
    );
    // What no repair mends, such as data behind the end of the file, is still there.
    const left = how === 'none' ? { leaks, corruptions } : checkQcow2(image, 'none');
    bar.end();
    const lines = [...findings, `${allocated} of ${clusters} clusters are in use, ${compressed} of them compressed`];
    const sound = leaks === 0 && corruptions === 0;
    lines.push(
      sound
        ? 'the image is sound'
        : `${corruptions} errors, ${leaks} leaked clusters${how === 'none' ? '' : `; after the repair ${left.corruptions} and ${left.leaks}`}`,
    );
    const status = left.corruptions > 0 ? 1 : left.leaks > 0 ? 3 : 0;
    return { text: `${lines.join('\n')}\n`, status };
  } finally {
    bar.end();
    image.close();
  }
}

/** A qcow2 image without what is behind it. */
function openAlone(file: string, how: 'read' | 'write', verb: string): Qcow2 {
  const image = openImage(host, file, { readonly: how === 'read', alone: true });
  if (image instanceof Qcow2) return image;
  image.close();
  throw new EngineError('image-format', { path: file, reason: `\`image ${verb}\` is for qcow2 images` });
}

export async function convert(
  source: string,
  target: string,
  words: FormatWords & { readonly sourceFormat?: string; readonly compress?: boolean },
): Promise<Outcome> {
  const format = formatOf(words.format ?? 'qcow2');
  if (host.identity(source) === host.identity(target))
    throw new EngineError('usage', { command: 'rootmode image convert', reason: 'Source and target are the same file' });
  const from = openImage(host, source, {
    readonly: true,
    format: words.sourceFormat === undefined ? 'auto' : formatOf(words.sourceFormat),
  });
  try {
    makeEmpty(target, format, { bytes: from.bytes, words: { ...words, backing: undefined as never } });
    const copy = (into: DiskImage) => drive(copyJob(from, into, words.compress === true), 'converting', words);
    return await wholeOrGone(target, () => drivenInto(target, format, copy));
  } finally {
    from.close();
  }
}

const interrupted = (what: string): Outcome => ({ text: `interrupted: ${what}\n`, status: 130 });

export function resize(
  file: string,
  size: string,
  { shrink = false, format = 'auto' }: { shrink?: boolean; format?: string } = {},
): Outcome {
  const storage = host.open(file, 'read');
  const found = format === 'auto' ? probe(storage) : formatOf(format);
  const now = storage.size();
  storage.close();
  const guard = (bytes: number, before: number) => {
    if (bytes < before && !shrink)
      throw new EngineError('image-size', {
        bytes,
        reason: `it has ${before} now, and --shrink says that losing the rest is meant`,
      });
  };
  if (found === 'raw') {
    const bytes = bytesOf('SIZE', size, now);
    guard(bytes, now);
    const raw = host.open(file, 'write');
    raw.resize(bytes);
    raw.flush();
    raw.close();
    return done();
  }
  const image = openAlone(file, 'write', 'resize');
  try {
    const bytes = bytesOf('SIZE', size, image.header.size);
    guard(bytes, image.header.size);
    resizeQcow2(image, bytes);
    return done();
  } finally {
    image.close();
  }
}

export interface SnapshotWords {
  readonly list?: boolean;
  readonly create?: string;
  readonly apply?: string;
  readonly delete?: string;
}

export function snapshot(file: string, words: SnapshotWords): Outcome {
  const asked = [words.create, words.apply, words.delete].filter((one) => one !== undefined);
  if (asked.length + (words.list ? 1 : 0) > 1)
    throw new EngineError('usage', { command: 'rootmode image snapshot', reason: 'Only one thing can be done at a time' });
  const image = openAlone(file, asked.length === 0 ? 'read' : 'write', 'snapshot');
  try {
    if (words.create !== undefined) createSnapshot(image, words.create, Math.floor(wallClockMilliseconds() / 1000));
    else if (words.apply !== undefined) applySnapshot(image, words.apply);
    else if (words.delete !== undefined) deleteSnapshot(image, words.delete);
    else return done(snapshotText(listSnapshots(image)));
    return done();
  } finally {
    image.close();
  }
}

export async function rebase(
  file: string,
  words: { readonly backing: string; readonly backingFormat?: string; readonly unsafe?: boolean },
): Promise<Outcome> {
  const { backing, unsafe = false } = words;
  const named = backing === '' ? undefined : { file: backing, format: namedBackingFormat(file, words) };
  const image = unsafe ? openAlone(file, 'write', 'rebase') : openImage(host, file);
  const next = named && openImage(host, host.resolve(file, backing), { readonly: true, format: backingFormat(words) ?? 'auto' });
  try {
    if (!(image instanceof Qcow2))
      throw new EngineError('image-format', { path: file, reason: 'only a qcow2 image has a backing file' });
    if (named && host.identity(host.resolve(file, backing)) === host.identity(file))
      throw new EngineError('image-backing', { path: file, backing, reason: 'it would stand on itself' });
    if (!unsafe && !(await drive(rebaseJob(image, next), 'comparing')))
      return interrupted(`${file} still stands on its old backing file`);
    image.header.backing = named;
    image.settle();
    image.writeHeader();
    image.storage.flush();
    return done();
  } finally {
    next?.close();
    image.close();
  }
}

export async function commit(file: string): Promise<Outcome> {
  const alone = openAlone(file, 'read', 'commit');
  const named = alone.header.backing;
  alone.close();
  if (named === undefined) throw new EngineError('image-format', { path: file, reason: 'it has no backing file' });
  // The whole chain can be opened, or nothing is changed.
  openImage(host, file, { readonly: true }).close();
  const path = host.resolve(file, named.file);
  const backing = openImage(host, path, { format: named.format === 'raw' || named.format === 'qcow2' ? named.format : 'auto' });
  try {
    const top = new Qcow2(host.open(file, 'write'), { codec: host.codec, backing: unclosed(backing) });
    try {
      const whole = await drive(commitJob(top, backing), 'committing');
      return whole ? done() : interrupted(`${file} still has everything, ${relative('.', resolve(path))} a part of it`);
    } finally {
      top.close();
    }
  } finally {
    backing.close();
  }
}

/** An image that somebody else closes. */
function unclosed(image: DiskImage): DiskImage {
  return {
    format: image.format,
    bytes: image.bytes,
    readonly: true,
    read: (at, into) => image.read(at, into),
    write: (at, from) => image.write(at, from),
    zero: (at, bytes) => image.zero(at, bytes),
    discard: (at, bytes) => image.discard(at, bytes),
    flush: () => image.flush(),
    close: () => undefined,
  };
}

/** Run a job to its end, or until SIGINT or SIGTERM; false then. */
async function drive(job: Job, verb: string, { progress = 'bar' }: Pick<FormatWords, 'progress'> = {}): Promise<boolean> {
  const form = oneOf('--progress', progress, ['bar', 'json']);
  let stopped = false;
  const unhook = onSignals(['SIGINT', 'SIGTERM'], () => {
    stopped = true;
  });
  const bar = startProgress(verb, form);
  try {
    for (const step of job) {
      bar.show(step);
      await turn();
      if (stopped) return false;
    }
    return true;
  } finally {
    bar.end();
    unhook();
  }
}
