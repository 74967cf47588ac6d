/** Everything in the toolbar of a machine's screen, tried on a guest that tells every scancode it gets. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeEach, expect, it } from 'vitest';
import { windowForEach } from './each-window.ts';
import { multibootImage } from './multiboot-image.ts';
import type { Bench } from './session.ts';
import { keepScreen } from './window-session.ts';

/** What the keyboard sends goes to COM1; what the mouse sends does not (status bit 5). */
const SCANCODES = `
again:
  in al, 0x64
  test al, 1
  jz again
  mov bl, al
  in al, 0x60
  test bl, 0x20
  jnz again
  mov dx, 0x3f8
  out dx, al
  jmp again
`;

let bench: Bench;
let page: Page;
let log: string;

windowForEach({ viewport: { width: 1100, height: 720 } }, async (opened) => {
  ({ bench, page } = opened);
  log = join(bench.runtime, 'keys.log');
  const image = multibootImage(join(bench.runtime, 'keys.bin'), SCANCODES);
  const drives = ['--cdrom', 'none', '--floppy', 'none'];
  await bench.run('create', 'keys', '--kernel', image, '--memory', '16', ...drives, '--serial-log', `file:${log}`);
  await bench.run('start', 'keys');
  await page.evaluate("location.hash = '#/machine/keys/display'");
  await page.locator('canvas').waitFor();
});

const canvas = () => page.locator('canvas');
/** Scancodes of set 1 since the last call, in hexadecimal, once there are as many. */
let seen = 0;
async function codes(count: number): Promise<string> {
  await expect.poll(() => readFileSync(log).length, { timeout: 10_000 }).toBeGreaterThanOrEqual(seen + count);
  await page.waitForTimeout(150);
  const all = readFileSync(log).subarray(seen);
  seen += all.length;
  return all.toString('hex').replaceAll(/..(?=.)/g, '$& ');
}
beforeEach(() => {
  seen = 0;
});

async function choose(menu: string | RegExp, item: string): Promise<void> {
  await page.getByRole('button', { name: menu }).click();
  await page.getByRole('menuitem', { name: item, exact: true }).click();
}

it('sends keys, combinations of one’s own and the clipboard; the host key lets go, alone and three times', async () => {
  await canvas().focus();
  await page.keyboard.press('a');
  expect(await codes(2)).toBe('1e 9e');
  await choose(/^Keys/, 'Ctrl+Alt+Del');
  expect(await codes(8)).toBe('1d 38 e0 53 e0 d3 b8 9d');
  await choose(/^Keys/, 'Own combinations…');
  await page.getByRole('textbox', { name: 'Own combinations…' }).fill('ctrl+alt+f3');
  await page.getByRole('button', { name: 'Add' }).click();
  await keepScreen(page, 'own-keys');
  await page.getByRole('button', { name: 'Close' }).click();
  await choose(/^Keys/, 'Ctrl+Alt+F3');
  expect(await codes(6)).toBe('1d 38 3d bd b8 9d');
  // It is there in the next window as well.
  await page.reload();
  await canvas().waitFor();
  await choose(/^Keys/, 'Ctrl+Alt+F3');
  expect(await codes(6)).toBe('1d 38 3d bd b8 9d');

  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.evaluate("navigator.clipboard.writeText('Ab')");
  await choose(/^Keys/, 'Type clipboard');
  expect(await codes(6)).toBe('2a 1e 9e aa 30 b0');

  // The hint is there whatever has the keyboard; the host key itself is never the guest's.
  const hint = page.locator('#host-key-hint');
  await canvas().focus();
  expect(await hint.textContent()).toBe('Right Ctrl gives the keyboard back');
  await page.keyboard.down('b');
  await page.keyboard.press('ControlRight');
  await expect.poll(() => hint.textContent()).toBe('Click the screen to type and move there');
  expect(await codes(2)).toBe('30 b0');
  await canvas().focus();
  await page.keyboard.down('ControlRight');
  await page.keyboard.press('v');
  await page.keyboard.up('ControlRight');
  expect(await codes(6)).toBe('2a 1e 9e aa 30 b0');
  await page.keyboard.down('ControlRight');
  await page.keyboard.press('p');
  await page.keyboard.up('ControlRight');
  await page.getByText('The machine is paused').waitFor();
  await page.keyboard.down('ControlRight');
  await page.keyboard.press('p');
  await page.keyboard.up('ControlRight');
  await expect.poll(() => page.getByText('The machine is paused').count()).toBe(0);

  // Another key of one's choice.
  await page.getByRole('button', { name: 'Host key' }).click();
  await page.getByRole('menuitem', { name: 'Scroll Lock' }).click();
  await canvas().focus();
  await expect.poll(() => hint.textContent()).toBe('Scroll Lock gives the keyboard back');
  await page.keyboard.press('ControlRight');
  expect(await codes(4)).toBe('e0 1d e0 9d');
  await page.keyboard.press('ScrollLock');
  await expect.poll(() => hint.textContent()).toBe('Click the screen to type and move there');
}, 90_000);

