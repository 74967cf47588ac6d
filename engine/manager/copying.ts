/** Files copied and filled in pieces: the process goes on meanwhile, somebody sees how far it is, and can end it. */
import { constants, readlinkSync, realpathSync } from 'node:fs';
import { copyFile, type FileHandle, lstat, mkdir, open, readdir, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { reasonOf } from '../host/files.ts';
import type { Work } from './jobs.ts';

const PIECE = 1 << 20;
/** Zeros of this many bytes and place become holes. */
const HOLE = 64 * 1024;
const zeros = Buffer.alloc(PIECE);

export const isBelow = (folder: string, path: string): boolean => path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

interface Found {
  readonly path: string;
  readonly bytes: number;
}

/** Everything in a folder, by kind; what is neither file, folder nor link is left out. */
async function lookThrough(folder: string, skip: (path: string) => boolean) {
  const [folders, files, links]: [string[], Found[], string[]] = [[], [], []];
  const walk = async (at: string): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (skip(path)) continue;
      if (entry.isSymbolicLink()) links.push(path);
      else if (entry.isDirectory()) {
        folders.push(path);
        await walk(path);
      } else if (entry.isFile()) files.push({ path, bytes: (await lstat(path)).size });
    }
  };
  await walk(folder);
  return { folders, files, links };
}

export interface Copying {
  /** Paths that stay behind. */
  readonly skip: (path: string) => boolean;
  readonly work: Work;
}

/**
 * Copy a folder to `to`, which must not exist. Holes stay holes; links that lead out lead to the same place from there. What was made
 * before a failure is left for the caller to remove.
 */
export async function copyFolder(folder: string, to: string, { skip, work }: Copying): Promise<void> {
  const from = realpathSync(folder);
  const { folders, files, links } = await lookThrough(from, skip);
  const there = (path: string): string => join(to, relative(from, path));
  await mkdir(to, { mode: 0o755 });
  for (const path of folders) await mkdir(there(path), { mode: 0o755 });
  const meter = startMeter(
    files.reduce((sum, { bytes }) => sum + bytes, 0),
    work,
  );
  for (const { path, bytes } of files) await copyOne(path, there(path), { bytes, meter });
  for (const path of links) {
    const target = resolve(dirname(path), readlinkSync(path));
    await symlink(isBelow(from, target) ? relative(dirname(path), target) : target, there(path));
  }
}

interface Meter {
  /** So many bytes more. Throws once the work is cancelled. */
  add(bytes: number): void;
}

function startMeter(total: number, { signal, report }: Work): Meter {
  let done = 0;
  report({ done, total });
  return {
    add: (bytes) => {
      signal.throwIfAborted();
      done += bytes;
      report({ done });
    },
  };
}

async function copyOne(
  from: string,
  to: string,
  { bytes, meter }: { readonly bytes: number; readonly meter: Meter },
): Promise<void> {
  meter.add(0);
  // File systems that can share what two files have in common need no time for it.
  const shared = await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE).then(
    () => true,
    () => false,
  );
  if (shared) return meter.add(bytes);
  const [source, target] = [await open(from, 'r'), await open(to, 'wx', 0o644)];
  try {
    const piece = Buffer.alloc(PIECE);
    let at = 0;
    for (;;) {
      const { bytesRead } = await source.read(piece, 0, PIECE, at);
      if (bytesRead === 0) break;
      await writeSparse(target, piece.subarray(0, bytesRead), at);
      at += bytesRead;
      meter.add(bytesRead);
    }
    await target.truncate(at);
  } finally {
    await source.close();
    await target.close();
  }
}

async function writeSparse(target: FileHandle, piece: Buffer, at: number): Promise<void> {
  let start = -1;
  for (let from = 0; from <= piece.length; from += HOLE) {
    const part = piece.subarray(from, from + HOLE);
    const empty = part.length === 0 || part.equals(zeros.subarray(0, part.length));
    if (!empty && start < 0) start = from;
    if (empty && start >= 0) {
      await writeAll(target, piece.subarray(start, Math.min(from, piece.length)), at + start);
      start = -1;
    }
  }
  // The last part of a piece that is no multiple of a hole.
  if (start >= 0) await writeAll(target, piece.subarray(start), at + start);
}

async function writeAll(target: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await target.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** Make files of zeros that have their room on the host. */
export async function makeFilled(files: readonly Found[], work: Work): Promise<void> {
  const meter = startMeter(
    files.reduce((sum, { bytes }) => sum + bytes, 0),
    work,
  );
  for (const { path, bytes } of files) {
    try {
      const file = await open(path, 'wx', 0o644);
      try {
        for (let at = 0; at < bytes; at += PIECE) {
          const piece = zeros.subarray(0, Math.min(PIECE, bytes - at));
          await writeAll(file, piece, at);
          meter.add(piece.length);
        }
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw new EngineError('file-unwritable', { what: 'disk', path, reason: reasonOf(cause) }, { cause });
    }
  }
}
