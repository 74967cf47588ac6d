/** What takes long in the window (seen, cancelled, gone on with), the gallery of images, and machines that come, go and are renamed. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { root } from '../tasks/run.ts';
import { windowForEach } from './each-window.ts';
import type { Bench } from './session.ts';
import { keepScreen } from './window-session.ts';

const echo = join(root, 'assets/guests/echo.bin');

let bench: Bench;
let page: Page;

windowForEach({ viewport: { width: 1200, height: 800 } }, (opened) => {
  ({ bench, page } = opened);
});

const images = (): string => join(bench.data, 'rootmode/images');
const machines = (): string => join(bench.data, 'rootmode/machines');
const tasks = () => page.getByRole('region', { name: 'On their way' });
const open = (link: string): Promise<unknown> => page.evaluate(`location.hash = ${JSON.stringify(link)}`);

describe('what takes long', () => {
  it('shows how far it is, how fast and how long yet, and is cancelled without a trace', async () => {
    await open('#/images');
    await page.getByRole('button', { name: 'New empty disk…' }).click();
    await page.getByLabel('Name in the library').last().fill('large.img');
    await page.getByLabel('Size in GiB').fill('64');
    await page.getByLabel('Format').selectOption('raw');
    await page.getByLabel('Take all of its room now').check();
    await keepScreen(page, 'empty-disk');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await tasks().getByText('Making large.img').waitFor();
    await expect.poll(() => tasks().textContent(), { timeout: 20_000 }).toMatch(/\d+ % .* of 64 GiB · .*\/s · .* left/);
    // The window answers meanwhile, wherever one is.
    await page.getByRole('link', { name: 'Preferences' }).click();
    await page.getByRole('heading', { name: 'Preferences' }).waitFor();
    await keepScreen(page, 'task');
    await page.getByRole('button', { name: 'Cancel large.img' }).click();
    await expect.poll(() => tasks().count(), { timeout: 10_000 }).toBe(0);
    expect(readdirSync(images())).toEqual([]);
    expect(await page.getByRole('alert').count()).toBe(0);
  }, 60_000);

  it('downloads that were cancelled go on where they were', async () => {
    const content = Buffer.alloc(8 << 20, 'some bytes');
    const ranges: (string | undefined)[] = [];
    /** Bytes at once, and the pause after them. */
    const PIECE = 128 << 10;
    let pause = 100;
    const server: Server = createServer(async ({ headers }, response) => {
      ranges.push(headers.range);
      const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, {
        ETag: '"one"',
        'Content-Length': content.length - from,
        ...(from > 0 && { 'Content-Range': `bytes ${from}-${content.length - 1}/${content.length}` }),
      });
      for (let at = from; at < content.length && !response.destroyed; at += PIECE) {
        response.write(content.subarray(at, at + PIECE));
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    try {
      await open('#/images');
      await page.getByLabel('Address').fill(`http://127.0.0.1:${(server.address() as AddressInfo).port}/big.iso`);
      await page.getByRole('button', { name: 'Download' }).click();
      await expect.poll(() => tasks().textContent(), { timeout: 20_000 }).toMatch(/\d+ % .* of 8 MiB · .*\/s · \d+ s left/);
      await page.getByRole('button', { name: 'Cancel big.iso' }).click();
      const cut = page.getByRole('region', { name: 'Downloads that were cut' });
      await cut.getByText(/came from http/).waitFor();
      await keepScreen(page, 'images-cut');
      pause = 0;
      await cut.getByRole('button', { name: 'Go on' }).click();
      await tasks().getByText('Done').waitFor({ timeout: 20_000 });
      expect(ranges[0]).toBeUndefined();
      expect(ranges[1]).toMatch(/^bytes=[1-9]\d+-$/);
      expect(readFileSync(join(images(), 'big.iso')).equals(content)).toBe(true);
      await expect.poll(() => cut.count()).toBe(0);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }, 60_000);
});

