/**
 * Boot media that tests make of other people's boot loaders: GRUB's rescue CD and a CD with ISOLINUX. The loaders come from the system's
 * packages; what cannot be had is a reason to skip, in a sentence.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { notInstalled, Unobtainable, unpackedPackage } from './debian-packages.ts';

/** A made image, or why there is none. */
export type Medium = { readonly path: string } | { readonly missing: string };

function run(program: string, args: readonly string[]): string | undefined {
  const { error, status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) return `${program} is not installed`;
  return status === 0 ? undefined : `${program} failed: ${stderr.trim().split('\n').at(-1) ?? ''}`;
}

/** GRUB for BIOSes on a CD, with this configuration. */
export function grubCd(folder: string, configuration: string): Medium {
  const tree = join(folder, 'grub');
  mkdirSync(join(tree, 'boot/grub'), { recursive: true });
  writeFileSync(join(tree, 'boot/grub/grub.cfg'), configuration);
  const path = join(folder, 'grub.iso');
  const missing = notInstalled('/usr/lib/grub/i386-pc', 'grub-pc-bin') ?? notInstalled('/usr/bin/xorriso', 'xorriso');
  if (missing !== undefined) return { missing };
  const problem = run('grub-mkrescue', ['-d', '/usr/lib/grub/i386-pc', '-o', path, tree]);
  return problem === undefined ? { path } : { missing: problem };
}

/** ISOLINUX on a CD that starts this kernel. */
export function isolinuxCd(
  folder: string,
  files: { readonly kernel: string; readonly initrd: string; readonly append: string },
): Medium {
  const missing = notInstalled('/usr/bin/xorriso', 'xorriso');
  if (missing !== undefined) return { missing };
  const tree = join(folder, 'isolinux');
  mkdirSync(tree, { recursive: true });
  try {
    for (const [name, pattern] of [
      ['isolinux', 'usr/lib/ISOLINUX/isolinux.bin'],
      ['syslinux-common', 'usr/lib/syslinux/modules/bios/ldlinux.c32'],
    ] as const) {
      const unpacked = unpackedPackage(name);
      try {
        const found = globSync(pattern, { cwd: unpacked.folder })[0];
        if (found === undefined) return { missing: `${name} has no ${pattern}` };
        copyFileSync(join(unpacked.folder, found), join(tree, pattern.split('/').at(-1) ?? name));
      } finally {
        unpacked.dispose();
      }
    }
  } catch (error) {
    if (error instanceof Unobtainable) return { missing: error.message };
    throw error;
  }
  copyFileSync(files.kernel, join(tree, 'kernel'));
  copyFileSync(files.initrd, join(tree, 'initrd'));
  const lines = ['DEFAULT linux', 'PROMPT 0', 'LABEL linux', 'KERNEL /kernel', 'INITRD /initrd', `APPEND ${files.append}`];
  writeFileSync(join(tree, 'isolinux.cfg'), `${lines.join('\n')}\n`);
  const path = join(folder, 'isolinux.iso');
  const options = ['-as', 'mkisofs', '-quiet', '-o', path, '-b', 'isolinux.bin', '-c', 'boot.cat', '-no-emul-boot'];
  const problem = run('xorriso', [...options, '-boot-load-size', '4', '-boot-info-table', tree]);
  return problem === undefined ? { path } : { missing: problem };
}
