/** An installed Debian on a disk image, on the built program: firmware, GRUB, the IDE disk, a login, and a file system that stays whole. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { debianDisk, obtainDebianDisk } from '../tasks/debian-disk.ts';
import { atTheScreen } from './at-the-screen.ts';
import { type Bench, createBench, notBuilt, type Session } from './session.ts';

/** Downloading and unpacking a system, once. */
const MAKING = 900_000;
/** systemd on an interpreted processor, on a computer that runs other tests as well. */
const BOOT_LIMIT = 1_200_000;
const STEP_LIMIT = 300_000;
const SEABIOS = '/usr/share/seabios/bios-256k.bin';
const PROMPT = `root@${debianDisk.hostname}:`;

let bench: Bench;
let folder: string;
let made: ReturnType<typeof obtainDebianDisk> = { missing: 'not tried' };
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-debian-'));
  if (notBuilt === undefined) made = obtainDebianDisk();
}, MAKING);
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.close());

async function logIn(session: Session): Promise<void> {
  await session.see(`${debianDisk.hostname} login: `, BOOT_LIMIT);
  session.type('root\n');
  await session.see(PROMPT, STEP_LIMIT);
}

async function shutDown(session: Session): Promise<void> {
  session.type('systemctl poweroff\n');
  const { status, err } = await session.ended;
  expect({ status, err }).toEqual({ status: 0, err: '' });
}

function tool(program: string, ...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  expect({ program, status, stderr: status === 0 ? '' : `${stdout}${stderr}` }).toEqual({ program, status: 0, stderr: '' });
  return stdout;
}

/** The root file system of a raw image, for the programs of e2fsprogs. */
const fileSystem = (image: string) => `${image}?offset=${debianDisk.partitionOffset}`;

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

describe.skipIf(notBuilt !== undefined)(`Debian on an IDE disk${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  it('starts by GRUB to a login, writes 200 MB, and leaves a clean file system', { timeout: 3_000_000 }, async (ctx) => {
    if ('missing' in made) return ctx.skip(made.missing);
    const disk = join(folder, 'disk.img');
    tool('cp', '--sparse=always', made.path, disk);
    const session = bench.start(['run', '--disk', disk, '--memory', '512', '--name', 'debian']);
    const screen = atTheScreen(bench, 'debian');
    await screen.shows(/GNU GRUB.*Debian on a disk/s, 60_000);
    await logIn(session);
    await screen.shows(/Debian GNU\/Linux 12 rootmode-debian tty1/, STEP_LIMIT);
    session.type('dd if=/dev/urandom of=/tmp/piece bs=1M count=1 2>/dev/null\n');
    session.type(
      'for i in $(seq 200); do echo $i; cat /tmp/piece; done > /big; sync; sha256sum < /big; stat -c "%s bytes" /big\n',
    );
    const [, sum] = await session.see(/[\r\n]([0-9a-f]{64}) {2}-\r\n/, STEP_LIMIT * 2);
    const [, bytes] = await session.see(/(\d+) bytes\r\n/);
    expect(Number(bytes)).toBeGreaterThan(200 * 2 ** 20);
    await shutDown(session);
    tool('e2fsck', '-f', '-n', fileSystem(disk));
    tool('debugfs', '-R', `dump /big ${join(folder, 'big')}`, fileSystem(disk));
    expect(await sha256Of(join(folder, 'big'))).toBe(sum);
    return undefined;
  });

  it('starts under SeaBIOS from a qcow2 image on top of it', { timeout: 2_000_000 }, async (ctx) => {
    if ('missing' in made) return ctx.skip(made.missing);
    const overlay = join(folder, 'overlay.qcow2');
    const raw = join(folder, 'flat.img');
    const { status: created, err } = await bench.run(
      'image',
      'create',
      overlay,
      '--backing',
      made.path,
      '--backing-format',
      'raw',
    );
    expect({ created, err }).toEqual({ created: 0, err: '' });
    const session = bench.start(['run', '--firmware', SEABIOS, '--disk', overlay, '--memory', '512', '--name', 'seabios']);
    await logIn(session);
    session.type('echo kept > /mark; sync; dmesg | grep -c DMI; echo done-$((1+1))\n');
    await session.see('done-2', STEP_LIMIT);
    await shutDown(session);
    expect((await bench.run('image', 'check', overlay)).status).toBe(0);
    expect((await bench.run('image', 'convert', overlay, raw, '--format', 'raw')).status).toBe(0);
    tool('e2fsck', '-f', '-n', fileSystem(raw));
    expect(tool('debugfs', '-R', 'cat /mark', fileSystem(raw))).toBe('kept\n');
    return undefined;
  });
});
