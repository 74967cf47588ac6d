/** `rootmode run --display window`: what is opened, and that the machine is there. A program of the test stands in for browser and Electron. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockHolder } from '../../engine/manager/folder-lock.ts';
import { noBrowser, openBrowser } from './browser.ts';
import { connectToManager } from './manager-client.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.close());

/** A program that writes down how it was called. */
function recorder(path: string): { said(): Promise<string[]> } {
  const file = `${path}.said`;
  // In one move, so that nobody reads half of it.
  writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$XDG_DATA_HOME" "$@" >'${file}.new' && mv '${file}.new' '${file}'\n`);
  chmodSync(path, 0o755);
  return {
    said: async () => {
      await expect.poll(() => existsSync(file), { timeout: 30_000 }).toBe(true);
      return readFileSync(file, 'utf8').trimEnd().split('\n');
    },
  };
}

const startShown = (...environment: string[]) =>
  bench.start(['run', '--name', 'shown', '--cdrom', 'none', '--memory', '16', '--display', 'window'], {
    through: ['env', ...environment],
  });

describe.skipIf(notBuilt !== undefined)(`a window${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  it('opens in the browser, on the screen of the machine, which goes with it', async (ctx) => {
    const missing = noBrowser();
    if (missing !== undefined) return ctx.skip(missing);
    const opener = recorder(join(bench.runtime, 'xdg-open'));
    const session = startShown(`PATH=${bench.runtime}:${process.env.PATH}`);
    const [data = '', address = ''] = await opener.said();
    const connected = await connectToManager(address);
    const { machines } = await connected.manager.libraryList({});
    expect(machines.map(({ name, pid }) => [name, pid])).toEqual([['shown', session.pid]]);
    connected.close();
    const browser = await openBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(address);
      await expect.poll(() => page.url(), { timeout: 30_000 }).toMatch(/#\/machine\/shown$/);
      await page.locator('canvas').first().waitFor({ timeout: 30_000 });
    } finally {
      await browser.close();
    }
    session.kill('SIGINT');
    expect((await session.ended).status).toBe(130);
    expect(existsSync(data)).toBe(false);
    return undefined;
  });

  it('opens in Electron where that is installed', async () => {
    const folder = join(bench.runtime, 'electron');
    mkdirSync(folder);
    const electron = recorder(join(folder, 'electron'));
    const session = startShown(`ELECTRON_OVERRIDE_DIST_PATH=${folder}`);
    const [data = '', ...words] = await electron.said();
    expect(words.slice(1)).toEqual([`--user-data-dir=${data}/electron`, 'rootmode://machine/shown']);
    expect(lockHolder(join(data, 'rootmode/machines/shown.rmvm'))).toBe(session.pid);
    session.kill('SIGINT');
    expect((await session.ended).status).toBe(130);
  });

  it('is refused for a machine without a display', async () => {
    const { status, err } = await bench.run('run', '--vga', 'none', '--memory', '16', '--display', 'window');
    expect(err).toMatch(/^rootmode: .*--display.*needs a display adapter.*\n$/);
    expect(status).toBe(2);
  });
});
