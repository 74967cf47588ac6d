/** Tells when the library changes: files on the disk, and processes that end, which change nothing there. */
import { watch } from 'node:fs';
import { type Library, runningOf } from './library.ts';

/** How often ended processes are looked for, and how long several changes in a row are collected, in milliseconds. */
const LOOK = 1000;
const COLLECT = 50;

type Watched = Pick<Library, 'root' | 'running' | 'takeListed'>;

/** Returns what ends it. */
export function watchLibrary(library: Watched, tell: () => void): () => void {
  let collecting: NodeJS.Timeout | undefined;
  const changed = (): void => {
    collecting ??= setTimeout(() => {
      collecting = undefined;
      tell();
    }, COLLECT);
  };
  const watcher = watch(library.root, { recursive: true }, changed);
  watcher.on('error', () => undefined); // a folder that went away while it was watched
  let before = runningOf(library.running());
  const looking = setInterval(() => {
    const now = runningOf(library.running());
    // A process may start, be listed and end between two looks, and the host tells of files no more than it can.
    if ([before, ...library.takeListed()].some((known) => known !== now)) changed();
    before = now;
  }, LOOK);
  return () => {
    clearInterval(looking);
    clearTimeout(collecting);
    watcher.close();
  };
}
