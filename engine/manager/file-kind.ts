/** What a file is, by its bytes: enough to guess what a person wants with it. Everything in it is hostile; nothing but a few bytes is read. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import type { FileKind } from '../contract/image-commands.ts';
import { codeOf, reasonOf } from '../host/files.ts';

/** Bytes of the beginning that are looked at: an ISO's first volume descriptor ends here. */
const LOOKED_AT = 0x8806;
/** Sizes of floppies, in KiB. */
const FLOPPIES = [160, 180, 320, 360, 720, 1200, 1440, 2880];
/** A multiboot header begins within this many bytes. */
const MULTIBOOT_END = 8192;
const MULTIBOOT_MAGIC = 0x1bad_b002;

export function lookAtFile(path: string): { readonly path: string; readonly bytes: number; readonly kind: FileKind } {
  try {
    const { size, isFile, isFolder } = kindOnDisk(path);
    if (isFolder)
      return { path, bytes: 0, kind: statSync(join(path, 'machine.json'), { throwIfNoEntry: false }) ? 'machine' : 'folder' };
    if (!isFile) throw new EngineError('file-unreadable', { what: 'file', path, reason: 'it is no regular file' });
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(Math.min(LOOKED_AT, size));
      const count = readSync(file, bytes, 0, bytes.length, 0);
      return { path, bytes: size, kind: fileKind(bytes.subarray(0, count), { size, path }) };
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    if (codeOf(cause) === 'ENOENT') throw new EngineError('file-missing', { what: 'file', path }, { cause });
    throw new EngineError('file-unreadable', { what: 'file', path, reason: reasonOf(cause) }, { cause });
  }
}

function kindOnDisk(path: string): { size: number; isFile: boolean; isFolder: boolean } {
  const found = statSync(path);
  return { size: found.size, isFile: found.isFile(), isFolder: found.isDirectory() };
}

/** `head`: up to `LOOKED_AT` bytes of the beginning of the file at `path`, which has `size` bytes. */
export function fileKind(head: Buffer, { size, path }: { readonly size: number; readonly path: string }): FileKind {
  const text = (at: number, length: number): string => head.toString('latin1', at, at + length);
  if (text(0x202, 4) === 'HdrS') return 'kernel';
  if (text(0, 4) === '\x7fELF') return 'kernel';
  if (text(0, 4) === 'QFI\xfb') return 'disk';
  if (text(0x8001, 5) === 'CD001') return 'iso';
  if (text(0, 2) === '\x1f\x8b' || text(0, 6) === '070701' || text(0, 6) === '\xfd7zXZ\0' || text(0, 4) === '\x28\xb5\x2f\xfd') {
    return 'archive';
  }
  if (hasMultiboot(head)) return 'kernel';
  if (size === 512 && isBootSector(head)) return 'boot-sector';
  if (FLOPPIES.includes(size / 1024)) return 'floppy';
  return size % SECTOR === 0 && size > 0 && (isBootSector(head) || isUnwritten(head) || IMAGE_NAME.test(path)) ? 'disk' : 'other';
}

const SECTOR = 512;
/** Images of disks without a boot sector say nothing of themselves but by their names: disks of data, and new ones. */
const IMAGE_NAME = /\.(img|raw|dd|hdd|disk)$/i;
const isUnwritten = (head: Buffer): boolean => head.every((byte) => byte === 0);

const isBootSector = (head: Buffer): boolean => head.length >= 512 && head.readUInt16LE(510) === 0xaa55;

function hasMultiboot(head: Buffer): boolean {
  for (let at = 0; at + 12 <= Math.min(head.length, MULTIBOOT_END); at += 4) {
    if (head.readUInt32LE(at) !== MULTIBOOT_MAGIC) continue;
    if (((MULTIBOOT_MAGIC + head.readUInt32LE(at + 4) + head.readUInt32LE(at + 8)) & 0xffff_ffff) === 0) return true;
  }
  return false;
}

/** Specification of qcow2, header: bytes 24-31 are the size of the disk. */
const QCOW2_SIZE = 24;

/** Of a disk image of so many bytes: its form, and the size of the disk that a guest sees. */
export function diskOf(path: string, bytes: number): { readonly format: 'qcow2' | 'raw'; readonly diskBytes: number } {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(QCOW2_SIZE + 8);
    const whole = readSync(file, head, 0, head.length, 0) === head.length;
    if (!whole || head.toString('latin1', 0, 4) !== 'QFI\xfb') return { format: 'raw', diskBytes: bytes };
    return { format: 'qcow2', diskBytes: Number(head.readBigUInt64BE(QCOW2_SIZE)) };
  } finally {
    closeSync(file);
  }
}
