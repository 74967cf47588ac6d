/** The guest's screen in a real browser: the Welcome machine of a first run, keys that change pixels, pause, scale, media, pictures. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { WELCOMED } from '../../engine/manager/welcome.ts';
import { multibootImage } from '../benches/loop-guest.ts';
import { root } from '../tasks/run.ts';
import { windowForEach } from './each-window.ts';
import { connectTo } from './engine-client.ts';
import { frames, framesPerSecond, installProbe, keyToPixel, pixel } from './screen-probe.ts';
import type { Bench } from './session.ts';
import { pictures } from './window-session.ts';

let bench: Bench;
let page: Page;

windowForEach(
  {
    viewport: { width: 1100, height: 800 },
    prepare: ({ data }) => rmSync(join(data, 'rootmode/machines', WELCOMED)),
    instrument: installProbe,
  },
  (opened) => {
    ({ bench, page } = opened);
  },
);

const canvas = () => page.locator('canvas');
/** Left edge of a row of the Welcome machine's table. */
const row = (key: number) => ({ x: 34, y: 172 + 38 * (key - 1) });
const DARK = 0x101828;
const LIT = 0x23395f;

async function welcomeRuns(): Promise<void> {
  await page.getByText('Welcome').first().waitFor();
  await page.evaluate("location.hash = '#/machine/welcome'");
  await page.getByRole('button', { name: 'Start' }).click();
  await canvas().waitFor({ timeout: 20_000 });
  await expect.poll(() => pixel(page, row(9)), { timeout: 20_000 }).toBe(DARK);
  await canvas().focus();
}

/** IA-32: turns VMware's pointer to positions, says `!`, and keeps the last event at 3 MiB. */
function pointerGuest(): Buffer {
  const magic = [0xb8, 0x68, 0x58, 0x4d, 0x56]; // mov eax, 'VMXh'
  const ask = (command: number) => [0xb9, command, 0, 0, 0, 0x66, 0xba, 0x58, 0x56, 0xed]; // mov ecx, command; mov dx, 0x5658; in eax, dx
  const start = [
    ...[...magic, 0xbb, 0x52, 0x45, 0x41, 0x45, ...ask(41)], // enable
    ...[...magic, 0xbb, 1, 0, 0, 0, ...ask(39)], // its version
    ...[...magic, 0xbb, 0x52, 0x41, 0x42, 0x53, ...ask(41)], // positions
    ...[0x66, 0xba, 0xf8, 0x03, 0xb0, 0x21, 0xee], // mov dx, 0x3f8; mov al, '!'; out dx, al
  ];
  const waiting = [0xf3, 0x90, ...magic, ...ask(40), 0x0f, 0xb7, 0xc0, 0x83, 0xf8, 4]; // pause; status; movzx eax, ax; cmp eax, 4
  const event = [
    ...[...magic, 0xbb, 4, 0, 0, 0, ...ask(39)],
    ...[0xa3, 0, 0, 0x30, 0, 0x89, 0x1d, 4, 0, 0x30, 0, 0x89, 0x0d, 8, 0, 0x30, 0], // mov [0x300000], eax, ebx, ecx
  ];
  const back = waiting.length + 2 + event.length + 2;
  const loop = [...waiting, 0x72, -(waiting.length + 2) & 0xff, ...event, 0xeb, -back & 0xff];
  return multibootImage(Uint8Array.from([...start, ...loop]));
}

