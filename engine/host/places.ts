/** Whether places on this host can be used, asked without changing anything. */
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, reasonOf } from './files.ts';

/** Whether this user can read a file. */
export function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** What keeps this user from writing into the folder `path`, which may be still to make; `undefined`: nothing. */
export function obstacleToWriting(path: string): string | undefined {
  const there = nearestExisting(path);
  try {
    if (!statSync(there).isDirectory()) return `${there} is no folder`;
    accessSync(there, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (failure) {
    return codeOf(failure) === 'EROFS' ? 'the file system is read-only' : reasonOf(failure);
  }
}

/** Bytes that this user can still write where `path` is or will be. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(nearestExisting(path));
  return bavail * bsize;
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}
