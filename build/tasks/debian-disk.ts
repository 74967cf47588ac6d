/**
 * `node build/tasks/debian-disk.ts`: a disk with Debian on it, as an installation on a PC of the BIOS age leaves it: a partition table,
 * GRUB in the master boot record and behind it, an ext4 file system with the distribution's kernel and systemd. Made of Debian's packages
 * by debootstrap, without loop devices or mounts of ours, and kept in the cache beside the other guests. Needs root, for chroot.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { notInstalled, Unobtainable } from './debian-packages.ts';
import { bootRecord, embeddedCore, PARTITION_SECTOR, SECTOR } from './grub-embedding.ts';
import { guestFolder } from './guest-cache.ts';

export const debianDisk = {
  label: 'rootmode-root',
  hostname: 'rootmode-debian',
  partitionOffset: PARTITION_SECTOR * SECTOR,
} as const;

const DEBOOTSTRAP = '/usr/sbin/debootstrap';
const SUITE = 'bookworm';
const MIRROR = 'http://deb.debian.org/debian';
const PACKAGES = ['systemd-sysv', 'udev', 'kmod', 'e2fsprogs', 'linux-image-cloud-amd64', 'grub-pc-bin', 'grub-common'];
/** Modules of its initramfs: what finds the root file system on this PC. */
const MODULES = ['ata_piix', 'sd_mod', 'ext4'];
const DISK_BYTES = 1536 * 2 ** 20;
const GRUB_MODULES = ['biosdisk', 'part_msdos', 'ext2'];
/** What a system without a network and without readers of its documents can do without. */
const DROPPED = ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/i18n'];

/** Units that a machine for tests can do without: each costs a slow processor seconds. */
const MASKED = [
  ...['configfs', 'drm', 'efi_pstore', 'fuse', 'loop'].map((name) => `modprobe@${name}.service`),
  ...['e2scrub_reap.service', 'systemd-pstore.service', 'dev-hugepages.mount', 'dev-mqueue.mount'],
  ...['sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'sys-kernel-config.mount', 'sys-fs-fuse-connections.mount'],
  ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'fstrim.timer'],
];

const GRUB_CONFIGURATION = `set timeout=2
set default=0
menuentry "Debian on a disk" {
  search --no-floppy --label ${debianDisk.label} --set=root
  linux /vmlinuz root=LABEL=${debianDisk.label} ro quiet console=tty0 console=ttyS0
  initrd /initrd.img
}
`;

/** Run a program to its end; the last line it said is the reason when it fails. */
function run(program: string, args: readonly string[]): void {
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (error !== undefined) throw new Unobtainable(`${program} cannot be run here (${error.message})`);
  if (status === 0) return;
  const said = `${stdout}${stderr}`.trim().split('\n').at(-1) ?? '';
  throw new Unobtainable(`${program} ${args[0] ?? ''} failed: ${said}`);
}

function installed(program: string): string {
  const found = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].map((at) => join(at, program)).find((path) => existsSync(path));
  if (found === undefined) throw new Unobtainable(`${program} is not installed`);
  return found;
}

function configure(tree: string): void {
  const write = (path: string, text: string) => writeFileSync(join(tree, path), text);
  write('etc/hostname', `${debianDisk.hostname}\n`);
  write('etc/fstab', `LABEL=${debianDisk.label} / ext4 errors=remount-ro 0 1\n`);
  write('etc/initramfs-tools/conf.d/rootmode', 'MODULES=list\nCOMPRESS=gzip\n');
  appendFileSync(join(tree, 'etc/initramfs-tools/modules'), `${MODULES.join('\n')}\n`);
  // A device that shows late is waited for: the machine may be a hundred times slower than what the default is for.
  mkdirSync(join(tree, 'etc/systemd/system.conf.d'), { recursive: true });
  write('etc/systemd/system.conf.d/rootmode.conf', '[Manager]\nDefaultDeviceTimeoutSec=15min\nDefaultTimeoutStartSec=15min\n');
  for (const unit of MASKED) symlinkSync('/dev/null', join(tree, 'etc/systemd/system', unit));
  run('chroot', [tree, 'passwd', '--delete', 'root']);
  run('chroot', [tree, 'update-initramfs', '-u', '-k', 'all']);
  for (const path of DROPPED) rmSync(join(tree, path), { recursive: true, force: true });
  mkdirSync(join(tree, 'var/cache/apt/archives/partial'), { recursive: true });
}

