/**
 * `npm run guests [-- --refresh]`: put the test guests into the cache. Does nothing when they are there already.
 * Exit status 1 when they cannot be had here; the text then says what to place where.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { dependencyOf, Unobtainable, unpackedPackage } from './debian-packages.ts';
import { cachedGuests, type Guests, guestFiles, guestFolder, type Manifest, readManifest, recipe } from './guest-cache.ts';
import { initramfs, modules } from './initramfs.ts';

/** The kernel for virtual machines as Debian and as Ubuntu call it. */
const kernelPackages = ['linux-image-cloud-amd64', 'linux-image-virtual'];

interface Sources {
  readonly kernel: string;
  readonly busybox: string;
  readonly modules: ReadonlyMap<string, Uint8Array>;
  readonly origin: readonly string[];
}

/** The module's code; distributions store it plain or compressed by xz or zstd. */
function moduleCode(path: string): Uint8Array {
  const program = path.endsWith('.xz') ? 'xz' : path.endsWith('.zst') ? 'zstd' : undefined;
  if (program === undefined) return readFileSync(path);
  const { status, stdout } = spawnSync(program, ['-dc', path], { maxBuffer: 64 << 20 });
  if (status !== 0) throw new Unobtainable(`${program} could not unpack ${basename(path)}`);
  return stdout;
}

function modulesBelow(folder: string): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const name of modules) {
    const file = globSync(`**/${name}.ko*`, { cwd: folder })[0];
    if (file !== undefined) found.set(name, moduleCode(join(folder, file)));
  }
  return found;
}

function only(folder: string, pattern: string): string {
  const file = globSync(pattern, { cwd: folder })[0];
  if (file === undefined) throw new Unobtainable(`the package has no ${pattern}`);
  return join(folder, file);
}

/** Fill a new folder beside the cached one and move it there whole, so that an interrupted run leaves no half of it. */
function place(sources: Sources): void {
  const target = guestFolder();
  mkdirSync(dirname(target), { recursive: true });
  const fresh = mkdtempSync(`${target}-`);
  try {
    const { kernel, initrd, busybox, manifest } = guestFiles;
    copyFileSync(sources.kernel, join(fresh, kernel));
    copyFileSync(sources.busybox, join(fresh, busybox));
    writeFileSync(join(fresh, initrd), initramfs({ busybox: readFileSync(sources.busybox), modules: sources.modules }));
    mkdirSync(join(fresh, guestFiles.modules));
    for (const [name, code] of sources.modules) writeFileSync(join(fresh, guestFiles.modules, `${name}.ko`), code);
    const described: Manifest = { recipe: recipe(), origin: sources.origin };
    writeFileSync(join(fresh, manifest), `${JSON.stringify(described, null, 2)}\n`);
    rmSync(target, { recursive: true, force: true });
    renameSync(fresh, target);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    throw error;
  }
}

function fromPackages(): void {
  const kernel = unpackedPackage(dependencyOf(kernelPackages, 'linux-image-'));
  try {
    const busybox = unpackedPackage('busybox-static');
    try {
      place({
        kernel: only(kernel.folder, 'boot/vmlinuz-*'),
        busybox: only(busybox.folder, '{usr/,}bin/busybox'),
        modules: modulesBelow(kernel.folder),
        origin: [kernel.title, busybox.title],
      });
    } finally {
      busybox.dispose();
    }
  } finally {
    kernel.dispose();
  }
}

/** A kernel and a busybox that the user placed by hand, or those of an older recipe; the rest is built from them. */
function fromPlaced(): boolean {
  const at = (name: string) => join(guestFolder(), name);
  if (!existsSync(at(guestFiles.kernel)) || !existsSync(at(guestFiles.busybox))) return false;
  place({
    kernel: at(guestFiles.kernel),
    busybox: at(guestFiles.busybox),
    modules: modulesBelow(at(guestFiles.modules)),
    origin: existsSync(at(guestFiles.manifest)) ? readManifest().origin : ['placed by hand'],
  });
  return true;
}

/** Bring the guests into the cache when they are not there. Returns a sentence instead of throwing when they cannot be had. */
export function obtainGuests({ refresh = false } = {}): Guests | string {
  if (!refresh) {
    const cached = cachedGuests();
    if (cached !== undefined) return cached;
  }
  try {
    fromPackages();
  } catch (error) {
    if (!(error instanceof Unobtainable)) throw error;
    if (!fromPlaced()) {
      return `${error.message}. Place a 64-bit Linux kernel as ${guestFiles.kernel} and a static busybox as ${guestFiles.busybox} into ${guestFolder()} and run 'npm run guests' again.`;
    }
  }
  return cachedGuests() ?? 'the guests were placed but cannot be read back';
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { refresh: { type: 'boolean', default: false } } });
  const guests = obtainGuests(values);
  if (typeof guests === 'string') {
    process.stdout.write(`${guests}\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`${guests.origin.join('\n')}\nkernel ${guests.kernel}\ninitrd ${guests.initrd}\n`);
  }
}
