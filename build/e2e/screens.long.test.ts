/**
 * Every screen, dialog, empty state and error of the window that no other test comes by, in both themes: kept as pictures in
 * `.out/pictures`, judged by axe, and by whether everything has room. And the whole window by keys alone.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { root } from '../tasks/run.ts';
import { windowForEach } from './each-window.ts';
import type { Bench } from './session.ts';
import { keepScreen, type WindowSession } from './window-session.ts';

const echo = join(root, 'assets/guests/echo.bin');
const welcome = join(root, 'assets/guests/welcome.bin');

let session: WindowSession;
let bench: Bench;
let page: Page;

windowForEach({ viewport: { width: 1200, height: 800 } }, (opened) => {
  session = opened;
  ({ bench, page } = opened);
});

const open = (link: string): Promise<unknown> => page.evaluate(`location.hash = ${JSON.stringify(link)}`);
const keep = (name: string): Promise<void> => keepScreen(page, name);
const images = (): string => join(bench.data, 'rootmode/images');
const machineFile = (name: string): string => join(bench.data, 'rootmode/machines', `${name}.rmvm/machine.json`);
const seen = (text: string | RegExp) => page.getByText(text).first().waitFor();

describe('the library', () => {
  it('shows every state a machine can be in, finds, filters, sorts and chooses', async () => {
    await bench.run('create', 'alpha', '--kernel', echo, '--memory', '16');
    await bench.run('create', 'beta', '--kernel', welcome, '--memory', '64');
    await bench.run('start', 'beta');
    await expect.poll(() => page.locator('.machine img').count(), { timeout: 20_000 }).toBeGreaterThan(0);
    await keep('library-live');
    await bench.run('create', 'gone', '--kernel', echo, '--memory', '16');
    await bench.run('create', 'a-name-that-goes-on-for-as-long-as-names-may-go', '--kernel', echo, '--memory', '16');
    await bench.run('create', 'damaged', '--kernel', echo);
    writeFileSync(machineFile('damaged'), '{"format":"rootmode-machine","ver');
    const killed = Number(/process (\d+)/.exec((await bench.run('start', 'gone')).out)?.[1]);
    process.kill(killed, 'SIGKILL');
    await seen('gone');
    await seen(/cannot be used: it is not JSON/);
    await expect.poll(() => page.locator('.machine img').count(), { timeout: 20_000 }).toBeGreaterThan(0);
    await keep('library-states');

    // Keys choose, extend and take back; a tag and a group apply to all that is chosen.
    await page.keyboard.press('Control+a');
    await seen('5 chosen');
    await keep('library-chosen');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByText('5 chosen').count()).toBe(0);
    await page.getByLabel('Choose alpha').check({ force: true });
    await page.getByLabel('Choose gone').check({ force: true });
    await page.getByRole('button', { name: 'Group and tags…' }).click();
    await page.getByPlaceholder('Tags, with commas between').fill('small, test');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByRole('group', { name: 'Tags' }).getByRole('button', { name: 'test', exact: true }).click();
    await expect.poll(() => page.locator('li.machine').count()).toBe(2);
    await page.getByRole('group', { name: 'Tags' }).getByRole('button', { name: 'All', exact: true }).click();

    await page.getByLabel('Sort by').selectOption('memory');
    await expect.poll(() => page.locator('li.machine .name').first().textContent()).toBe('beta');
    await page.getByLabel('Sort by').selectOption('state');
    await expect.poll(() => page.locator('li.machine .name').first().textContent()).toBe('beta');
    await page.getByLabel('Sort by').selectOption('name');
    await page.keyboard.press('Control+f');
    await page.keyboard.type('no such machine');
    await seen('No machine matches “no such machine”.');
    await keep('library-nothing-found');
    await page.getByRole('searchbox').fill('');
    await page.getByRole('button', { name: 'Delete alpha' }).click();
    await seen('alpha was deleted.');
    await keep('library-undo');
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('link', { name: 'alpha' }).waitFor();
  });

  it('takes machines from folders of the host', async () => {
    await page.getByRole('button', { name: 'Import…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Choose this folder' }).waitFor();
    await keep('file-picker');
    await page.getByRole('button', { name: 'Choose this folder' }).click();
    await page.getByRole('alert').waitFor();
    await keep('library-error');
  });

  it('shows where files may be dropped', async () => {
    const driver = await page.context().newCDPSession(page);
    const data = { items: [], files: [echo], dragOperationsMask: 1 };
    await driver.send('Input.dispatchDragEvent', { type: 'dragEnter', x: 500, y: 300, data });
    await seen('Drop to make a machine from it');
    await keep('drop');
  });
});

describe('a new machine', () => {
  it('has a preset for each kind of system, says what is wrong as one types, and has all details', async () => {
    await open('#/new');
    for (const preset of ['BSD', 'DOS', 'Windows 9x', 'Your own system', 'Kernel file', 'Boot sector', 'Linux']) {
      await page.locator('label.preset', { hasText: preset }).first().click();
    }
    await page.getByRole('spinbutton', { name: 'Memory in MiB' }).fill('99999999');
    await page.getByLabel('Virtual processors').fill('17');
    await page.getByLabel('Name', { exact: true }).fill('.hidden');
    await page.getByLabel('CD image').fill('/no/such/file.iso');
    await seen(/There is no file at/);
    await seen('Must be at most 16');
    await seen(/Must be 1 to 48 letters/);
    await page.locator('details summary').click();
    await page.setViewportSize({ width: 1200, height: 1500 });
    await keep('new-problems');
    await page.setViewportSize({ width: 1200, height: 800 });
    await page.getByLabel('Step by step').check();
    await keep('wizard-kind');
  });
});

describe('images', () => {
  it('are downloaded with the sum they must have, and say what went wrong otherwise', async () => {
    const server: Server = createServer((request, response) => {
      response.writeHead(request.url === '/none.iso' ? 404 : 200).end(Buffer.alloc(64 << 10, 'x'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await open('#/images');
      await seen('No images yet.');
      await keep('images-empty');
      await page.getByLabel('Address').fill('ftp://elsewhere/x.iso');
      await seen('Must be an http or https address');
      await page.getByLabel('SHA-256').fill('12');
      await seen('Must be 64 hexadecimal digits');
      await keep('images-problems');
      await page.getByLabel('Address').fill(`${base}/wrong.iso`);
      await page.getByLabel('SHA-256').fill('0'.repeat(64));
      await page.getByRole('button', { name: 'Download' }).click();
      await seen(/wrong\.iso is not what it should be, and was deleted/);
      await page.getByLabel('Address').fill(`${base}/none.iso`);
      await page.getByLabel('SHA-256').fill('');
      await page.getByRole('button', { name: 'Download' }).click();
      await seen(/could not be downloaded: the server answered 404/);
      await keep('images-failed');
    } finally {
      server.close();
    }
  });

  it('of every kind stand in the gallery, also those nothing starts from', async () => {
    mkdirSync(images(), { recursive: true });
    const file = (name: string, bytes: Buffer): void => writeFileSync(join(images(), name), bytes);
    const sector = Buffer.concat([Buffer.alloc(510, 0x90), Buffer.of(0x55, 0xaa)]);
    const iso = Buffer.alloc(0x9000);
    iso.write('CD001', 0x8001, 'latin1');
    file('install.iso', iso);
    file('sector.bin', sector);
    file('floppy.img', Buffer.concat([sector, Buffer.alloc(1440 * 1024 - 512)]));
    file('data-without-boot-sector.img', Buffer.alloc(4 << 20));
    file('notes.txt', Buffer.from('nothing'));
    await bench.run('image', 'create', join(images(), 'disk-with-quite-a-long-name-for-a-disk.qcow2'), '8G');
    await open('#/images');
    await page
      .getByRole('listitem')
      .filter({ hasText: 'data-without-boot-sector' })
      .getByRole('button', { name: /^Convert / })
      .waitFor();
    await expect
      .poll(() => page.getByRole('group', { name: 'Kinds' }).getByRole('button').allTextContents())
      .toEqual(expect.arrayContaining(['All', 'CDs', 'Disks', 'Floppies', 'Boot sectors', 'Others']));
    await keep('gallery-kinds');
    await page.getByRole('button', { name: 'Convert data-without-boot-sector.img' }).click();
    await page.getByRole('dialog').waitFor();
    await keep('convert');
    await page.keyboard.press('Escape');
    await page.evaluate("localStorage.setItem('language', 'de')");
    await page.reload();
    await page.getByRole('heading', { name: 'Abbilder' }).waitFor();
    await page.getByRole('listitem').filter({ hasText: 'install.iso' }).waitFor();
    await keep('gallery-german');
  });
});

describe('a machine', () => {
  it('that is off has something to say on each tab', async () => {
    await bench.run('create', 'one', '--kernel', echo, '--memory', '16', '--cdrom', 'none', '--floppy', 'none');
    for (const [tab, text] of [
      ['display', 'The machine is off'],
      ['console', 'The machine is off'],
      ['monitor', 'The machine is off'],
      ['inspector', 'The machine is off'],
      ['log', 'The last run said nothing.'],
      ['settings', 'machine.json'],
    ] as const) {
      await open(`#/machine/one/${tab}`);
      await seen(text);
      await keep(`off-${tab}`);
    }
    await open('#/machine/nobody');
    await seen('There is no machine named nobody.');
    await keep('unknown');
  });

  it('has its screen with menus and dialogs, German too', async () => {
    await bench.run('create', 'one', '--kernel', welcome, '--memory', '64', '--cdrom', 'none', '--floppy', 'none');
    await bench.run('start', 'one');
    await open('#/machine/one/display');
    await page.locator('canvas').waitFor();
    await page.waitForTimeout(1500);
    await keep('display');
    await page.getByRole('button', { name: 'Keys ▾' }).click();
    await keep('display-keys');
    await page.getByRole('menuitem', { name: 'Own combinations…' }).click();
    await page.getByPlaceholder('ctrl-alt-f3').fill('ctrl-alt-f3');
    await page.getByRole('button', { name: 'Add' }).click();
    await keep('own-keys');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Media ▾' }).click();
    await keep('display-media');
    await page.getByRole('menuitem', { name: 'Insert…' }).first().click();
    await page.getByLabel('Image file, the full path').fill('/no/such/image.iso');
    await seen(/There is no file at/);
    await keep('medium');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Host key' }).click();
    await keep('display-host-key');
    await page.keyboard.press('Escape');
    await page.evaluate("localStorage.setItem('language', 'de')");
    await page.reload();
    await page.locator('canvas').waitFor();
    await page.waitForTimeout(500);
    await keep('display-german');
  });

  it('that does not start says why, in a sheet that helps', async () => {
    writeFileSync(join(bench.runtime, 'kernel'), 'no kernel');
    await bench.run('create', 'lost', '--kernel', join(bench.runtime, 'kernel'), '--memory', '16');
    await open('#/machine/lost/console');
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await seen(/lost did not start: .* is no kernel that this PC can start/);
    await keep('start-failed');
  });
});

describe('the connection', () => {
  it('that is lost or refused is said on every screen', async () => {
    const stranger = await session.browser.newPage({ viewport: { width: 1200, height: 800 } });
    await stranger.goto(session.url.replace(/#.*/, ''));
    await stranger.getByText('no valid key').waitFor();
    await keepScreen(stranger, 'refused');
    await stranger.close();
    await seen('No machines yet');
    session.server.kill('SIGKILL');
    await seen('The connection to Rootmode is lost.');
    await keep('lost');
  });
});

