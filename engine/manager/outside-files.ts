/**
 * What a machine folder names outside of itself: a folder that somebody gave away may so get at files of this computer, which its guest
 * then reads and writes.
 */
import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { mapPaths } from '../contract/setting-paths.ts';
import { isBelow } from './copying.ts';
import { readMachineFile } from './machine-folder.ts';
import { backingOf } from './qcow2-backing.ts';

export interface OutsideFile {
  /** What names it: a setting, or a file of the folder. */
  readonly by: string;
  /** Absolute, or as it stands in an image. */
  readonly path: string;
}

/** Each once, in the order of settings, links and images. Fails with `machine-folder`. */
export function outsideFiles(folder: string): OutsideFile[] {
  const found = new Map<string, OutsideFile>();
  const add = (by: string, path: string): void => void found.set(`${by} ${path}`, { by, path });
  mapPaths(readMachineFile(folder).settings, (path, setting) => {
    const at = resolve(folder, path);
    if (!isBelow(resolve(folder), at)) add(setting, at);
    return path;
  });
  const real = realpathSync(folder);
  for (const { path, isLink } of entriesBelow(real)) {
    const name = relative(real, path);
    if (isLink) {
      const target = placeOf(path);
      if (!isBelow(real, target)) add(name, target);
    } else {
      const backing = foreignBacking(path, real);
      if (backing !== undefined) add(name, backing);
    }
  }
  return [...found.values()];
}

/** What an image stands on, unless that is named by its place in the same machine. */
export function foreignBacking(path: string, folder: string): string | undefined {
  const backing = backingOf(path);
  if (backing === undefined) return undefined;
  const isOwn = !isAbsolute(backing) && isBelow(folder, path) && isBelow(folder, resolve(dirname(path), backing));
  return isOwn ? undefined : backing;
}

/** Where a link leads, or would if there were something. */
function placeOf(link: string): string {
  try {
    return realpathSync(link);
  } catch {
    return resolve(dirname(link), readlinkSync(link));
  }
}

function* entriesBelow(folder: string): Generator<{ readonly path: string; readonly isLink: boolean }> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* entriesBelow(path);
    else if (entry.isFile() || entry.isSymbolicLink()) yield { path, isLink: entry.isSymbolicLink() };
  }
}
