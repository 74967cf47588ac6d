/**
 * Debian's installer from a CD with ISOLINUX: to its list of languages, as text by keyboard on the built program, as graphics by keyboard
 * and mouse in the window, in a real browser.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isolinuxCd } from '../tasks/boot-media.ts';
import { obtainInstallers } from '../tasks/debian-installer.ts';
import { atTheScreen } from './at-the-screen.ts';
import { noBrowser, openBrowser } from './browser.ts';
import { type Bench, createBench, notBuilt } from './session.ts';
import { openWindow, pictures, type WindowSession } from './window-session.ts';

/** Downloading 145 MB, once. */
const FETCHING = 600_000;
/** A kernel and an initial file system of up to 200 MB, unpacked by an interpreted processor beside other tests. */
const BOOT_LIMIT = 1_200_000;
const STEP_LIMIT = 120_000;
/** What a list takes to redraw. */
const REDRAW = 3000;
const LOOK = 500;

let bench: Bench;
let browser: Browser | undefined;
let session: WindowSession | undefined;
let folder: string;
let installers: ReturnType<typeof obtainInstallers> = { missing: 'not tried' };
beforeAll(() => {
  mkdirSync(pictures, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), 'rootmode-installer-'));
  if (notBuilt === undefined) installers = obtainInstallers();
}, FETCHING);
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  bench = createBench();
});
afterEach(async () => {
  await session?.close();
  await browser?.close();
  [session, browser] = [undefined, undefined];
  await bench.close();
});

interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue as one number, 0xRRGGBB. */
  at(x: number, y: number): number;
}

interface Selection {
  readonly x: number;
  /** Middle of the selected line, and height of a line, in dots. */
  readonly y: number;
  readonly height: number;
  /** What a line has at `x` that is not selected. */
  readonly plain: number;
}

/** Where a selection has gone one line down between two pictures: a band becomes plain, and the next one looks as it did. */
function movedDown(before: Picture, after: Picture): Selection | undefined {
  if (before.width !== after.width || before.height !== after.height) return undefined;
  const x = Math.round(before.width * 0.6);
  const end = before.height;
  let top = 0;
  while (top < end && before.at(x, top) === after.at(x, top)) top += 1;
  if (top === end) return undefined;
  const plain = after.at(x, top);
  let below = top;
  while (below < end && after.at(x, below) === plain) below += 1;
  const line = below - top;
  if (line < 12 || line > 48 || below + line > end) return undefined;
  let alike = 0;
  for (let i = 0; i < line; i++) if (after.at(x, below + i) === before.at(x, top + i)) alike += 1;
  return alike >= line * 0.6 && before.at(x, below + 4) === plain
    ? { x, y: below + (line >> 1), height: line, plain }
    : undefined;
}

/** A CD that starts an installer with these words for its kernel. */
function cdOf(kind: 'text' | 'gtk', append: string): ReturnType<typeof isolinuxCd> {
  return 'missing' in installers ? installers : isolinuxCd(folder, { ...installers[kind], append });
}

/** What the guest shows in the window: the column that `movedDown` looks at. */
async function photoOf(page: Page): Promise<Picture> {
  const { width, height, column } = (await page.evaluate(`(() => {
    const canvas = document.querySelector('canvas');
    if (canvas === null) return { width: 0, height: 0, column: [] };
    const { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(Math.round(width * 0.6), 0, 1, height);
    return { width, height, column: Array.from({ length: height }, (_, y) => (data[4 * y] << 16) | (data[4 * y + 1] << 8) | data[4 * y + 2]) };
  })()`)) as { width: number; height: number; column: number[] };
  return { width, height, at: (_x, y) => column[y] ?? 0 };
}

async function until<T>(look: () => Promise<T | undefined>, milliseconds: number): Promise<T> {
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(LOOK);
  }
  throw new Error(`waited ${milliseconds} ms in vain`);
}

