/** Holes in files: what was there reads as zeros and takes no room. Node has no call for it; util-linux on Linux has a program. */
import { spawnSync } from 'node:child_process';

/** Starting a program takes milliseconds: smaller ranges are not worth them. */
const LEAST_BYTES = 1 << 20;
/** As the program's descriptor 3. */
const FILE = '/proc/self/fd/3';

let able = process.platform === 'linux';

/** False when this host or its file system cannot, or the range is small; nothing has changed then. */
export function punchHole(file: number, at: number, bytes: number): boolean {
  if (!able || bytes < LEAST_BYTES) return false;
  const words = ['--punch-hole', '--offset', String(at), '--length', String(bytes), FILE];
  const { error, status } = spawnSync('fallocate', words, { stdio: ['ignore', 'ignore', 'ignore', file] });
  // Without the program it is not asked for again.
  if (error !== undefined) able = false;
  return status === 0;
}
