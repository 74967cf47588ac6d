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
import type { Job } from '../contract/image-commands.ts';
import { reasonOf } from '../host/files.ts';
import type { Images } from './images.ts';

const MOST_RUNNING = 4;
/** Jobs that are over and still told of. */
const MOST_KEPT = 20;

/** What a part is of. */
const Note = z.strictObject({ url: z.string(), version: z.string().min(1) });

interface Wanted {
  readonly url: string;
  readonly name: string;
  readonly sha256?: string | undefined;
}

interface Running {
  job: Job;
  readonly abort: AbortController;
}

export class Downloads {
  readonly #images: Images;
  readonly #jobs = new Map<number, Running>();
  #next = 1;

  constructor(images: Images) {
    this.#images = images;
  }

  /** The newest first. */
  list(): Job[] {
    return [...this.#jobs.values()].map(({ job }) => job).reverse();
  }

  /** Fails with `job-limit` or `image-exists`. */
  start(wanted: Wanted): number {
    const running = [...this.#jobs.values()].filter(({ job }) => job.state === 'running');
    if (running.length >= MOST_RUNNING) throw new EngineError('job-limit', { maximum: MOST_RUNNING });
    if (this.#images.has(wanted.name) || running.some(({ job }) => job.title === wanted.name)) {
      throw new EngineError('image-exists', { name: wanted.name });
    }
    const id = this.#next++;
    const one: Running = {
      abort: new AbortController(),
      job: { job: id, title: wanted.name, state: 'running', done: 0, resumed: 0 },
    };
    this.#jobs.set(id, one);
    this.#forgetOld();
    void this.#run(one, wanted).then(
      (end) => this.#change(one, { state: 'done', ...end }),
      (failure: unknown) => {
        const cancelled = one.abort.signal.aborted;
        this.#change(one, cancelled ? { state: 'cancelled' } : { state: 'failed', problem: sentence(failure, wanted.url) });
      },
    );
    return id;
  }

  /** Fails with `job-unknown`. */
  cancel(id: number): void {
    const one = this.#jobs.get(id);
    if (one === undefined) throw new EngineError('job-unknown', { job: id });
    one.abort.abort();
  }

  #change(one: Running, change: Partial<Job>): void {
    one.job = { ...one.job, ...change };
  }

  #forgetOld(): void {
    const over = [...this.#jobs].filter(([, { job }]) => job.state !== 'running');
    for (const [id] of over.slice(0, Math.max(0, over.length - MOST_KEPT))) this.#jobs.delete(id);
  }

  async #run(one: Running, { url, name, sha256 }: Wanted): Promise<Pick<Job, 'path' | 'sha256'>> {
    const { signal } = one.abort;
    const part = this.#images.partPath(name);
    const note = `${part}.json`;
    const had = partOf(part, note, url);
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
    this.#change(one, { done: start, resumed: start, ...(total !== undefined && { total }) });
    const hash = createHash('sha256');
    if (goesOn) await hashFile(hash, part);
    const version = response.headers.get('etag') ?? response.headers.get('last-modified');
    // A weak tag promises no equal bytes (RFC 9110, 13.1.5).
    if (version !== null && !version.startsWith('W/')) writeFileSync(note, JSON.stringify({ url, version }));
    else rmSync(note, { force: true });
    await this.#receive(one, { response, path: part, append: goesOn, hash });
    if (total !== undefined && one.job.done !== total) throw new Error(`it ended after ${one.job.done} of ${total} bytes`);
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

  async #receive(one: Running, to: { response: Response; path: string; append: boolean; hash: Hash }): Promise<void> {
    const file = openSync(to.path, to.append ? 'a' : 'w', 0o644);
    try {
      for await (const bytes of to.response.body ?? []) {
        for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
        to.hash.update(bytes);
        this.#change(one, { done: one.job.done + bytes.length });
      }
    } finally {
      closeSync(file);
    }
  }
}

/** What an earlier attempt at the same address has left; `undefined` when that cannot be trusted. */
function partOf(part: string, note: string, url: string): { readonly bytes: number; readonly version: string } | undefined {
  try {
    const parsed = Note.parse(JSON.parse(readFileSync(note, 'utf8')));
    const { size } = statSync(part);
    return parsed.url === url && size > 0 ? { bytes: size, version: parsed.version } : undefined;
  } catch {
    return undefined;
  }
}

/** First byte of a partial answer. */
function startOf(response: Response): number | undefined {
  const match = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  return match === null ? undefined : Number(match[1]);
}

async function hashFile(hash: Hash, path: string): Promise<void> {
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
}

function sentence(failure: unknown, url: string): string {
  if (failure instanceof EngineError) return failure.message;
  const { cause } = failure as { cause?: unknown };
  return new EngineError('download-failed', { url, reason: reasonOf(cause ?? failure) }).message;
}