describe('the screen of a machine', () => {
  it('shows the Welcome machine of a first run, which answers every key', async () => {
    await welcomeRuns();
    const size = await page.evaluate("(({ width, height }) => [width, height])(document.querySelector('canvas'))");
    expect(size).toEqual([800, 600]);
    for (const key of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      await page.keyboard.press(`Digit${key}`);
      await expect.poll(() => pixel(page, row(key)), { interval: 15 }).toBe(LIT);
    }
    await page.screenshot({ path: join(pictures, 'screen-light.png') });
    // Each key makes the processor leave the guest, which the engine counts by reason.
    const { engine, close } = await connectTo(bench.runtime, 'welcome');
    const count = async (counter: string): Promise<number> => {
      const { groups } = await engine.machineCounters({});
      const all = groups.flatMap(({ sets }) => sets.map(({ counters }) => counters[counter] ?? 0));
      return all.reduce((sum, one) => sum + one, 0);
    };
    for (const [key, counter] of [
      ['KeyS', 'exits'],
      ['Digit2', 'io-exits'],
      ['Digit3', 'mmio-exits'],
      ['Digit5', 'ept-violations'],
    ] as const) {
      const before = await count(counter);
      await page.keyboard.press(key);
      await expect
        .poll(() => count(counter), { message: `${key}: ${counter}` })
        .toBeGreaterThan(before + (key === 'KeyS' ? 999 : 0));
    }
    close();
    // The guest tells the serial console as well.
    await page.getByRole('tab', { name: 'Serial console' }).click();
    await expect.poll(() => page.locator('.xterm-rows:visible').textContent()).toContain('VMCALL: call the hypervisor ->');
  }, 90_000);

  it('pauses, goes on, and gives the keyboard back', async () => {
    await welcomeRuns();
    await page.getByText('Right Ctrl gives the keyboard back').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('The machine is paused').waitFor();
    const still = await frames(page);
    await page.waitForTimeout(300);
    expect(await frames(page)).toBe(still);
    // In its head and in the library.
    await page.locator('header').getByText('paused', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'All machines' }).click();
    await page.getByRole('listitem').getByText('paused', { exact: true }).waitFor();
    await page.goBack();
    await page.getByRole('button', { name: 'Go on' }).click();
    await expect.poll(() => frames(page)).toBeGreaterThan(still);
    await canvas().focus();
    await page.keyboard.press('ControlRight');
    await page.getByText('Click the screen to type and move there').waitFor();
    await page.keyboard.press('Digit1');
    await page.waitForTimeout(300);
    expect(await pixel(page, row(1))).toBe(DARK);
  }, 90_000);

  it('stands on whole pixels in every scale', async () => {
    await welcomeRuns();
    const width = (): Promise<number> =>
      page.evaluate("document.querySelector('canvas').getBoundingClientRect().width * devicePixelRatio");
    for (const [name, wanted] of [
      ['1:1', 800],
      ['Whole multiples', 800],
      ['Fit', 860],
    ] as const) {
      await page.getByRole('button', { name: /Fit|Whole multiples|1:1/ }).click();
      await page.getByRole('menuitemradio', { name }).click();
      await expect.poll(width).toBeGreaterThan(name === 'Fit' ? 100 : wanted - 1);
      const found = await width();
      expect(found).toBeCloseTo(Math.round(found), 3);
      if (name !== 'Fit') expect(found).toBe(wanted);
    }
  }, 90_000);

  it('changes a pixel soon after a key', async () => {
    await welcomeRuns();
    const found: number[] = [];
    for (let i = 0; i < 9; i++) {
      await expect.poll(() => pixel(page, row(1))).toBe(DARK);
      found.push(await keyToPixel(page, 'Digit1', row(1)));
    }
    found.sort((a, b) => a - b);
    process.stderr.write(`key to pixel: median ${found[4]?.toFixed(1)} ms (${found.map((one) => one.toFixed(0)).join(' ')})\n`);
    expect(found[4]).toBeLessThan(250);
  }, 90_000);

  it('points at places where the guest’s driver takes them, without capturing the mouse', async () => {
    const image = join(bench.data, 'pointer.bin');
    writeFileSync(image, pointerGuest());
    await bench.run('create', 'pointer', '--kernel', image, '--memory', '16', '--serial', 'console');
    await bench.run('start', 'pointer');
    await page.evaluate("location.hash = '#/machine/pointer/display'");
    await expect.poll(() => frames(page), { timeout: 20_000 }).toBeGreaterThan(0);
    const client = await connectTo(bench.runtime, 'pointer');
    /** Buttons, x and y as the driver in the guest got them last. */
    const got = async (): Promise<readonly number[]> => {
      const { bytes } = await client.engine.machineMemory({ space: 'gpa', address: '0x300000', bytes: 12 });
      const words = Buffer.from(bytes.replaceAll(/[^0-9a-f]/g, ''), 'hex');
      return [0, 4, 8].map((at) => words.readUInt32LE(at));
    };
    const near = (part: number) => expect.closeTo(part * 0xffff, -3);
    const box = await canvas().boundingBox();
    if (box === null) throw new Error('there is no screen');
    const move = (x: number, y: number) => page.mouse.move(box.x + box.width * x, box.y + box.height * y);
    await move(0.5, 0.5);
    await expect.poll(() => canvas().getAttribute('class')).toContain('direct');
    await move(0.25, 0.75);
    await expect.poll(got).toEqual([0, near(0.25), near(0.75)]);
    await page.mouse.down();
    await expect.poll(got).toEqual([0x20, near(0.25), near(0.75)]);
    await move(0.9, 0.1);
    await page.mouse.up();
    await expect.poll(got).toEqual([0, near(0.9), near(0.1)]);
    expect(await page.evaluate('document.pointerLockElement')).toBe(null);
    client.close();
  }, 60_000);

  it('moves', async () => {
    await bench.run(
      'create',
      'motion',
      '--kernel',
      join(root, 'assets/guests/motion.bin'),
      '--memory',
      '16',
      '--jit',
      'on',
      '--serial',
      'console',
    );
    await bench.run('start', 'motion');
    await page.evaluate("location.hash = '#/machine/motion/display'");
    await expect.poll(() => frames(page), { timeout: 20_000 }).toBeGreaterThan(5);
    // One for one: what smoothing costs without a graphics processor is not what is measured.
    await page.getByRole('button', { name: 'Fit' }).click();
    await page.getByRole('menuitemradio', { name: '1:1' }).click();
    const rate = await framesPerSecond(page, 4);
    process.stderr.write(`motion at 1024x768: ${rate.toFixed(1)} pictures a second\n`);
    expect(rate).toBeGreaterThan(2);
  }, 90_000);
});
