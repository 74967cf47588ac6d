/** What a person feels of the window in a real browser: how soon a key changes the picture, how fast it moves, how soon a library opens. */
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { StoredSettings } from '../../engine/contract/machine-file.ts';
import { Library } from '../../engine/manager/library.ts';
import { frames, framesPerSecond, installProbe, keyToPixel, pixel } from '../e2e/screen-probe.ts';
import type { Bench } from '../e2e/session.ts';
import { root } from '../tasks/run.ts';
import { inWindow } from './in-window.ts';

const SECONDS = 8;
const KEYS = 25;
const MACHINES = 200;
/** Left edge of the first row of the Welcome machine, and its colour while it is dark. */
const ROW = { x: 34, y: 172 };
const DARK = 0x101828;

/** A guest of ours on the screen, one guest pixel for one of the screen's. */
async function show(page: Page, bench: Bench, { url, guest }: { readonly url: string; readonly guest: string }): Promise<void> {
  await installProbe(page);
  const kernel = join(root, `assets/guests/${guest}.bin`);
  await bench.run('create', guest, '--kernel', kernel, '--memory', '16', '--jit', 'on', '--serial', 'console');
  await bench.run('start', guest);
  await page.addInitScript("localStorage.setItem('display.scale', 'one')");
  await page.goto(url);
  await page.evaluate(`location.hash = '#/machine/${guest}/display'`);
  for (let looks = 0; (await frames(page)) < 5; looks++) {
    if (looks === 200) throw new Error(`${guest} shows nothing`);
    await page.waitForTimeout(100);
  }
}

/** Median milliseconds from a key to the pixel that the guest changes for it. */
export function keyToPicture(): Promise<number | string> {
  return inWindow(async (page, bench, url) => {
    await show(page, bench, { url, guest: 'welcome' });
    const found: number[] = [];
    while (found.length < KEYS) {
      if ((await pixel(page, ROW)) === DARK) found.push(await keyToPixel(page, 'Digit1', ROW));
      else await page.waitForTimeout(50);
    }
    return found.sort((a, b) => a - b)[KEYS >> 1] as number;
  });
}

/** Milliseconds from one picture to the next, while every pixel of 1024 by 768 changes. */
export function motion(): Promise<number | string> {
  return inWindow(async (page, bench, url) => {
    await show(page, bench, { url, guest: 'motion' });
    return 1000 / (await framesPerSecond(page, SECONDS));
  });
}

/** Milliseconds from the address to the last of 200 machines. */
export function largeLibrary(): Promise<number | string> {
  return inWindow(async (page, bench, url) => {
    const library = new Library(join(bench.data, 'rootmode/machines'), () => new Date());
    const settings = StoredSettings.parse({ kernel: '/k' });
    for (let i = 0; i < MACHINES; i++) library.create({ name: `machine-${String(i).padStart(3, '0')}`, settings });
    const start = performance.now();
    await page.goto(url);
    await page
      .getByText(`machine-${MACHINES - 1}`)
      .first()
      .waitFor({ state: 'attached' });
    return performance.now() - start;
  });
}
