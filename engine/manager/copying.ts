/** Files copied and filled in pieces: the process goes on meanwhile, somebody sees how far it is, and can end it. */
import { constants, readlinkSync, realpathSync } from 'node:fs';
import { chmod, copyFile, type FileHandle, lstat, mkdir, open, readdir, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { reasonOf } from '../host/files.ts';
import type { Work } from './jobs.ts';
import { dataIn } from './sparse.ts';

const PIECE = 1 << 20;
const zeros = Buffer.alloc(PIECE);

export const isBelow = (folder: string, path: string): boolean => path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

interface Found {
  readonly path: string;
  readonly bytes: number;
}

/** Everything in a folder, by kind; what is neither file, folder nor link is left out. */
async function lookThrough(folder: string, skip: (path: string) => boolean) {
  const [folders, files, links]: [{ path: string; mode: number }[], Found[], string[]] = [[], [], []];
  const walk = async (at: string): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (skip(path)) continue;
      if (entry.isSymbolicLink()) links.push(path);
      else if (entry.isDirectory()) {
        folders.push({ path, mode: (await lstat(path)).mode });
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

/** What others may do stays so; whoever copies may read and write all of it. */
const ownMode = (mode: number, own: number): number => (mode & 0o777) | own;

/**
 * Copy a folder to `to`, which must not exist. Holes and permissions stay; links that lead out lead to the same place from there. What
 * was made before a failure is left for the caller to remove.
 */
export async function copyFolder(folder: string, to: string, { skip, work }: Copying): Promise<void> {
  const from = realpathSync(folder);
  const { folders, files, links } = await lookThrough(from, skip);
  const there = (path: string): string => join(to, relative(from, path));
  await mkdir(to, { mode: ownMode((await lstat(from)).mode, 0o700) });
  for (const { path, mode } of folders) await mkdir(there(path), { mode: ownMode(mode, 0o700) });
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
  if (shared) {
    await chmod(to, ownMode((await stat(to)).mode, 0o600));
    return meter.add(bytes);
  }
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx', ownMode((await source.stat()).mode, 0o600));
    try {
      const piece = Buffer.alloc(PIECE);
      let at = 0;
      for (;;) {
        const { bytesRead } = await source.read(piece, 0, PIECE, at);
        if (bytesRead === 0) break;
        for (const [start, end] of dataIn(piece.subarray(0, bytesRead), at))
          await writeAll(target, piece.subarray(start, end), at + start);
        at += bytesRead;
        meter.add(bytesRead);
      }
      await target.truncate(at);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
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
