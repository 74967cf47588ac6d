/** The built-in BIOS on the built program: drives that start, drives that do not, and what is said of them. */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { notInstalled } from '../tasks/debian-packages.ts';
import { root } from '../tasks/run.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

const SECTOR = join(root, 'assets/guests/bootsec.bin');

let bench: Bench;
let folder: string;
let disk: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-firmware-'));
  disk = join(folder, 'disk.img');
  copyFileSync(SECTOR, disk);
  truncateSync(disk, 1 << 20);
  writeFileSync(join(folder, 'empty.img'), new Uint8Array(1 << 20));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.close());

describe.skipIf(notBuilt !== undefined)(`the BIOS${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  it('boots the first sector of a disk, which powers off', async () => {
    const { status, out, err } = await bench.run('run', '--disk', disk, '--memory', '16');
    expect({ status, out, err }).toEqual({ status: 0, out: 'Rootmode BIOS\r\nHello from a boot sector.\r\n', err: '' });
  });

  it('is seen on the screen up to the end, and what never came there is named', async () => {
    const [hello, never] = [join(folder, 'hello.png'), join(folder, 'never.png')];
    const pictures = ['--screenshot-at', `text:from a boot sector=${hello}`, '--screenshot-at', `text:never=${never}`];
    const { status, err } = await bench.run('run', '--disk', disk, '--memory', '16', ...pictures);
    expect({ status, err }).toEqual({
      status: 0,
      err: `\nrootmode: The screen never had text:never, so there is no picture ${never}.\n`,
    });
    expect(readFileSync(hello).subarray(1, 4).toString('latin1')).toBe('PNG');
    expect(existsSync(never)).toBe(false);
  });

  it('tries the next drive when one has nothing to start, and obeys the order', async () => {
    const drives = ['--disk', join(folder, 'empty.img'), '--disk', disk, '--cdrom', 'none', '--memory', '16'];
    const { status, out } = await bench.run('run', ...drives, '--boot', 'order=cdrom+disk');
    expect(status).toBe(0);
    expect(out).toContain('Hello from a boot sector.');
  });

  it('leaves the same memory types in every processor', async () => {
    const words = ['--disk', join(root, 'assets/guests/memory-types.bin,format=raw,readonly'), '--memory', '16', '--debug-exit'];
    const { status, out } = await bench.run('run', ...words, '--cpus', '4');
    expect({ status, out }).toEqual({ status: 1, out: 'Rootmode BIOS\r\n4 agree\r\n' });
  });

  it('says of each drive why it was not started', async () => {
    const session = bench.start(['run', '--disk', join(folder, 'empty.img'), '--cdrom', 'none', '--memory', '16']);
    await session.see('Nothing to boot from.');
    await session.see('Disk 1 (empty.img) has no boot signature in its first sector.');
    await session.see('CD 1 (cdrom) has no medium in it.');
    session.kill('SIGINT');
    expect((await session.ended).status).toBe(130);
  });

  it('says so when the boot order leaves every drive out', async () => {
    const session = bench.start(['run', '--disk', disk, '--boot', 'order=cdrom', '--memory', '16']);
    await session.see('The boot order names none of the drives there are.');
    session.kill('SIGINT');
    expect((await session.ended).status).toBe(130);
  });
});

const SEABIOS = '/usr/share/seabios/bios-256k.bin';
const OVMF = '/usr/share/OVMF/OVMF_CODE_4M.fd';
const OVMF_SMM = '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd';

describe.skipIf(notBuilt !== undefined)('firmware of others', () => {
  it('SeaBIOS boots the first sector of a disk', async (ctx) => {
    const missing = notInstalled(SEABIOS, 'seabios');
    if (missing !== undefined) return ctx.skip(missing);
    const { status, out, err } = await bench.run('run', '--firmware', SEABIOS, '--disk', disk, '--memory', '64');
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toContain('Hello from a boot sector.');
    return undefined;
  });

  it("SeaBIOS shows itself by the program in the display adapter's ROM", async (ctx) => {
    const missing = notInstalled(SEABIOS, 'seabios');
    if (missing !== undefined) return ctx.skip(missing);
    const session = bench.start(['run', '--name', 'sea', '--firmware', SEABIOS, '--cdrom', 'none', '--memory', '64']);
    let text = '';
    for (let tries = 0; tries < 100 && !text.includes('No bootable device'); tries++)
      text = (await bench.run('screen', 'sea')).out;
    expect(text).toContain('SeaBIOS (version');
    session.kill('SIGINT');
    expect((await session.ended).status).toBe(130);
    return undefined;
  });

  it('OVMF comes to its shell', async (ctx) => {
    const missing = notInstalled(OVMF, 'ovmf');
    if (missing !== undefined) return ctx.skip(missing);
    const session = bench.start(['run', '--firmware', OVMF, '--memory', '256']);
    await session.see('EFI Internal Shell', 200_000);
    await session.see('Shell>', 60_000);
    session.kill('SIGINT');
    expect((await session.ended).status).toBe(130);
    return undefined;
  });

  it('OVMF keeps its variables in a file over a restart', async (ctx) => {
    const missing = notInstalled(OVMF, 'ovmf');
    if (missing !== undefined) return ctx.skip(missing);
    const kept = ['--firmware', OVMF, '--firmware-variables', join(folder, 'variables.fd')];
    const variable = 'setvar Rootmode -guid 12345678-1234-1234-1234-123456789ABC';
    const shell = async (words: string, answer: RegExp) => {
      const session = bench.start(['run', ...kept, '--memory', '256', '--jit', 'on']);
      await session.see('Shell>', 200_000);
      session.type(`${words}\r`);
      await session.see(answer, 60_000);
      session.type('reset -s\r');
      return (await session.ended).status;
    };
    expect(await shell(`${variable} -nv -bs =4f4b`, /Shell>/)).toBe(0);
    expect(await shell(variable, /4F 4B/)).toBe(0);
    return undefined;
  });

  it("OVMF's variables lie in the machine's folder without being asked for", async (ctx) => {
    const missing = notInstalled(OVMF, 'ovmf');
    if (missing !== undefined) return ctx.skip(missing);
    const made = await bench.run('create', 'uefi', '--firmware', OVMF, '--memory', '256');
    expect({ status: made.status, err: made.err }).toEqual({ status: 0, err: '' });
    const variables = join(bench.data, 'rootmode/machines/uefi.rmvm/variables.fd');
    expect(existsSync(variables)).toBe(false);
    expect((await bench.run('start', 'uefi')).status).toBe(0);
    const fresh = readFileSync(OVMF.replace('CODE', 'VARS'));
    expect(readFileSync(variables)).toHaveLength(fresh.length);
    // What it notes of the console and its boot options, at the latest when its shell comes.
    await expect.poll(() => readFileSync(variables).equals(fresh), { timeout: 200_000, interval: 1000 }).toBe(false);
    expect((await bench.run('power', 'uefi', 'off')).status).toBe(0);
    return undefined;
  });

  it('that needs SMM is refused with that reason', async (ctx) => {
    const missing = notInstalled(OVMF_SMM, 'ovmf');
    if (missing !== undefined) return ctx.skip(missing);
    const { status, err } = await bench.run('run', '--firmware', OVMF_SMM, '--memory', '64');
    expect(err).toMatch(/^rootmode: [^\n]*needs system management mode[^\n]*\n$/);
    expect(status).toBe(2);
    return undefined;
  });
});
