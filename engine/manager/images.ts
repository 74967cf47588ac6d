/** The library's images: one folder of files that machines may share. A file appears there whole or not at all. */
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { ImageName } from '../contract/image-commands.ts';
import { reasonOf } from '../host/files.ts';
import { processStart } from '../host/process.ts';
import { diskOf, lookAtFile } from './file-kind.ts';

/** What is not whole yet ends so; no name of an image begins with a dot. */
const PART = '.part';
/** Images that may be handed over at once. */
const MOST_UPLOADS = 8;

interface Upload {
  readonly name: string;
  readonly path: string;
  readonly file: number;
  readonly bytes: number;
  received: number;
}

export class Images {
  readonly folder: string;
  readonly #uploads = new Map<number, Upload>();
  #next = 1;
  #tidied = false;

  constructor(folder: string) {
    this.folder = folder;
  }

  list() {
    const names = readdirSync(this.#made(), { withFileTypes: true })
      .filter((entry) => entry.isFile() && ImageName.safeParse(entry.name).success)
      .map(({ name }) => name)
      .sort();
    return names.map((name) => this.look(name));
  }

  look(name: string) {
    const path = join(this.folder, name);
    const looked = lookAtFile(path);
    return {
      name,
      ...looked,
      modified: statSync(path).mtime.toISOString(),
      ...(looked.kind === 'disk' && diskOf(path, looked.bytes)),
    };
  }

  /** Images of which a part is there. */
  parts(): string[] {
    return readdirSync(this.#made())
      .filter((file) => file.startsWith('.') && file.endsWith(PART))
      .map((file) => file.slice(1, -PART.length))
      .filter((name) => ImageName.safeParse(name).success)
      .sort();
  }

  /** Where the image `name` is made; what killed processes left there goes away. */
  makingPath(name: string): string {
    return join(this.#made(), `.${ImageName.parse(name)}.making-${process.pid}`);
  }

  /** What was made is there from now on. Fails with `image-exists` or `file-unwritable`. */
  put(name: string, from: string): void {
    if (this.has(name)) throw new EngineError('image-exists', { name });
    try {
      renameSync(from, this.path(name));
    } catch (cause) {
      throw this.#unwritable(name, cause);
    }
  }

  /** Where the image `name` is, or would be. */
  path(name: string): string {
    return join(this.#made(), ImageName.parse(name));
  }

  /** Where the image `name` is collected until it is whole. */
  partPath(name: string): string {
    return join(this.#made(), `.${ImageName.parse(name)}${PART}`);
  }

  has(name: string): boolean {
    return statSync(this.path(name), { throwIfNoEntry: false }) !== undefined;
  }

  remove(name: string): void {
    try {
      rmSync(this.path(name), { force: true });
    } catch (cause) {
      throw this.#unwritable(name, cause);
    }
  }

  /** Begin to take an image over. Fails with `upload-limit` or `file-unwritable`. */
  begin(name: string, bytes: number): number {
    if (this.#uploads.size >= MOST_UPLOADS) throw new EngineError('upload-limit', { maximum: MOST_UPLOADS });
    const id = this.#next++;
    const path = join(this.#made(), `.${ImageName.parse(name)}.upload-${process.pid}-${id}`);
    try {
      this.#uploads.set(id, { name, path, file: openSync(path, 'wx', 0o644), bytes, received: 0 });
    } catch (cause) {
      throw this.#unwritable(name, cause);
    }
    return id;
  }

  /** The next bytes; with the last one the image is there, and its path is told. More than was announced is refused. */
  piece(id: number, bytes: Uint8Array): { readonly received: number; readonly path?: string } {
    const upload = this.#uploads.get(id);
    if (upload === undefined) throw new EngineError('upload-unknown', { upload: id });
    try {
      if (upload.received + bytes.length > upload.bytes) throw new Error('more came than was announced');
      for (let at = 0; at < bytes.length; ) at += writeSync(upload.file, bytes, at);
      upload.received += bytes.length;
      if (upload.received < upload.bytes) return { received: upload.received };
      closeSync(upload.file);
      this.#uploads.delete(id);
      renameSync(upload.path, this.path(upload.name));
    } catch (cause) {
      this.cancel(id);
      throw this.#unwritable(upload.name, cause);
    }
    return { received: upload.received, path: this.path(upload.name) };
  }

  cancel(id: number): void {
    const upload = this.#uploads.get(id);
    if (upload === undefined) return;
    this.#uploads.delete(id);
    closeSync(upload.file);
    rmSync(upload.path, { force: true });
  }

  #made(): string {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o755 });
    } catch (cause) {
      throw new EngineError('library-folder', { path: this.folder, reason: `cannot be made (${reasonOf(cause)})` }, { cause });
    }
    if (!this.#tidied) removeAbandoned(this.folder);
    this.#tidied = true;
    return this.folder;
  }

  #unwritable(name: string, cause: unknown): EngineError {
    return new EngineError(
      'file-unwritable',
      { what: 'image', path: join(this.folder, name), reason: reasonOf(cause) },
      { cause },
    );
  }
}

const UNFINISHED = /^\..*\.(?:upload|making)-(\d+)(?:-\d+)?$/;

/** What processes that are gone left of images they took over or made. A download's part is kept: another one goes on with it. */
function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = UNFINISHED.exec(name)?.[1];
    if (pid !== undefined && processStart(Number(pid)) === undefined) rmSync(join(folder, name), { force: true });
  }
}