it('fills the screen, and the host key pressed three times leaves that and the captured mouse', async () => {
  const full = (): Promise<boolean> => page.evaluate('document.fullscreenElement !== null');
  const locked = (): Promise<boolean> => page.evaluate('document.pointerLockElement !== null');
  await page.getByRole('button', { name: 'Full screen' }).click();
  await expect.poll(full).toBe(true);
  // Menus are to be had in there, and the hint stays in view.
  await page.getByRole('button', { name: /^Keys/ }).click();
  await page.getByRole('menuitem', { name: 'Alt+Tab' }).waitFor();
  await page.keyboard.press('Escape');
  expect(await page.locator('#host-key-hint').isVisible()).toBe(true);
  await canvas().click({ position: { x: 60, y: 60 } });
  await expect.poll(locked).toBe(true);
  await expect.poll(() => page.locator('#host-key-hint').textContent()).toBe('Right Ctrl gives keyboard and mouse back');
  for (let press = 0; press < 3; press++) {
    await canvas().focus();
    await page.keyboard.press('ControlRight');
  }
  await expect.poll(full).toBe(false);
  await expect.poll(locked).toBe(false);
}, 60_000);

it('stands on the pixels of a screen that has several for one', async () => {
  const driver = await page.context().newCDPSession(page);
  // Layout counts in 64ths of a CSS pixel.
  const size = (): Promise<{ width: number; height: number; guest: number }> =>
    page.evaluate(`(() => {
      const canvas = document.querySelector('canvas');
      const { width, height } = canvas.getBoundingClientRect();
      return { width: Math.round(width * devicePixelRatio), height: Math.round(height * devicePixelRatio), guest: canvas.width };
    })()`);
  // A guest of 720 by 400 in a room of 896 by 577: twice in the pixels of the first screen, once in those of the second.
  for (const [deviceScaleFactor, whole] of [
    [2, 2],
    [1.5, 1],
  ] as const) {
    await driver.send('Emulation.setDeviceMetricsOverride', { width: 1100, height: 720, deviceScaleFactor, mobile: false });
    for (const [name, times] of [
      ['1:1', 1],
      ['Whole multiples', whole],
    ] as const) {
      await page.getByRole('button', { name: /Fit|Whole multiples|1:1/ }).click();
      await page.getByRole('menuitemradio', { name }).click();
      await expect.poll(size).toEqual({ width: 720 * times, height: 400 * times, guest: 720 });
    }
  }
}, 60_000);

it('saves a picture, and changes media', async () => {
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save picture' }).click();
  const file = await saving;
  expect(file.suggestedFilename()).toMatch(/^keys-\d{4}-\d\d-\d\dT\d{6}\.png$/);
  expect(
    readFileSync(await file.path())
      .subarray(0, 8)
      .toString('latin1'),
  ).toBe('\x89PNG\r\n\x1a\n');
  const floppy = join(bench.runtime, 'disk.img');
  writeFileSync(floppy, Buffer.alloc(1_474_560));
  await page.getByRole('button', { name: /^Media/ }).click();
  await page.getByRole('menuitem', { name: 'Insert…' }).last().click();
  await page.getByLabel('Image file, the full path').fill('/nowhere.img');
  await page.getByRole('button', { name: 'Insert', exact: false }).last().click();
  await page
    .getByText(/\/nowhere\.img/)
    .first()
    .waitFor();
  await page.getByLabel('Image file, the full path').fill(floppy);
  await page.getByRole('button', { name: 'Insert', exact: false }).last().click();
  await page.getByText('The medium is in floppy.').waitFor();
  // The image is this machine's now: nobody else gets it.
  const other = await bench.run('run', '--floppy', floppy, '--memory', '16', '--name', 'other');
  expect(other).toMatchObject({ status: 2, err: expect.stringContaining('keys') });
  await page.getByRole('button', { name: /^Media/ }).click();
  await page.getByRole('menuitem', { name: 'Eject' }).last().click();
  await expect.poll(() => bench.run('image', 'info', floppy).then(({ err }) => err)).toBe('');
}, 60_000);