describe.skipIf(notBuilt !== undefined)(`Debian's installer${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  it('as text comes to its languages, and the keyboard goes on from there', { timeout: BOOT_LIMIT * 2 }, async (ctx) => {
    // Without mode setting the kernel's console stays in the text mode that the firmware left.
    const cd = cdOf('text', 'vga=normal fb=false nomodeset --- quiet');
    if ('missing' in cd) return ctx.skip(cd.missing);
    bench.start(['run', '--cdrom', cd.path, '--memory', '1024', '--name', 'text', '--serial', 'none', '--jit', 'on']);
    const screen = atTheScreen(bench, 'text');
    const languages = await screen.shows(/Choose the language/, BOOT_LIMIT);
    expect(languages).toMatch(/English/);
    screen.command('key', 'enter');
    const places = await screen.shows(/Select your location|country, territory or area/i, STEP_LIMIT);
    expect(places).toMatch(/United (States|Kingdom)/);
    screen.command('power', 'off');
    return undefined;
  });

  it('as graphics comes to its languages in the window, chosen by keyboard and by mouse', {
    timeout: BOOT_LIMIT * 2,
  }, async (ctx) => {
    const cd = cdOf('gtk', 'vga=788 --- quiet');
    const missing = 'missing' in cd ? cd.missing : noBrowser();
    if ('missing' in cd || missing !== undefined) return ctx.skip(missing);
    browser = await openBrowser();
    session = await openWindow(browser, { viewport: { width: 1360, height: 900 } });
    const { page } = session;
    await page.getByRole('link', { name: 'New machine' }).first().click();
    await page.getByLabel('CD image').fill(cd.path);
    await page.getByText(/^A CD image, /).waitFor();
    await page.getByLabel('Virtual processors').fill('1');
    await page.getByLabel('Name', { exact: true }).fill('installer');
    await page.getByRole('button', { name: 'Create and start' }).click();
    const canvas = page.locator('canvas');
    await canvas.waitFor({ timeout: STEP_LIMIT });
    await canvas.focus();
    const photo = (): Promise<Picture> => photoOf(page);
    const first = await until(async () => {
      const before = await photo();
      await page.keyboard.press('ArrowDown');
      await sleep(REDRAW);
      return movedDown(before, await photo());
    }, BOOT_LIMIT);
    const third = { ...first, y: first.y + 2 * first.height };
    const shows = (place: Selection) => async () => (await photo()).at(place.x, place.y) !== place.plain || undefined;
    expect(await shows(third)()).toBeUndefined();
    /** A place of the guest's screen, in the window. */
    const pointTo = async (x: number, y: number): Promise<void> => {
      const { width } = await photo();
      const box = await canvas.boundingBox();
      if (box === null) throw new Error('there is no screen');
      await page.mouse.move(box.x + (x * box.width) / width, box.y + (y * box.width) / width, { steps: 4 });
    };
    // Its driver takes places, so nothing is captured, and the person's own pointer stays free.
    await pointTo(third.x - 40, third.y);
    await expect.poll(() => canvas.getAttribute('class'), { timeout: STEP_LIMIT }).toContain('direct');
    await pointTo(third.x, third.y);
    await page.mouse.down();
    await sleep(200);
    await page.mouse.up();
    // The pointer's own picture hangs below its tip: away with it.
    await pointTo(third.x + 150, third.y);
    await until(shows(third), STEP_LIMIT);
    // The guest draws row by row, so one picture may have both.
    await until(async () => (await shows(first)()) === undefined || undefined, STEP_LIMIT);
    expect(await page.evaluate('document.pointerLockElement')).toBe(null);
    await page.screenshot({ path: join(pictures, 'installer-light.png') });
    await page.keyboard.press('ArrowUp');
    await until(shows({ ...first, y: first.y + first.height }), STEP_LIMIT);
    await page.getByRole('button', { name: 'Turn off' }).click();
    await page.getByText('The machine is off').waitFor();
    return undefined;
  });
});
