/**
 * A disk streamed through the IDE bus master by a boot sector of ours (assets/guests/ide-stream.asm), on Rootmode and on QEMU's TCG in
 * turn, on the same image. No operating system: what is compared is controllers, threads and images, not processors.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../tasks/run.ts';
import { type GuestProcess, startGuest, startProgram } from './guest-process.ts';

/** Commands of 512 KiB: 4 GiB, and what a drive is asked for first after power-on, before V8 has optimized what serves it. */
const COMMANDS = { long: 8192, first: 1024 } as const;
const DISK_BYTES = 66 * 2 ** 20;
const SECONDS = 120;
const QEMU = 'qemu-system-x86_64';
const QEMU_WORDS = [
  '-accel',
  'tcg',
  '-m',
  '64',
  '-display',
  'none',
  '-serial',
  'stdio',
  '-monitor',
  'none',
  '-no-reboot',
  '-nic',
  'none',
];

interface Streams {
  /** Milliseconds. */
  readonly read: number;
  readonly write: number;
}

async function streams(guest: GuestProcess): Promise<Streams> {
  try {
    const reading = await guest.until('{', SECONDS);
    const read = await guest.until('}', SECONDS);
    const writing = await guest.until('<', SECONDS);
    const written = await guest.until('>', SECONDS);
    return { read: read - reading, write: written - writing };
  } finally {
    guest.kill();
    await guest.ended();
  }
}

/** How many times as long as QEMU's TCG the same stream takes; a sentence where there is no QEMU. */
export async function ideTimes(stream: keyof typeof COMMANDS): Promise<Streams | string> {
  if (spawnSync(QEMU, ['--version']).error !== undefined) return `${QEMU} is not installed`;
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-bench-'));
  try {
    const disk = join(folder, 'disk.img');
    const sector = readFileSync(join(root, 'assets/guests/ide-stream.bin'));
    sector.writeUInt16LE(COMMANDS[stream], 508);
    writeFileSync(disk, sector);
    truncateSync(disk, DISK_BYTES);
    const theirs = await streams(startProgram(QEMU, [...QEMU_WORDS, '-drive', `file=${disk},format=raw,if=ide`]));
    const ours = await streams(startGuest(['--disk', `${disk},format=raw`, '--memory', '64']));
    return { read: ours.read / theirs.read, write: ours.write / theirs.write };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
