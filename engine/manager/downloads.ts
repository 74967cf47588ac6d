/**
 * Downloads into the library's images. What came is kept beside a note of what it is of, so that the next attempt goes on where the last
 * one ended, if the server says that the file is still the same; an image appears only whole, and with the SHA-256 that was asked for.
 */
import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import * as z from 'zod';
import { EngineError } from '../contract/errors.ts';
import { type Job, Sha256 } from '../contract/job-commands.ts';
import { reasonOf } from '../host/files.ts';
import type { Images } from './images.ts';
import type { Jobs, Work } from './jobs.ts';

/** What a part is of. */
const Note = z.strictObject({ url: z.string(), version: z.string().min(1).optional(), sha256: Sha256.optional() });

interface Wanted {
  readonly url: string;
  readonly name: string;
  readonly sha256?: string | undefined;
}

/** A download that was cut, and what it brought. */
export interface Unfinished extends Wanted {
  readonly bytes: number;
}

export class Downloads {
  readonly #images: Images;
  readonly #jobs: Jobs;

  constructor(images: Images, jobs: Jobs) {
    this.#images = images;
    this.#jobs = jobs;
  }

  /** Fails with `job-limit` or `image-exists`. */
  start(wanted: Wanted): number {
    const { name, url } = wanted;
    if (this.#images.has(name) || this.#jobs.makesImage(name)) throw new EngineError('image-exists', { name });
    const work = async (work: Work): Promise<Pick<Job, 'path' | 'sha256'>> => {
      try {
        return await this.#run(work, wanted);
      } catch (failure) {
        throw failure instanceof EngineError ? failure : failed(failure, url);
      }
    };
    return this.#jobs.begin({ kind: 'download', title: name }, work, (found) => found).job;
  }

  /** What nobody downloads now, by name. */
  unfinished(): Unfinished[] {
    return this.#images.parts().flatMap((name) => {
      const { note, bytes } = noteOf(this.#images.partPath(name)) ?? {};
      if (note === undefined || bytes === undefined || this.#jobs.makesImage(name)) return [];
      return [{ name, url: note.url, bytes, ...(note.sha256 !== undefined && { sha256: note.sha256 }) }];
    });
  }

  /** Fails with `image-busy`. */
  discard(name: string): void {
    if (this.#jobs.makesImage(name)) throw new EngineError('image-busy', { name });
    const part = this.#images.partPath(name);
    for (const path of [part, `${part}.json`]) rmSync(path, { force: true });
  }

  async #run(work: Work, { url, name, sha256 }: Wanted): Promise<Pick<Job, 'path' | 'sha256'>> {
    const { signal } = work;
    const part = this.#images.partPath(name);
    const note = `${part}.json`;
    const had = partOf(part, url);
    const response = await fetch(url, {
      signal,
      headers: had === undefined ? {} : { Range: `bytes=${had.bytes}-`, 'If-Range': had.version },
    });
    const goesOn = had !== undefined && response.status === 206 && startOf(response) === had.bytes;
    if (!goesOn && response.status !== 200)
      throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
    const start = goesOn ? had.bytes : 0;
    const left = Number(response.headers.get('content-length') ?? Number.NaN);
    const total = Number.isFinite(left) && response.headers.get('content-encoding') === null ? start + left : undefined;
    work.report({ done: start, resumed: start, ...(total !== undefined && { total }) });
    const hash = createHash('sha256');
    if (goesOn) await hashFile(hash, part);
    const version = response.headers.get('etag') ?? response.headers.get('last-modified');
    // A weak tag promises no equal bytes (RFC 9110, 13.1.5).
    const strong = version !== null && !version.startsWith('W/');
    writeFileSync(note, JSON.stringify({ url, ...(strong && { version }), ...(sha256 !== undefined && { sha256 }) }));
    const done =
      start + (await receive({ response, path: part, append: goesOn, hash }, (bytes) => work.report({ done: start + bytes })));
    if (total !== undefined && done !== total) throw new Error(`it ended after ${done} of ${total} bytes`);
    const actual = hash.digest('hex');
    if (sha256 !== undefined && actual !== sha256) {
      rmSync(part, { force: true });
      rmSync(note, { force: true });
      throw new EngineError('download-checksum', { name, expected: sha256, actual });
    }
    const path = this.#images.path(name);
    renameSync(part, path);
    rmSync(note, { force: true });
    return { path, sha256: actual };
  }
}

interface Receiving {
  readonly response: Response;
  readonly path: string;
  readonly append: boolean;
  readonly hash: Hash;
}

/** Bytes that came. */
async function receive({ response, path, append, hash }: Receiving, report: (bytes: number) => void): Promise<number> {
  const file = openSync(path, append ? 'a' : 'w', 0o644);
  let received = 0;
  try {
    for await (const bytes of response.body ?? []) {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      hash.update(bytes);
      received += bytes.length;
      report(received);
    }
  } finally {
    closeSync(file);
  }
  return received;
}

function noteOf(part: string): { readonly note: z.output<typeof Note>; readonly bytes: number } | undefined {
  try {
    return { note: Note.parse(JSON.parse(readFileSync(`${part}.json`, 'utf8'))), bytes: statSync(part).size };
  } catch {
    return undefined;
  }
}

/** What an earlier attempt at the same address has left; `undefined` when that cannot be trusted. */
function partOf(part: string, url: string): { readonly bytes: number; readonly version: string } | undefined {
  const { note, bytes = 0 } = noteOf(part) ?? {};
  return note?.url === url && note.version !== undefined && bytes > 0 ? { bytes, version: note.version } : undefined;
}

/** First byte of a partial answer. */
function startOf(response: Response): number | undefined {
  const match = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  return match === null ? undefined : Number(match[1]);
}

async function hashFile(hash: Hash, path: string): Promise<void> {
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
}

function failed(failure: unknown, url: string): EngineError {
  const { cause } = failure as { cause?: unknown };
  return new EngineError('download-failed', { url, reason: reasonOf(cause ?? failure) }, { cause: failure });
}