describe('keys alone', () => {
  it('reach everything: the rail, a new machine, its screens, commands and dialogs', async () => {
    const focused = (): Promise<string> =>
      page.evaluate(
        "document.activeElement?.getAttribute('aria-label') || document.activeElement?.textContent?.trim() || document.activeElement?.id || ''",
      );
    /** Press Tab until what has the focus is called so. */
    const tabTo = async (name: string | RegExp): Promise<void> => {
      const ways: string[] = [];
      for (let presses = 0; presses < 80; presses++) {
        await page.keyboard.press('Tab');
        const now = await focused();
        ways.push(now);
        if (typeof name === 'string' ? now === name : name.test(now)) return;
      }
      throw new Error(`Tab does not reach ${name}, only ${ways.join(' | ')}`);
    };
    await seen('No machines yet');
    await page.keyboard.press('Control+n');
    await page.getByRole('heading', { name: 'New machine' }).waitFor();
    await page.getByRole('radio', { name: /^Linux/ }).focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowDown');
    await expect.poll(() => page.getByRole('radio', { name: /^Kernel file/ }).isChecked()).toBe(true);
    await tabTo('new-file');
    await page.keyboard.type(echo);
    await tabTo('new-memory');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('16');
    await tabTo('new-name');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('typed');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'typed' }).waitFor({ timeout: 30_000 });

    // Tabs by arrow keys, every screen of the rail by the palette.
    // A console has every key but the host key, which leads out of it, to the tabs; arrows walk along them and nobody takes the focus.
    await seen('Right Ctrl gives the keyboard back');
    await page.locator('.xterm:visible textarea').waitFor({ state: 'attached' });
    await page.keyboard.press('F1');
    await page.keyboard.press('Tab');
    expect(await page.getByRole('listbox').count()).toBe(0);
    await page.keyboard.press('ControlRight');
    await expect.poll(focused).toBe('Serial console');
    const isShown = (name: string): Promise<string | null> => page.getByRole('tab', { name }).getAttribute('aria-selected');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => isShown('Screen')).toBe('true');
    await page.locator('canvas').waitFor();
    await page.waitForTimeout(300);
    for (const name of ['Serial console', 'Monitor', 'Inspector', 'Statistics', 'Settings', 'Log']) {
      await page.keyboard.press('ArrowRight');
      await expect.poll(() => isShown(name)).toBe('true');
    }
    await expect.poll(focused).toBe('Log');
    for (const [words, heading] of [
      ['images', 'Images'],
      ['this comp', 'This computer'],
      ['pref', 'Preferences'],
      ['go to stat', 'Statistics'],
    ] as const) {
      await page.keyboard.press('F1');
      await page.getByRole('listbox').waitFor();
      await page.keyboard.type(words);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: heading, exact: true }).waitFor();
    }
    await page.keyboard.press('Control+k');
    await page.keyboard.type('no such command');
    await seen('Nothing is called that.');
    await keep('palette-none');
    await page.keyboard.press('Escape');
    // From the page's beginning, as who just arrived.
    await page.reload();
    await tabTo('Machines');
    await page.keyboard.press('Enter');
    await tabTo('Choose typed');
    await page.keyboard.press('Space');
    await tabTo('About Rootmode').catch(async () => {
      await page.keyboard.press('Control+k');
      await page.keyboard.type('about');
      await page.keyboard.press('Enter');
    });
  });
});
