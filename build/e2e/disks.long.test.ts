/** Disk images on the built program: who may use them, what is kept of what the guest writes, and a host that has no room. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root } from '../tasks/run.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

const SECTOR = 512;
const FIRST = 64;
const SECTORS_A_CALL = 64;
const MIB = 2 ** 20;

let bench: Bench;
let folder: string;
beforeEach(() => {
  bench = createBench();
  folder = mkdtempSync(join(tmpdir(), 'rootmode-disks-'));
});
afterEach(async () => {
  await bench.close();
  rmSync(folder, { recursive: true });
});

/** A disk that writes `calls` times 32 KiB of itself when it is booted. */
function writingDisk(path: string, calls: number): string {
  const sector = readFileSync(join(root, 'assets/guests/fill.bin'));
  sector.writeUInt16LE(calls, 508);
  writeFileSync(path, sector);
  truncateSync(path, (FIRST + calls * SECTORS_A_CALL) * SECTOR);
  return path;
}

/** Sectors that do not say which they are. */
function wrongSectors(path: string, calls: number): number {
  const bytes = readFileSync(path);
  let wrong = 0;
  for (let sector = FIRST; sector < FIRST + calls * SECTORS_A_CALL; sector++)
    if (bytes.readUInt32LE(sector * SECTOR) !== sector) wrong += 1;
  return wrong;
}

const words = (disk: string, name: string) => ['run', '--disk', disk, '--memory', '16', '--name', name];

describe.skipIf(notBuilt !== undefined)(`disk images${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  it('hold what the guest wrote', async () => {
    const disk = writingDisk(join(folder, 'disk.img'), 16);
    const { status, out } = await bench.run(...words(disk, 'writes'));
    expect({ status, out }).toEqual({ status: 0, out: 'Rootmode BIOS\r\nfilling\r\nfilled\r\n' });
    expect(wrongSectors(disk, 16)).toBe(0);
  });

  it.each([
    ['its option', ',snapshot', []],
    ['--snapshot', '', ['--snapshot']],
  ])('are as before after a run with %s', async (_form, option, more) => {
    const disk = writingDisk(join(folder, 'disk.img'), 16);
    const before = readFileSync(disk);
    const { status, out } = await bench.run(...words(`${disk}${option}`, 'forgets'), ...more);
    expect({ status, out: out.split('\r\n').at(-2) }).toEqual({ status: 0, out: 'filled' });
    expect(readFileSync(disk).equals(before)).toBe(true);
  });

  it('that are read-only refuse the guest, with the status for that, and not the others', async () => {
    const disk = writingDisk(join(folder, 'disk.img'), 16);
    const before = readFileSync(disk);
    const { status, out } = await bench.run(...words(`${disk},readonly`, 'reads'));
    expect({ status, out: out.split('\r\n').at(-2) }).toEqual({ status: 0, out: 'failed 03' });
    expect(readFileSync(disk).equals(before)).toBe(true);
  });

  it('belong to the machine that writes them', async () => {
    const empty = join(folder, 'empty.img');
    writeFileSync(empty, new Uint8Array(MIB));
    const first = bench.start(words(empty, 'first'));
    await first.see('Nothing to boot from.');
    const second = await bench.run(...words(empty, 'second'));
    expect(second.status).toBe(2);
    expect(second.err).toMatch(/^rootmode: [^\n]*empty\.img[^\n]*first \(process \d+\)[^\n]*\n$/);
    expect((await bench.run(...words(`${empty},readonly`, 'third'))).status).toBe(2);
    first.kill('SIGINT');
    expect((await first.ended).status).toBe(130);
    const later = bench.start(words(empty, 'later'));
    await later.see('Nothing to boot from.');
    const reader = await bench.run('image', 'check', empty);
    expect(reader.status).not.toBe(0);
  });

  it('of several machines that only read are shared', async () => {
    const empty = join(folder, 'empty.img');
    writeFileSync(empty, new Uint8Array(MIB));
    for (const name of ['one', 'two']) await bench.start(words(`${empty},readonly`, name)).see('Nothing to boot from.');
  });

  it('that find no room when they are made leave nothing, and say so', async (ctx) => {
    const small = join(folder, 'tiny');
    mkdirSync(small);
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small]);
    if (status !== 0) return ctx.skip('a small file system cannot be mounted here: that needs root');
    try {
      const source = join(folder, 'source.img');
      writeFileSync(source, new Uint8Array(4 * MIB).fill(1));
      const target = join(small, 'copy.qcow2');
      for (const words of [
        ['convert', source, target],
        ['create', target, '4M', '--preallocation', 'full'],
      ]) {
        const { status, err } = await bench.run('image', ...words);
        expect({
          status,
          said: err
            .trimEnd()
            .split(/[\r\n]/)
            .at(-1),
        }).toEqual({
          status: 2,
          said: `rootmode: The image ${target} cannot be written (there is no room left on the disk); name a file in a folder where you may write.`,
        });
        expect(existsSync(target)).toBe(false);
      }
    } finally {
      spawnSync('umount', ['-l', small]);
    }
    return undefined;
  });

  it('on a full host disk stop the machine, which goes on when there is room', async (ctx) => {
    const small = join(folder, 'small');
    mkdirSync(small);
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small]);
    if (status !== 0) return ctx.skip('a small file system cannot be mounted here: that needs root');
    try {
      const calls = 4 * 32; // 4 MiB
      const disk = writingDisk(join(small, 'disk.img'), calls);
      const ballast = join(small, 'ballast');
      writeFileSync(ballast, new Uint8Array(6 * MIB));
      const session = bench.start(words(disk, 'full'));
      await session.see('filling');
      await session.seeError(/disk\.img.*\n/, 60_000);
      expect(session.err).toMatch(/no room|full/);
      expect(session.out).not.toContain('filled');
      rmSync(ballast);
      expect(await bench.run('cont', 'full')).toMatchObject({ status: 0, err: '' });
      await session.see('filled');
      expect((await session.ended).status).toBe(0);
      expect(wrongSectors(disk, calls)).toBe(0);
    } finally {
      await bench.close();
      spawnSync('umount', ['-l', small]);
    }
    return undefined;
  });
});
