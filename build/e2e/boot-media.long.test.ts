/** Boot loaders of other people on the built program, from CDs made of Debian's packages: what needs a whole BIOS, screen and keyboard. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { grubCd, isolinuxCd } from '../tasks/boot-media.ts';
import { cachedGuests, guestsMissing } from '../tasks/guest-cache.ts';
import { atTheScreen } from './at-the-screen.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

const BOOT_LIMIT = 120_000;

let bench: Bench;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-media-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.close());

describe.skipIf(notBuilt !== undefined)(`boot loaders${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  it.for(['bare', 'software'])("GRUB's rescue CD shows its menu, and its shell lists drives: on %s", async (accel, ctx) => {
    const cd = grubCd(folder, 'set timeout=-1\nmenuentry "An entry of ours" { true }\n');
    if ('missing' in cd) return ctx.skip(cd.missing);
    const session = bench.start(['run', '--cdrom', cd.path, '--memory', '128', '--name', 'grub', '--accel', accel]);
    const screen = atTheScreen(bench, 'grub');
    await screen.shows(/An entry of ours/, BOOT_LIMIT);
    screen.command('key', 'c');
    await screen.shows(/grub>/, BOOT_LIMIT);
    screen.command('type', 'ls\n');
    await screen.shows(/\(cd0?\)/, BOOT_LIMIT);
    session.kill('SIGINT');
    expect((await session.ended).status).toBe(130);
    return undefined;
  });

  it('ISOLINUX loads and starts Linux', async (ctx) => {
    const guests = cachedGuests();
    if (guests === undefined) return ctx.skip(guestsMissing);
    const cd = isolinuxCd(folder, { ...guests, append: 'console=ttyS0' });
    if ('missing' in cd) return ctx.skip(cd.missing);
    const session = bench.start(['run', '--cdrom', cd.path, '--memory', '512', '--name', 'isolinux']);
    await session.see(/Linux version/, BOOT_LIMIT);
    await session.see('guest# ', BOOT_LIMIT);
    session.type('poweroff -f\n');
    expect((await session.ended).status).toBe(0);
    return undefined;
  });
});
