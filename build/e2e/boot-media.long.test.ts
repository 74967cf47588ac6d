/** Boot loaders of other people on the built program, from CDs made of Debian's packages: what needs a whole BIOS, screen and keyboard. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { grubCd, isolinuxCd } from '../tasks/boot-media.ts';
import { cachedGuests, guestsMissing } from '../tasks/guest-cache.ts';
import { root } from '../tasks/run.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

const COMMAND = join(root, 'build/cli/rootmode');
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

const ask = (...words: string[]): string => {
  const { stdout } = spawnSync(COMMAND, words, { encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: bench.runtime } });
  return stdout;
};
/** The text screen of a machine, looked at until it shows this. */
async function seen(name: string, pattern: RegExp): Promise<string> {
  const end = performance.now() + BOOT_LIMIT;
  let text = '';
  while (performance.now() < end) {
    text = ask('screen', name, '--text');
    if (pattern.test(text)) return text;
    await sleep(500);
  }
  throw new Error(`the screen never showed ${pattern}; it shows:\n${text}`);
}

describe.skipIf(notBuilt !== undefined)(`boot loaders${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  it.for(['bare', 'software'])("GRUB's rescue CD shows its menu, and its shell lists drives: on %s", async (accel, ctx) => {
    const cd = grubCd(folder, 'set timeout=-1\nmenuentry "An entry of ours" { true }\n');
    if ('missing' in cd) return ctx.skip(cd.missing);
    const session = bench.start(['run', '--cdrom', cd.path, '--memory', '128', '--name', 'grub', '--accel', accel]);
    await seen('grub', /An entry of ours/);
    ask('key', 'grub', 'c');
    await seen('grub', /grub>/);
    ask('type', 'grub', 'ls\n');
    await seen('grub', /\(cd0?\)/);
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
