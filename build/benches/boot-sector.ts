/** A disk whose boot sector sends one character over COM1 and resets the machine: how long a PC takes from power-on to its first instruction. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGuest } from './guest-process.ts';

/** Not in anything the BIOS prints. */
const MARK = '@';
const ROUNDS = 9;
const SECONDS = 60;

const code = [
  ...[0xba, 0xf8, 0x03], // mov dx, 3F8h
  ...[0xb0, MARK.charCodeAt(0), 0xee], // mov al, mark; out dx, al
  ...[0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee], // mov dx, CF9h; mov al, 6; out dx, al
  ...[0xf4, 0xeb, 0xfd], // hlt; jmp $-1
];

/** Milliseconds from the start of the process to the first boot, and the median from one reset to the next boot. */
export async function bootSectorTimes(): Promise<{ readonly first: number; readonly again: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-bench-'));
  const disk = join(folder, 'disk.img');
  const bytes = new Uint8Array(64 * 512);
  bytes.set(code);
  bytes.set([0x55, 0xaa], 510);
  writeFileSync(disk, bytes);
  const guest = startGuest(['--disk', `${disk},format=raw`, '--memory', '64']);
  try {
    const times = [await guest.until(MARK, SECONDS)];
    while (times.length <= ROUNDS) times.push(await guest.until(MARK, SECONDS));
    const steps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    steps.sort((one, other) => one - other);
    return { first: (times[0] ?? 0) - guest.started, again: steps[ROUNDS >> 1] ?? 0 };
  } finally {
    guest.kill();
    await guest.ended();
    rmSync(folder, { recursive: true });
  }
}
