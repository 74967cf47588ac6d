/**
 * Long work on images, in steps: whoever drives a job sees its progress between two steps, and can stop there. Every image is then a
 * right one; what is missing is said at each job.
 */
import { EngineError } from '../base/index.ts';
import type { DiskImage } from './image.ts';
import { Qcow2 } from './qcow2/image.ts';
import { isZero } from './storage.ts';

/** Bytes done and to do. */
export interface Step {
  readonly done: number;
  readonly of: number;
}
export type Job = Generator<Step, void>;

const CHUNK = 2 * 2 ** 20;
const GRAIN = 65536;

/** Everything that `source` shows, into a new and empty `target` of at least its size. Stopped: the target is a part of it. */
export function* copyJob(source: DiskImage, target: DiskImage, compress = false): Job {
  const buffer = new Uint8Array(CHUNK);
  const grain = target instanceof Qcow2 ? target.header.clusterBytes : GRAIN;
  for (let at = 0; at < source.bytes; at += CHUNK) {
    const chunk = buffer.subarray(0, Math.min(CHUNK, source.bytes - at));
    source.read(at, [chunk]);
    if (compress && target instanceof Qcow2) compressChunk(target, at, chunk);
    else writeData(target, at, { chunk, grain });
    yield { done: at + chunk.length, of: source.bytes };
  }
  target.flush();
}

/** Zeros everywhere in a new image, so that all of its room on the host is taken. Stopped: a part of it is. */
export function* fillJob(image: DiskImage): Job {
  const zeros = new Uint8Array(CHUNK);
  for (let at = 0; at < image.bytes; at += CHUNK) {
    const chunk = zeros.subarray(0, Math.min(CHUNK, image.bytes - at));
    image.write(at, [chunk]);
    yield { done: at + chunk.length, of: image.bytes };
  }
  image.flush();
}

/** The parts that are not zeros: the target is empty. */
function writeData(
  target: DiskImage,
  at: number,
  { chunk, grain }: { readonly chunk: Uint8Array; readonly grain: number },
): void {
  const size = Math.min(grain, GRAIN);
  let start = -1;
  for (let from = 0; from <= chunk.length; from += size) {
    const end = Math.min(from + size, chunk.length);
    const zero = from >= chunk.length || isZero(chunk.subarray(from, end));
    if (!zero && start < 0) start = from;
    if (zero && start >= 0) {
      target.write(at + start, [chunk.subarray(start, Math.min(from, chunk.length))]);
      start = -1;
    }
  }
}

function compressChunk(target: Qcow2, at: number, chunk: Uint8Array): void {
  const { clusterBytes } = target.header;
  for (let from = 0; from < chunk.length; from += clusterBytes) {
    const piece = chunk.subarray(from, from + clusterBytes);
    if (isZero(piece)) continue;
    const whole = new Uint8Array(clusterBytes);
    whole.set(piece);
    target.writeCompressed((at + from) / clusterBytes, whole);
  }
}

/** What `image` says itself goes into its backing file, which shows the same disk then. Stopped: both still do. */
export function* commitJob(image: Qcow2, backing: DiskImage): Job {
  const { clusterBytes } = image.header;
  if (backing.bytes < image.bytes) {
    throw new EngineError('image-size', {
      bytes: image.bytes,
      reason: 'its backing file is smaller; make that larger first with `rootmode image resize`',
    });
  }
  const buffer = new Uint8Array(clusterBytes);
  const clusters = Math.ceil(image.bytes / clusterBytes);
  for (let cluster = 0; cluster < clusters; cluster++) {
    const at = cluster * clusterBytes;
    if (image.tables.place(cluster).kind !== 'none') {
      const chunk = buffer.subarray(0, Math.min(clusterBytes, image.bytes - at));
      image.read(at, [chunk]);
      if (isZero(chunk)) backing.zero(at, chunk.length);
      else backing.write(at, [chunk]);
    }
    if (cluster % 32 === 31) yield { done: at, of: image.bytes };
  }
  backing.flush();
  image.forget(0, clusters);
  image.settle();
  yield { done: image.bytes, of: image.bytes };
}

/**
 * Make `image`, which stands on one backing file, show the same on another; the caller then names that in the header. Stopped: the image
 * still stands on the old one, with some more clusters of its own.
 */
export function* rebaseJob(image: Qcow2, next: DiskImage | undefined): Job {
  const { clusterBytes } = image.header;
  const there = new Uint8Array(clusterBytes);
  const clusters = Math.ceil(image.bytes / clusterBytes);
  for (let cluster = 0; cluster < clusters; cluster++) {
    const at = cluster * clusterBytes;
    if (image.tables.place(cluster).kind === 'none') {
      const length = Math.min(clusterBytes, image.bytes - at);
      const shown = new Uint8Array(length);
      image.read(at, [shown]);
      const below = there.subarray(0, length).fill(0);
      const covered = next ? Math.max(0, Math.min(length, next.bytes - at)) : 0;
      if (covered > 0) next?.read(at, [below.subarray(0, covered)]);
      if (!shown.every((byte, i) => byte === below[i])) image.write(at, [shown]);
    }
    if (cluster % 32 === 31) yield { done: at, of: image.bytes };
  }
  image.settle();
  yield { done: image.bytes, of: image.bytes };
}
