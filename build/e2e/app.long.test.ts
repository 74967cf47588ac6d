/**
 * The window as people use it, in a real browser over the built command: a machine from the wizard, Debian's kernel to its shell, pause,
 * steps, a stop at an exit, an edited register, a killed engine, delete and undo. Every screen is judged by axe and kept as a picture in both
 * themes, in `.out/pictures`.
 */
import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cachedGuests, guestsMissing } from '../tasks/guest-cache.ts';
import { root } from '../tasks/run.ts';
import { noBrowser, openBrowser } from './browser.ts';
import { type Bench, notBuilt } from './session.ts';
import { keepScreen, openWindow, pictures, type WindowSession } from './window-session.ts';

const echo = join(root, 'assets/guests/echo.bin');
const guests = cachedGuests();
const missing = notBuilt ?? noBrowser() ?? (guests === undefined ? guestsMissing : undefined);

let browser: Browser;
let bench: Bench;
let page: Page;
let session: WindowSession;
let pid = 0;

describe.skipIf(missing !== undefined)(`the app${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  beforeAll(async () => {
    mkdirSync(pictures, { recursive: true });
    browser = await openBrowser();
    session = await openWindow(browser, { viewport: { width: 1360, height: 860 } });
    ({ bench, page } = session);
  }, 120_000);
  afterAll(async () => {
    await session.close();
    await browser.close();
  }, 60_000);

  const keep = (name: string): Promise<void> => keepScreen(page, name);
  const open = (link: string): Promise<unknown> => page.evaluate(`location.hash = ${JSON.stringify(link)}`);
  const terminal = () => page.locator('.xterm-rows:visible');
  const tab = (name: string) => page.locator('.dv-tab', { hasText: name });

  it('is empty at first, and says what to do', async () => {
    await expect.poll(() => page.getByText('No machines yet').isVisible()).toBe(true);
    await keep('empty');
  });

  it('makes a machine step by step and boots Debian’s kernel to its shell', async () => {
    const { kernel, initrd } = guests as NonNullable<typeof guests>;
    await page.getByRole('link', { name: 'New machine' }).first().click();
    await page.getByLabel('Step by step').check();
    await page.getByText('Kernel file').first().click();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('button', { name: 'Next' }).click();
    await expect.poll(() => page.getByText('Needed').first().isVisible()).toBe(true);
    await page.getByLabel('Kernel file', { exact: true }).fill(kernel);
    await page.getByLabel('Initial ramdisk').fill(initrd);
    await expect.poll(() => page.getByText(/^A kernel, /).isVisible()).toBe(true);
    await keep('wizard');
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('spinbutton', { name: 'Memory in MiB' }).fill('256');
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByLabel('Name', { exact: true }).fill('debian');
    await page.getByLabel('Tags').fill('linux');
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('button', { name: 'Create and start' }).click();
    await page.getByRole('tab', { name: 'Serial console' }).click({ timeout: 60_000 });
    await expect.poll(() => terminal().textContent(), { timeout: 240_000 }).toContain('guest#');
    await page.locator('.xterm:visible').click();
    await page.keyboard.type('echo $((6*7)) typed\n');
    await expect.poll(() => terminal().textContent(), { timeout: 60_000 }).toContain('42 typed');
    await keep('console');
    await page.getByRole('tab', { name: 'Monitor' }).click();
    await page.getByLabel('Command for the monitor').fill('registers vcpu=0');
    await page.getByLabel('Command for the monitor').press('Enter');
    await page.getByRole('log').getByText(/rip/i).first().waitFor();
    await keep('monitor');
    await page.getByRole('tab', { name: 'Log' }).click();
    await keep('log');
  });

  it('shows its VMCS, its rules and the way of an address', async () => {
    await page.getByRole('tab', { name: 'Inspector' }).click();
    await expect.poll(() => page.getByText('guestRip', { exact: true }).isVisible(), { timeout: 30_000 }).toBe(true);
    await page.getByPlaceholder('Field, encoding, value, bit…').fill('procControls');
    await page.getByRole('gridcell', { name: 'procControls', exact: true }).click();
    await expect.poll(() => page.getByText('HLT exits.').isVisible()).toBe(true);
    await tab('VM-entry checklist').click();
    await expect.poll(() => page.getByText(/^All \d+ rules hold/).isVisible()).toBe(true);
    await keep('checklist');
    await tab('Address walk').click();
    await expect.poll(() => page.getByText('4-level paging, EPT below').isVisible()).toBe(true);
    await keep('walk');
  });

  it('moves a panel into a window of its own, which stays alive, and takes it back', async () => {
    const opened = page.waitForEvent('popup');
    await tab('Registers').hover();
    await tab('Registers').getByTitle('Move the panel into a window of its own').click();
    const popup = await opened;
    await expect.poll(() => popup.title()).toBe('Registers – debian – Rootmode');
    const rip = popup.locator('.registers-panel dl div', { hasText: 'rip' });
    await expect.poll(() => rip.textContent()).toMatch(/^rip.*0x[0-9a-f]{16}/);
    await popup.keyboard.press('Shift+F5');
    await expect.poll(() => page.locator('.held').isVisible()).toBe(true);
    await popup.keyboard.press('F5');
    await expect.poll(() => page.locator('.held').count()).toBe(0);
    await page.emulateMedia({ colorScheme: 'light' });
    await popup.screenshot({ path: join(pictures, 'popout-light.png') });
    expect(await page.locator('.registers-panel').count()).toBe(0);
    await popup.close();
    await expect.poll(() => page.locator('.registers-panel').count()).toBe(1);
  });

  it('records exits', async () => {
    await tab('Exits').click();
    await page.getByRole('button', { name: 'Record' }).click();
    await expect
      .poll(async () =>
        Number(/^([\d,]+) exits/.exec((await page.getByText(/^[\d,]+ exits/).textContent()) ?? '')?.[1]?.replace(',', '')),
      )
      .toBeGreaterThan(20);
    await page.locator('.exits .tall .row').nth(2).click();
    await tab('VMCS').click();
    await page.getByPlaceholder('Field, encoding, value, bit…').fill('');
    // The VMCS as it was then, field by field, and against another exit.
    const [, , , reason] = await page.locator('.exits .tall .row').nth(2).locator('[role="gridcell"]').allTextContents();
    await expect.poll(() => page.getByText('as its VMCS was then').isVisible()).toBe(true);
    await expect.poll(() => page.locator('tr', { hasText: 'exitReason' }).first().textContent()).toContain(reason?.trim());
    await page.getByRole('button', { name: 'Compare from here' }).click();
    await page.locator('.exits .tall .row').nth(5).click();
    await expect.poll(() => page.getByLabel('against').inputValue()).toBe('marked');
    await expect.poll(() => page.locator('tr', { hasText: 'guestRip' }).first().isVisible()).toBe(true);
    await keep('inspector');
    await page.getByRole('button', { name: 'Stop recording' }).click();
  });

  it('stops at an exit, sees the VMCS change, and edits a register while it stands', async () => {
    await tab('Stops').click();
    await page.getByLabel('Reason, such as CPUID; empty: any').fill('MSR_WRITE');
    await page.getByRole('button', { name: 'Add stop' }).click();
    await expect.poll(() => page.getByText(/^Stopped: exit: reason MSR_WRITE/).isVisible(), { timeout: 30_000 }).toBe(true);
    await expect.poll(() => page.locator('tr', { hasText: 'exitReason' }).first().textContent()).toContain('MSR_WRITE');
    await keep('stopped');
    await page.getByRole('button', { name: 'Remove MSR_WRITE' }).click();
    await page.keyboard.press('Control+2');
    await expect.poll(() => page.locator('.line.ip').isVisible()).toBe(true);
    const rip = await page.locator('.line.ip').textContent();
    await page.keyboard.press('F11');
    await expect.poll(() => page.locator('.line.ip').textContent()).not.toBe(rip);
    await keep('debugger');
    const r15 = page.locator('.registers-panel dl div', { hasText: 'r15' });
    const old = (await r15.locator('button').textContent()) as string;
    await r15.locator('button').click();
    await page.locator('.registers-panel .editor').fill('0x1234');
    await page.keyboard.press('Enter');
    await expect.poll(() => r15.textContent()).toContain('0x0000000000001234');
    await r15.locator('button').click();
    await page.locator('.registers-panel .editor').fill(old);
    await page.keyboard.press('Enter');
    await expect.poll(() => r15.textContent()).toContain(old);
    await page.keyboard.press('F5');
    await expect.poll(() => page.getByRole('button', { name: 'Pause', exact: true }).isVisible()).toBe(true);
    await page.getByRole('tab', { name: 'Serial console' }).click();
    await page.locator('.xterm:visible').click();
    await page.keyboard.type('echo still $((1+1))\n');
    await expect.poll(() => terminal().textContent(), { timeout: 60_000 }).toContain('still 2');
  });

  it('counts what it does', async () => {
    await page.getByRole('tab', { name: 'Statistics' }).click();
    await expect.poll(() => page.getByRole('rowheader', { name: 'halt-exits' }).isVisible()).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    await keep('machine-statistics');
    await open('#/statistics');
    await expect.poll(() => page.getByRole('rowheader', { name: 'debian' }).isVisible()).toBe(true);
    await keep('statistics');
  });

  it('says why a killed engine is gone, and starts it again', async () => {
    await open('#/machine/debian/console');
    pid = Number(/running \((\d+)\)/.exec((await bench.run('list')).out)?.[1]);
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => page.getByText('The machine’s process is gone').isVisible(), { timeout: 15_000 }).toBe(true);
    await keep('error');
    await page.getByRole('button', { name: 'Start again' }).click();
    await expect.poll(() => terminal().textContent(), { timeout: 240_000 }).toContain('guest#');
    await page.getByRole('button', { name: 'Turn off' }).click();
    await expect.poll(() => page.getByText('The machine is off').isVisible(), { timeout: 15_000 }).toBe(true);
  });

  it('changes settings one by one, and as text', async () => {
    await page.getByRole('tab', { name: 'Settings' }).click();
    await page.getByLabel('Virtual processors').fill('2');
    await page.keyboard.press('Tab');
    await expect.poll(() => page.getByLabel('machine.json').inputValue()).toContain('"cpus": 2');
    const json = await page.getByLabel('machine.json').inputValue();
    await page.getByLabel('machine.json').fill(json.replace('"cpus": 2', '"cpus": 99'));
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('cpus');
    await page.getByLabel('machine.json').fill(json.replace('"cpus": 2', '"cpus": 1'));
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect.poll(() => page.getByLabel('Virtual processors').inputValue()).toBe('1');
    // News of the library take nothing away from who is typing.
    await page.getByLabel('Firmware image').fill('/tmp/firm');
    await bench.run('create', 'news', '--kernel', echo, '--memory', '16');
    await bench.run('remove', 'news');
    await page.waitForTimeout(500);
    expect(await page.getByLabel('Firmware image').inputValue()).toBe('/tmp/firm');
    // What can be absent can be taken away again.
    const text = () => page.getByLabel('machine.json').inputValue();
    await page.getByLabel('Firmware image').fill('/tmp/firmware');
    await page.keyboard.press('Tab');
    await expect.poll(text).toContain('"firmware"');
    await page.getByLabel('Firmware image').fill('');
    await page.keyboard.press('Tab');
    await expect.poll(text).not.toContain('"firmware"');
    await page.getByRole('button', { name: 'Try CD drives earlier' }).click();
    await expect.poll(text).toMatch(/"order": \[[^\]]*"cdrom",\s+("disk",\s+)?"floppy"/);
    await keep('settings');
  });

  it('deletes several machines at once and brings them back', async () => {
    await bench.run('create', 'one', '--kernel', echo, '--memory', '16');
    await bench.run('create', 'two', '--kernel', echo, '--memory', '16');
    await open('#/');
    await expect.poll(() => page.getByRole('link', { name: 'two' }).isVisible()).toBe(true);
    await keep('library');
    await page.getByLabel('As a list').click();
    await page.getByLabel('Choose one').check();
    await page.getByLabel('Choose two').check();
    await page.getByRole('toolbar').getByRole('button', { name: 'Group and tags…' }).click();
    await page.getByRole('toolbar').getByPlaceholder('Group').fill('Small');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect.poll(() => page.getByRole('heading', { name: /^Small/ }).isVisible()).toBe(true);
    await keep('library-list');
    await page.getByRole('toolbar').getByRole('button', { name: 'Delete' }).click();
    await expect.poll(() => page.getByRole('link', { name: 'two' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect.poll(() => page.getByRole('link', { name: 'two' }).isVisible()).toBe(true);
  });

  it('downloads an image and makes a machine from it', async () => {
    const sector = Buffer.alloc(512, 0x90);
    sector.writeUInt16LE(0xaa55, 510);
    const server: Server = createServer((_request, response) => response.end(sector));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    await open('#/images');
    await page.getByLabel('Address').fill(`http://127.0.0.1:${(server.address() as AddressInfo).port}/sector.bin`);
    await page.getByRole('button', { name: 'Download' }).click();
    await expect.poll(() => page.getByText('A boot sector, 512 B').isVisible()).toBe(true);
    server.close();
    await keep('images');
    await page.getByRole('button', { name: 'Make a machine' }).first().click();
    await expect.poll(() => page.getByLabel('Name', { exact: true }).inputValue()).toBe('sector');
    await page.getByLabel('Step by step').uncheck();
    await expect.poll(() => page.getByLabel('Medium').inputValue()).toBe('bootSector');
    await keep('new-machine');
  });

  it('speaks German everywhere', async () => {
    await open('#/preferences');
    await page.getByLabel('Language').selectOption('de');
    await expect.poll(() => page.getByRole('heading', { name: 'Einstellungen' }).isVisible()).toBe(true);
    await keep('preferences');
    await open('#/host');
    await expect.poll(() => page.getByText('Logische Prozessoren').isVisible()).toBe(true);
    await keep('host');
    await page.keyboard.press('Control+k');
    await expect.poll(() => page.getByRole('listbox').isVisible()).toBe(true);
    await keep('commands');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Über Rootmode' }).click();
    await keep('about');
  });
});
