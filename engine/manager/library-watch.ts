/** Tells when the library changes: files on the disk, and processes that end, which change nothing there. */
import { watch } from 'node:fs';
import type { Library } from './library.ts';

/** How often ended processes are looked for, and how long several changes in a row are collected, in milliseconds. */
const LOOK = 1000;
const COLLECT = 50;

/** Returns what ends it. */
export function watchLibrary(library: Library, tell: () => void): () => void {
  let collecting: NodeJS.Timeout | undefined;
  const changed = (): void => {
    collecting ??= setTimeout(() => {
      collecting = undefined;
      tell();
    }, COLLECT);
  };
  const watcher = watch(library.root, { recursive: true }, changed);
  watcher.on('error', () => undefined); // a folder that went away while it was watched
  const running = (): string =>
    library
      .running()
      .map(({ name, pid }) => `${name}:${pid}`)
      .join();
  let before = running();
  const looking = setInterval(() => {
    const now = running();
    if (now !== before) changed();
    before = now;
  }, LOOK);
  return () => {
    clearInterval(looking);
    clearTimeout(collecting);
    watcher.close();
  };
}
