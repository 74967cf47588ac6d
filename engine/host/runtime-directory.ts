/**
 * Where sockets of running machines live: `$XDG_RUNTIME_DIR/rootmode`, or `rootmode-UID` in the folder for temporary files.
 * Only its owner can enter (mode 0700): that is what keeps other users from the sockets, on systems that ignore a socket's own mode too.
 */
import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { EngineError } from '../base/errors.ts';
import { codeOf, reasonOf } from './files.ts';

/** The shortest limit of a socket's path among systems (macOS: 104 with the final zero). */
const longestSocketPath = 103;

export function runtimeDirectory(): string {
  const base = process.env.XDG_RUNTIME_DIR;
  // The XDG base directory specification: relative paths are to be ignored.
  if (base !== undefined && isAbsolute(base)) return join(base, 'rootmode');
  return join(tmpdir(), `rootmode-${userId()}`);
}

/** Numeric id of the user, or -1 where the system has none. */
export function userId(): number {
  return process.getuid?.() ?? -1;
}

/** Create the directory if it is missing, and refuse one that is not ours alone: it may be a trap laid in a shared folder. */
export function ensureRuntimeDirectory(): string {
  const path = runtimeDirectory();
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new EngineError('runtime-directory', { path, reason: `cannot be made (${reasonOf(cause)})` }, { cause });
  }
  checkRuntimeDirectory(path);
  return path;
}

function checkRuntimeDirectory(path: string): void {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) throw new EngineError('runtime-directory', { path, reason: 'is no folder' });
  if (userId() < 0) return;
  if (stat.uid !== userId()) {
    throw new EngineError('runtime-directory', { path, reason: `belongs to the user with id ${stat.uid}` });
  }
  if ((stat.mode & 0o077) !== 0) throw new EngineError('runtime-directory', { path, reason: 'can be entered by other users' });
}

/** Path of the socket of the machine `name`, which is already known to be a safe file name. */
export function socketPath(name: string): string {
  const directory = runtimeDirectory();
  const path = join(directory, `${name}.sock`);
  if (Buffer.byteLength(path) > longestSocketPath - suffixRoom) {
    throw new EngineError('runtime-directory', { path: directory, reason: 'has a path too long for a socket in it' });
  }
  return path;
}

/** Room for the name a socket has before it is put in place (`owned-socket.ts`). */
const suffixRoom = 12;

/** Names that have a socket, alive or stale, in order. No directory means none. */
export function socketNames(): string[] {
  try {
    return readdirSync(runtimeDirectory())
      .filter((file) => file.endsWith('.sock'))
      .map((file) => file.slice(0, -'.sock'.length))
      .sort();
  } catch (failure) {
    if (codeOf(failure) === 'ENOENT') return [];
    throw new EngineError('runtime-directory', { path: runtimeDirectory(), reason: `cannot be read (${reasonOf(failure)})` });
  }
}