describe('the gallery', () => {
  it('shows images with the machines that use them, converts and deletes them, and is at hand for a new machine', async () => {
    await bench.run('image', 'create', join(bench.data, 'd.qcow2'), '8M');
    mkdirSync(images(), { recursive: true });
    renameSync(join(bench.data, 'd.qcow2'), join(images(), 'data.qcow2'));
    writeFileSync(join(images(), 'sector.bin'), Buffer.concat([Buffer.alloc(510, 0x90), Buffer.of(0x55, 0xaa)]));
    await bench.run('create', 'user', '--kernel', echo, '--disk', join(images(), 'data.qcow2'), '--memory', '16');
    await open('#/images');
    const card = (name: string) => page.getByRole('listitem').filter({ hasText: name });
    await card('data.qcow2').getByText('A disk image, 8 MiB in').waitFor();
    await card('data.qcow2').getByRole('link', { name: 'user' }).waitFor();
    await page.getByRole('button', { name: 'Convert data.qcow2' }).click();
    await page.getByRole('button', { name: 'Convert', exact: true }).click();
    await card('data.img').waitFor({ timeout: 20_000 });
    await keepScreen(page, 'gallery');
    await page.getByRole('searchbox', { name: 'Search images' }).fill('sector');
    await expect.poll(() => card('data').count()).toBe(0);
    await page.getByRole('searchbox', { name: 'Search images' }).fill('');
    await page.getByRole('button', { name: 'Delete data.qcow2' }).click();
    await page.getByRole('dialog').getByText('these machines lose it').waitFor();
    await keepScreen(page, 'image-delete');
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(existsSync(join(images(), 'data.qcow2'))).toBe(true);
    await page.getByRole('button', { name: 'Delete data.img' }).click();
    await page.getByRole('button', { name: 'Delete for good' }).click();
    await expect.poll(() => existsSync(join(images(), 'data.img'))).toBe(false);
    await open('#/new');
    await page.getByText('Boot sector').first().click();
    await page.getByRole('button', { name: /^sector\.bin/ }).click();
    await expect.poll(() => page.getByLabel('Name', { exact: true }).inputValue()).toBe('sector');
    await keepScreen(page, 'new-from-gallery');
  }, 60_000);
});

describe('machines', () => {
  it('with files outside of their folder are asked about', async () => {
    const secret = join(bench.data, 'secret.img');
    writeFileSync(secret, 'secret');
    await bench.run('create', 'given', '--kernel', echo, '--disk', `${secret},format=raw`, '--memory', '16');
    const folder = join(bench.runtime, 'given');
    renameSync(join(machines(), 'given.rmvm'), folder);
    await page.evaluate(`localStorage.setItem('last-folder', ${JSON.stringify(folder)})`);
    const take = async (): Promise<void> => {
      await page.getByRole('button', { name: 'Import…' }).click();
      await page.getByRole('button', { name: 'Choose this folder' }).click();
      await page.getByRole('dialog').getByText(secret).waitFor();
    };
    await take();
    await keepScreen(page, 'outside');
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(existsSync(join(machines(), 'given.rmvm'))).toBe(false);
    await take();
    await page.getByRole('button', { name: 'Take in all the same' }).click();
    await page.getByRole('link', { name: 'given' }).waitFor();
    // On the command line the same is said, and allowed by a word.
    expect(await bench.run('import', folder, 'other')).toMatchObject({
      status: 2,
      err: expect.stringContaining('--allow-outside'),
    });
    expect(await bench.run('import', '--allow-outside', folder, 'other')).toMatchObject({ status: 0 });
  }, 60_000);

  it('are exported, renamed, brought back and deleted for good', async () => {
    await bench.run('create', 'one', '--kernel', echo, '--memory', '16');
    await page.getByRole('button', { name: 'Export one' }).click();
    const file = join(bench.runtime, 'one.rmvm');
    await page.getByLabel('File', { exact: true }).fill(file);
    await page.getByRole('button', { name: 'Export', exact: true }).click();
    await page.getByText(`one was packed into ${file}.`).waitFor();
    expect(existsSync(file)).toBe(true);
    await open('#/machine/one/settings');
    await page.getByLabel('Name', { exact: true }).fill('two');
    await page.keyboard.press('Tab');
    await page.getByRole('heading', { name: 'two' }).waitFor();
    await open('#/');
    for (const act of ['Restore two', 'Delete two for good']) {
      await page.getByRole('button', { name: 'Delete two', exact: true }).click();
      await page.getByText('Deleted machines').click();
      await page.getByRole('button', { name: act }).click();
      if (act.startsWith('Restore')) await page.getByRole('link', { name: 'two' }).waitFor();
      else {
        await keepScreen(page, 'forget');
        await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click();
      }
    }
    await expect.poll(() => readdirSync(join(machines(), '.removed'))).toEqual([]);
    await expect.poll(() => page.getByText('Deleted machines').count()).toBe(0);
  }, 60_000);
});
