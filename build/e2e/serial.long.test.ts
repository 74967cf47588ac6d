/** Both serial ports of a machine as consoles in the window, and the files that keep what comes over them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { windowForEach } from './each-window.ts';
import { multibootImage } from './multiboot-image.ts';
import type { Bench } from './session.ts';
import { keepScreen } from './window-session.ts';

/** Waits for a byte at either port and sends it back there: at COM1 as it is, at COM2 the one after it. */
const ECHO = `
first:
  mov dx, 0x3fd
  in al, dx
  test al, 1
  jz second
  mov dx, 0x3f8
  in al, dx
  out dx, al
second:
  mov dx, 0x2fd
  in al, dx
  test al, 1
  jz first
  mov dx, 0x2f8
  in al, dx
  inc al
  out dx, al
  jmp first
`;

let bench: Bench;
let page: Page;

windowForEach({ viewport: { width: 1100, height: 720 } }, (opened) => {
  ({ bench, page } = opened);
});

const rows = () => page.locator('.xterm-rows:visible');

it('are consoles of their own, are searched, and are kept in files', async () => {
  const chosen = join(bench.runtime, 'chosen.log');
  const image = multibootImage(join(bench.runtime, 'both.bin'), ECHO);
  const words = ['--kernel', image, '--memory', '16', '--serial2-log', `file:${chosen}`];
  expect(await bench.run('create', 'both', ...words)).toMatchObject({ status: 0 });
  await bench.run('start', 'both');
  await page.evaluate("location.hash = '#/machine/both/console'");
  await page.locator('.xterm:visible').click();
  await page.keyboard.type('abc');
  await expect.poll(() => rows().textContent()).toContain('abc');
  await page.getByRole('checkbox', { name: 'Keep in its folder' }).check();
  await page.locator('.xterm:visible').click();
  await page.keyboard.type('kept');
  await expect.poll(() => rows().textContent()).toContain('abckept');

  await page.getByRole('button', { name: 'COM2' }).click();
  expect(await page.getByRole('checkbox', { name: 'Keep in its folder' }).isChecked()).toBe(true);
  await page.locator('.xterm:visible').click();
  await page.keyboard.type('HAL');
  await expect.poll(() => rows().textContent()).toContain('IBM');
  await keepScreen(page, 'serial-ports');
  await page.getByRole('searchbox').fill('bm');
  await expect.poll(() => page.locator('.place:visible .xterm-selection div').count()).toBeGreaterThan(0);
  await page.getByRole('button', { name: 'COM1' }).click();
  expect(await rows().textContent()).toContain('abckept');
  expect(await rows().textContent()).not.toContain('IBM');

  const folder = join(bench.data, 'rootmode/machines/both.rmvm');
  await expect.poll(() => readFileSync(join(folder, 'logs/com1.log'), 'latin1')).toBe('kept');
  await expect.poll(() => readFileSync(chosen, 'latin1')).toBe('IBM');
  await page.getByRole('checkbox', { name: 'Keep in its folder' }).uncheck();
  await page.locator('.xterm:visible').click();
  await page.keyboard.type('more');
  await expect.poll(() => rows().textContent()).toContain('more');
  expect(readFileSync(join(folder, 'logs/com1.log'), 'latin1')).toBe('kept');

  // The next run adds to the file that the settings name.
  await page.getByRole('button', { name: 'Turn off' }).click();
  await page.getByText('The machine is off').waitFor();
  await bench.run('start', 'both');
  await page.getByRole('button', { name: 'COM2' }).click({ timeout: 15_000 });
  await page.locator('.xterm:visible').click();
  await page.keyboard.type('!');
  await expect.poll(() => readFileSync(chosen, 'latin1')).toBe('IBM"');
}, 60_000);

it('cannot be kept where nothing can be written, and the machine goes on', async () => {
  await bench.run('create', 'both', '--kernel', multibootImage(join(bench.runtime, 'both.bin'), ECHO), '--memory', '16');
  await bench.run('start', 'both');
  const debugging = bench.start(['debug', 'both']);
  await debugging.see('(rootmode) ');
  debugging.type('serial-log file=/nowhere/x.log\n');
  await debugging.see(/\/nowhere\/x\.log/);
  debugging.type('serial-ports\n');
  await debugging.see(/port: 1/);
  debugging.type('status\n');
  await debugging.see(/status: running/);
});