/** GRUB's modules and configuration inside the file system; returns its core image and boot sector. */
function installGrub(tree: string): { readonly boot: Uint8Array; readonly core: Uint8Array } {
  const modules = join(tree, 'boot/grub/i386-pc');
  mkdirSync(modules, { recursive: true });
  for (const name of globSync('*.{mod,lst}', { cwd: join(tree, 'usr/lib/grub/i386-pc') }))
    copyFileSync(join(tree, 'usr/lib/grub/i386-pc', name), join(modules, name));
  writeFileSync(join(tree, 'boot/grub/grub.cfg'), GRUB_CONFIGURATION);
  const prefix = ['--prefix', '(hd0,msdos1)/boot/grub'];
  run('chroot', [tree, 'grub-mkimage', '--format', 'i386-pc', '--output', '/boot/grub/core.img', ...prefix, ...GRUB_MODULES]);
  const at = (path: string) => new Uint8Array(readFileSync(join(tree, path)));
  return { boot: at('usr/lib/grub/i386-pc/boot.img'), core: at('boot/grub/core.img') };
}

function assemble(tree: string, image: string): void {
  const { boot, core } = installGrub(tree);
  writeFileSync(image, '');
  truncateSync(image, DISK_BYTES);
  const kib = (DISK_BYTES - debianDisk.partitionOffset) / 1024;
  const where = ['-L', debianDisk.label, '-d', tree, '-E', `offset=${debianDisk.partitionOffset},lazy_itable_init=0`];
  run(installed('mke2fs'), ['-q', '-F', '-t', 'ext4', ...where, image, `${kib}k`]);
  const file = openSync(image, 'r+');
  try {
    writeSync(file, bootRecord(boot, DISK_BYTES / SECTOR), 0, undefined, 0);
    writeSync(file, embeddedCore(core), 0, undefined, SECTOR);
  } finally {
    closeSync(file);
  }
}

/** Changes when a disk made by this checkout would differ; a change in `configure` takes a new form. */
function recipe(): string {
  const parts = [SUITE, PACKAGES, MODULES, DROPPED, MASKED, GRUB_MODULES, GRUB_CONFIGURATION, DISK_BYTES, debianDisk, 'form 1'];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/** The cached disk, made when there is none; a sentence when it cannot be had here. The file is not to be written. */
export function obtainDebianDisk(): { readonly path: string } | { readonly missing: string } {
  const path = join(dirname(guestFolder()), 'debian-disk', `${recipe()}.img`);
  if (existsSync(path)) return { path };
  if (process.getuid?.() !== 0) return { missing: 'a Debian disk is made by debootstrap, which needs root' };
  mkdirSync(dirname(path), { recursive: true });
  const work = mkdtempSync(join(dirname(path), 'making-'));
  try {
    const tree = join(work, 'tree');
    const missing = notInstalled(DEBOOTSTRAP, 'debootstrap');
    if (missing !== undefined) throw new Unobtainable(missing);
    run(DEBOOTSTRAP, ['--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, tree, MIRROR]);
    configure(tree);
    const image = join(work, 'disk.img');
    assemble(tree, image);
    for (const older of globSync('*.img', { cwd: dirname(path) })) rmSync(join(dirname(path), older));
    renameSync(image, path);
    return { path };
  } catch (error) {
    if (error instanceof Unobtainable) return { missing: error.message };
    throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const disk = obtainDebianDisk();
  process.stdout.write('path' in disk ? `${disk.path}\n` : `${disk.missing}\n`);
  process.exitCode = 'path' in disk ? 0 : 1;
}
