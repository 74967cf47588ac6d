/** The window in a real browser, served by the built command, over a library of its own and real guests. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { root } from '../tasks/run.ts';
import { windowForEach } from './each-window.ts';
import { fillNewMachine } from './new-machine.ts';
import type { Bench } from './session.ts';
import { accessibilityFaults, pictures } from './window-session.ts';

const echo = join(root, 'assets/guests/echo.bin');

let browser: Browser;
let bench: Bench;
let page: Page;
let url: string;

windowForEach({ viewport: { width: 1100, height: 720 } }, (opened) => {
  ({ browser, bench, page, url } = opened);
});

const create = (name: string, kernel: string): Promise<void> => fillNewMachine(page, name, kernel);

/** Let a file or folder of this computer fall on the window, as from the desktop. */
async function dropFile(path: string): Promise<void> {
  const driver = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await driver.send('Input.dispatchDragEvent', { type, x: 500, y: 300, data });
  }
  await driver.detach();
}

/** What the terminal shows, by its own accessible rows. */
const terminal = () => page.locator('.xterm-rows:visible');

describe('the window', () => {
  it('makes a machine, boots it, types in its console, turns it off, deletes it and undoes that', async () => {
    await expect.poll(() => page.getByText('No machines yet').isVisible()).toBe(true);
    await create('echo', echo);
    await page.getByRole('button', { name: 'Create and start' }).click();
    await expect.poll(() => terminal().textContent(), { timeout: 15_000 }).toContain('What comes is sent back.');
    await page.locator('.xterm:visible').click();
    await page.keyboard.type('typed in the window');
    await expect.poll(() => terminal().textContent()).toContain('typed in the window');

    await page.getByRole('tab', { name: 'Monitor' }).click();
    const command = page.getByLabel('Command for the monitor');
    await command.fill('status');
    await command.press('Enter');
    await page.getByRole('log').getByText('status: running').waitFor();
    await command.fill('no-such-word');
    await command.press('Enter');
    await page.getByRole('log').getByText('no-such-word').last().waitFor();
    await command.press('ArrowUp');
    await command.press('ArrowUp');
    expect(await command.inputValue()).toBe('status');

    await page.getByRole('tab', { name: 'Inspector' }).click();
    // The guest's own code lies above 1 MiB and below 2: what is read is this guest's instruction pointer.
    await expect.poll(() => page.getByText(/^0x000000000010[0-9a-f]{4}$/).count()).toBeGreaterThan(0);

    // A reload finds the machine running, with everything it wrote before.
    await page.reload();
    await page.getByRole('tab', { name: 'Serial console' }).click();
    await expect.poll(() => terminal().textContent()).toContain('typed in the window');

    // What it wrote is found and saved.
    const search = page.getByRole('searchbox', { name: 'Find in the console' });
    await search.fill('IN THE WINDOW');
    await expect.poll(() => page.locator('.xterm-selection div').count()).toBeGreaterThan(0);
    await search.fill('in the cellar');
    await page.getByText('Not found').waitFor();
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as file' }).click();
    expect(readFileSync(await (await saving).path(), 'utf8')).toContain('typed in the window');

    await page.getByRole('button', { name: 'Turn off' }).click();
    await expect.poll(() => page.getByText('The machine is off').isVisible(), { timeout: 10_000 }).toBe(true);
    await page.getByRole('link', { name: 'All machines' }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await expect.poll(() => page.getByText('No machines yet').isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect.poll(() => page.getByRole('link', { name: 'echo' }).isVisible()).toBe(true);
  });

  it('shows a killed machine as stopped, and the others go on', async () => {
    await bench.run('create', 'one', '--kernel', echo, '--memory', '16');
    await bench.run('create', 'two', '--kernel', echo, '--memory', '16');
    const [one, two] = await Promise.all(
      ['one', 'two'].map(async (name) => Number(/process (\d+)/.exec((await bench.run('start', name)).out)?.[1])),
    );
    await expect.poll(() => page.getByText('running').count()).toBe(2);
    process.kill(one as number, 'SIGKILL');
    await expect.poll(() => page.getByText('gone', { exact: true }).count(), { timeout: 5000 }).toBe(1);
    await page.getByRole('link', { name: 'two' }).click();
    await page.getByRole('tab', { name: 'Serial console' }).click();
    await page.locator('.xterm:visible').click();
    await page.keyboard.type('still here');
    await expect.poll(() => terminal().textContent()).toContain('still here');
    expect(() => process.kill(two as number, 0)).not.toThrow();
  });

  it('says why a machine does not start', async () => {
    await create('broken', join(root, 'package.json'));
    await page.getByRole('button', { name: 'Create and start' }).click();
    // The machine's own page may say why it ended as well, if it was seen running.
    const notice = (text: string) => page.getByRole('alert').filter({ hasText: text }).textContent();
    await expect.poll(() => notice('did not start'), { timeout: 15_000 }).toMatch(/did not start: .*package\.json/);
    await page.getByRole('tab', { name: 'Log' }).click();
    await page.locator('.entry.error', { hasText: 'package.json' }).waitFor();
    await page.getByRole('searchbox', { name: 'Filter lines' }).fill('kernel nonsense');
    await page.getByText('No line is like that.').waitFor();
    await page.getByRole('searchbox', { name: 'Filter lines' }).fill('KERNEL package');
    await page.getByText(/^1 of \d lines/).waitFor();
    await page.getByRole('combobox', { name: 'Level' }).selectOption('error');
    await page.getByText(/^1 of \d lines/).waitFor();
    // In another language too, down to the words of the engine.
    await page.evaluate("localStorage.setItem('language', 'de')");
    await page.reload();
    await page.getByRole('button', { name: 'Starten', exact: true }).click();
    await expect
      .poll(() => notice('nicht gestartet'), { timeout: 15_000 })
      .toMatch(
        /Die Maschine broken ist nicht gestartet: .*package\.json ist kein Kernel, den dieser PC starten kann; nennen Sie/,
      );
    await page.evaluate("localStorage.removeItem('language')");
  });

  it('says what is wrong while one types, and keeps it', async () => {
    await create('../up', echo);
    await expect.poll(() => page.getByText(/Must be 1 to 48 letters/).isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    expect(await page.getByLabel('Kernel file', { exact: true }).inputValue()).toBe(echo);
  });

  it('shows what a guest or a file says as text, never as markup', async () => {
    await bench.run('create', 'evil', '--kernel', echo, '--memory', '16');
    const file = join(bench.data, 'rootmode/machines/evil.rmvm/machine.json');
    const content = JSON.parse(readFileSync(file, 'utf8'));
    const markup = '<img src=x onerror="document.title=\'owned\'">';
    const logs = join(bench.data, 'rootmode/machines/evil.rmvm/logs');
    writeFileSync(file, JSON.stringify({ ...content, title: markup, group: markup, tags: [markup], notes: markup }));
    mkdirSync(logs, { recursive: true });
    writeFileSync(join(logs, 'engine.log'), `rootmode: ${markup}\n`);
    writeFileSync(join(logs, 'failure.json'), JSON.stringify({ class: 'file-missing', data: { what: markup, path: markup } }));
    const isInert = async (): Promise<void> => {
      expect(await page.locator('img[src="x"]').count()).toBe(0);
      expect(await page.title()).not.toContain('owned');
    };
    await page.reload();
    await expect.poll(() => page.getByRole('link', { name: /<img src=x/ }).isVisible()).toBe(true);
    await page.getByRole('heading', { name: /^<img src=x/ }).waitFor();
    await isInert();
    await page.keyboard.press('Control+k');
    await page
      .getByRole('option', { name: /<img src=x/ })
      .first()
      .waitFor();
    await isInert();
    await page.keyboard.press('Escape');
    await page.evaluate("location.hash = '#/machine/evil/log'");
    await page
      .getByRole('log')
      .getByText(/<img src=x/)
      .waitFor();
    await isInert();
    await page.getByRole('tab', { name: 'Settings' }).click();
    await expect.poll(() => page.getByLabel('Notes').inputValue()).toBe(markup);
    await isInert();
    // What a guest sends, here by sending back what it is given.
    await bench.run('start', 'evil');
    await page.getByRole('tab', { name: 'Serial console' }).click();
    await expect.poll(() => terminal().textContent(), { timeout: 20_000 }).toContain('sent back');
    await page.locator('.xterm:visible').click();
    await page.keyboard.type(markup);
    await expect.poll(() => terminal().textContent()).toContain('<img src=x');
    await isInert();
  });

  it('takes in a machine whose folder is dropped, and a boot sector that is', async () => {
    const folder = join(bench.runtime, 'given.rmvm');
    await bench.run('create', 'made', '--kernel', echo, '--memory', '16');
    cpSync(join(bench.data, 'rootmode/machines/made.rmvm'), folder, { recursive: true });
    cpSync(echo, join(folder, 'echo.bin'));
    const file = join(folder, 'machine.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace(JSON.stringify(echo), '"echo.bin"'));
    // A page that is still coming has nothing to drop on.
    await page.getByRole('link', { name: 'made' }).waitFor();
    await dropFile(folder);
    await expect.poll(() => page.title(), { timeout: 20_000 }).toBe('given – Rootmode');
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByRole('tab', { name: 'Serial console' }).click();
    await expect.poll(() => terminal().textContent(), { timeout: 20_000 }).toContain('sent back');
    expect((await bench.run('list')).out).toMatch(/given +running/);
    const sector = join(bench.runtime, 'sector.img');
    writeFileSync(sector, Buffer.concat([Buffer.alloc(510, 0x90), Buffer.of(0x55, 0xaa)]));
    await dropFile(sector);
    await expect.poll(() => page.getByLabel('Name', { exact: true }).inputValue()).toBe('sector');
    mkdirSync(join(bench.runtime, 'photos'));
    await dropFile(join(bench.runtime, 'photos'));
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('photos is no machine');
  });

  it('takes in the archive of a machine', async () => {
    await bench.run('create', 'packed', '--kernel', echo, '--memory', '16');
    const folder = join(bench.runtime, 'archives');
    mkdirSync(folder);
    expect((await bench.run('export', 'packed', join(folder, 'packed.rmvm'))).status).toBe(0);
    writeFileSync(join(folder, 'readme.txt'), 'no machine');
    await page.evaluate(`localStorage.setItem('last-folder', ${JSON.stringify(folder)})`);
    await page.getByRole('button', { name: 'Import…' }).click();
    await page.getByRole('dialog').getByText('packed.rmvm').waitFor();
    expect(await page.getByRole('dialog').getByText('readme.txt').count()).toBe(0);
    await page.getByRole('dialog').getByText('packed.rmvm').click();
    await page.getByRole('link', { name: 'packed-2' }).waitFor();
  });

  it('tells a page without the key what to do', async () => {
    const stranger = await browser.newPage();
    await stranger.goto(url.replace(/#.*/, ''));
    await expect.poll(() => stranger.getByRole('alert').textContent()).toContain('no valid key');
    await stranger.close();
  });

  it.each(['light', 'dark'] as const)('has no serious fault of accessibility (%s)', async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await bench.run('create', 'one', '--kernel', echo, '--memory', '16');
    await bench.run('start', 'one');
    await expect.poll(() => page.getByText('running').count()).toBe(1);
    const faults = async (what: string): Promise<unknown> => {
      await page.screenshot({ path: join(pictures, `${what}-${colorScheme}.png`) });
      return accessibilityFaults(page);
    };
    expect(await faults('library')).toEqual([]);
    await page.getByRole('link', { name: 'New machine' }).click();
    await expect.poll(() => page.getByText('The same as a command').isVisible()).toBe(true);
    expect(await faults('new-machine')).toEqual([]);
    await page.getByRole('link', { name: 'Machines' }).first().click();
    await page.getByRole('link', { name: 'one' }).click();
    await page.getByRole('tab', { name: 'Serial console' }).click();
    await expect.poll(() => terminal().textContent()).toContain('sent back');
    expect(await faults('console')).toEqual([]);
    await page.getByRole('tab', { name: 'Inspector' }).click();
    await expect.poll(() => page.getByText('guestRip', { exact: true }).isVisible()).toBe(true);
    expect(await faults('inspector')).toEqual([]);
    await page.getByText('VM-entry checklist', { exact: true }).click();
    await expect.poll(() => page.getByText(/^All \d+ rules hold/).isVisible()).toBe(true);
    expect(await faults('checklist')).toEqual([]);
    await page.keyboard.press('Control+k');
    await expect.poll(() => page.getByRole('listbox').isVisible()).toBe(true);
    expect(await faults('commands')).toEqual([]);
    await page.keyboard.type('this comp');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByText('Logical processors').isVisible()).toBe(true);
    expect(await faults('host')).toEqual([]);
    await page.getByRole('link', { name: 'Preferences' }).click();
    expect(await faults('preferences')).toEqual([]);
  });
});
