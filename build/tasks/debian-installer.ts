/** Debian's installer for networks, text and graphical, from the package that carries it, kept in the cache beside the other guests. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Unobtainable, unpackedPackage } from './debian-packages.ts';
import { guestFolder } from './guest-cache.ts';

const PACKAGE = 'debian-installer-12-netboot-amd64';
const KINDS = ['text', 'gtk'] as const;

export interface InstallerFiles {
  readonly kernel: string;
  readonly initrd: string;
}

export type Installers = Readonly<Record<(typeof KINDS)[number], InstallerFiles>>;

/** The cached installers, fetched when there are none; a sentence when they cannot be had here. */
export function obtainInstallers(): Installers | { readonly missing: string } {
  const folder = join(dirname(guestFolder()), PACKAGE);
  if (!existsSync(folder)) {
    try {
      const unpacked = unpackedPackage(PACKAGE);
      mkdirSync(dirname(folder), { recursive: true });
      const fresh = mkdtempSync(`${folder}-`);
      try {
        for (const kind of KINDS) {
          mkdirSync(join(fresh, kind));
          const images = join(unpacked.folder, 'usr/lib/debian-installer/images/12/amd64', kind, 'debian-installer/amd64');
          for (const name of ['linux', 'initrd.gz']) copyFileSync(join(images, name), join(fresh, kind, name));
        }
        renameSync(fresh, folder);
      } finally {
        rmSync(fresh, { recursive: true, force: true });
        unpacked.dispose();
      }
    } catch (error) {
      if (error instanceof Unobtainable) return { missing: error.message };
      throw error;
    }
  }
  const files = (kind: string): InstallerFiles => ({
    kernel: join(folder, kind, 'linux'),
    initrd: join(folder, kind, 'initrd.gz'),
  });
  return { text: files('text'), gtk: files('gtk') };
}
