/**
 * The guests that tests, benches and `npm start` boot: where they lie, and whether they are there.
 *
 * They are other people's work (a Debian kernel, busybox), so they are never part of this repository: `npm run guests` puts them
 * into the user's cache, `$XDG_CACHE_HOME/rootmode/guests` or `~/.cache/rootmode/guests`.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { initScript, powerButtonScript } from './initramfs.ts';

export interface Guests {
  /** An unmodified 64-bit Linux kernel (bzImage). */
  readonly kernel: string;
  /** Gzip-compressed initramfs with busybox: a shell on ttyS0, clean poweroff on the power button. */
  readonly initrd: string;
  /** The static busybox in it. */
  readonly busybox: string;
  /** Packages and versions, or what the user placed. */
  readonly origin: readonly string[];
}

/** Folder of the guests, absolute. Per the XDG specification a relative `$XDG_CACHE_HOME` counts as unset. */
export function guestFolder(): string {
  const named = process.env.XDG_CACHE_HOME;
  const cache = named !== undefined && isAbsolute(named) ? named : join(homedir(), '.cache');
  return join(cache, 'rootmode', 'guests');
}

/** Changes when an initramfs built by this checkout would differ from the cached one. */
export function recipe(): string {
  return createHash('sha256').update(initScript).update(powerButtonScript).update('form 2').digest('hex').slice(0, 16);
}

export const guestFiles = {
  kernel: 'vmlinuz',
  initrd: 'initramfs.gz',
  busybox: 'busybox',
  modules: 'modules',
  manifest: 'guests.json',
} as const;

export interface Manifest {
  readonly recipe: string;
  readonly origin: readonly string[];
}

/** What the cache says of itself. Throws when there is none. */
export function readManifest(): Manifest {
  return JSON.parse(readFileSync(join(guestFolder(), guestFiles.manifest), 'utf8')) as Manifest;
}

/** The cached guests, or `undefined` when they are missing or of another recipe: then the reason to skip is `guestsMissing`. */
export function cachedGuests(): Guests | undefined {
  const folder = guestFolder();
  const at = (name: string) => join(folder, name);
  if (!Object.values(guestFiles).every((name) => existsSync(at(name)))) return undefined;
  const manifest = readManifest();
  if (manifest.recipe !== recipe()) return undefined;
  const { kernel, initrd, busybox } = guestFiles;
  return { kernel: at(kernel), initrd: at(initrd), busybox: at(busybox), origin: manifest.origin };
}

export const guestsMissing = "the test guests are not in the cache; 'npm run guests' obtains them";
