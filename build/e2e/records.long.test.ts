/** What the window tells of machines over time: their log by levels, and statistics of one and of all, with their files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { assemble } from '../../engine/isa/assemble.ts';
import { windowForEach } from './each-window.ts';
import { multibootImage } from './multiboot-image.ts';
import type { Bench } from './session.ts';
import { keepScreen } from './window-session.ts';

let bench: Bench;
let page: Page;

windowForEach({ viewport: { width: 1280, height: 800 } }, (opened) => {
  ({ bench, page } = opened);
});

/** Reads the first 64 sectors over and over, as fast as the BIOS does it. INT 13h, function 02h. */
function readingDisk(): string {
  const text = `
  again:
    mov ax, 0x0240
    mov bx, 0x8000
    mov cx, 0x0001
    mov dx, 0x0080
    int 0x13
    jmp again
  `;
  const disk = Buffer.alloc(1 << 20);
  disk.set(assemble(text, { code: 16, origin: 0x7c00n }).bytes, 0);
  disk.set([0x55, 0xaa], 510);
  const file = join(bench.runtime, 'disk.img');
  writeFileSync(file, disk);
  return file;
}

/** Counts without end. */
const LOOP = `
  xor ecx, ecx
again:
  inc ecx
  add eax, ecx
  jmp again
`;

it('has the log by levels, from the process itself', async () => {
  const image = multibootImage(join(bench.runtime, 'loop.bin'), LOOP);
  await bench.run('create', 'told', '--kernel', image, '--memory', '16');
  await bench.run('start', 'told');
  await page.evaluate("location.hash = '#/machine/told/log'");
  const entries = () => page.locator('.entry');
  await entries().filter({ hasText: 'The guest runs.' }).waitFor();
  expect(await entries().first().textContent()).toMatch(/^\d\d:\d\d:\d\d\.\d{3}infotold starts in process \d+: software, 1 vCPU/);
  await page.getByRole('button', { name: 'Pause' }).click();
  await entries().filter({ hasText: 'It stands still (pause).' }).waitFor();
  await page.getByRole('button', { name: 'Go on' }).click();
  await entries().filter({ hasText: 'It goes on.' }).waitFor();
  expect(await entries().filter({ hasText: 'machine-pause was carried out.' }).getAttribute('class')).toContain('debug');
  await keepScreen(page, 'log-levels');
  const level = page.getByRole('combobox', { name: 'Level' });
  await level.selectOption('info');
  await expect.poll(() => page.locator('.entry.debug').count()).toBe(0);
  expect(await page.locator('.entry.info').count()).toBeGreaterThan(3);
  await level.selectOption('warn');
  await page.getByText('No line is like that.').waitFor();
  await page.getByRole('button', { name: 'Turn off' }).click();
  await page.getByRole('button', { name: 'Start' }).waitFor();
  await level.selectOption('debug');
  await entries().filter({ hasText: 'It was stopped: quit.' }).waitFor();
  // A process that is killed says nothing more: its last news are not the reason.
  await bench.run('start', 'told');
  const pid = Number(/running \((\d+)\)/.exec((await bench.run('list')).out)?.[1]);
  await page.evaluate("location.hash = '#/machine/told/display'");
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  process.kill(pid, 'SIGKILL');
  await page.getByText('It ended without a word').waitFor({ timeout: 15_000 });
}, 60_000);

it('counts tiers, drives and the host, for each machine and for all, and gives files of it', async () => {
  const image = multibootImage(join(bench.runtime, 'loop.bin'), LOOP);
  await bench.run('create', 'loop', '--kernel', image, '--memory', '16');
  await bench.run('create', 'reader', '--disk', `${readingDisk()},format=raw`, '--memory', '16');
  await bench.run('start', 'loop');
  await bench.run('start', 'reader');
  await page.evaluate("location.hash = '#/statistics'");
  const cells = async (machine: string): Promise<Map<string, number>> => {
    const titles = await page.locator('thead th').allTextContents();
    const values = await page
      .getByRole('row', { name: new RegExp(`^${machine}`) })
      .locator('th, td')
      .allTextContents();
    return new Map(titles.map((title, at) => [title, Number(values[at]?.replaceAll(',', ''))]));
  };
  await expect.poll(async () => (await cells('reader')).get('Read'), { timeout: 30_000 }).toBeGreaterThan(0);
  await expect.poll(async () => (await cells('loop')).get('Compiled %'), { timeout: 30_000 }).toBeGreaterThan(90);
  const [loop, reader, all] = await Promise.all(['loop', 'reader', 'All machines'].map(cells));
  expect(loop?.get('Read')).toBe(0);
  for (const figure of ['MIPS', 'CPU %', 'MiB']) expect(loop?.get(figure)).toBeGreaterThan(0);
  // They are looked at one after the other while they run on.
  const sum = (loop?.get('MiB') ?? 0) + (reader?.get('MiB') ?? 0);
  expect(Math.abs((all?.get('MiB') ?? 0) - sum)).toBeLessThan(0.1 * sum);
  await page.getByRole('button', { name: 'Compiled %' }).click();
  await page.getByText('Instructions in compiled code, percent').waitFor();
  await keepScreen(page, 'statistics-all');
  const saved = async (form: 'CSV' | 'JSON'): Promise<string> => {
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: form, exact: true }).click();
    return readFileSync(await (await download).path(), 'utf8');
  };
  const [heading = '', ...lines] = (await saved('CSV')).trim().split('\n');
  const column = (line: string, name: string): number => Number(line.split(',')[heading.split(',').indexOf(name)]);
  expect(new Set(lines.map((line) => line.split(',')[1]))).toEqual(new Set(['loop', 'reader']));
  const read = lines.filter((line) => line.split(',')[1] === 'reader').map((line) => column(line, 'disk-read-bytes'));
  expect(Math.max(...read)).toBeGreaterThan(0);
  for (const line of lines) expect(column(line, 'resident-bytes')).toBeGreaterThan(1 << 20);
  const json = JSON.parse(await saved('JSON')) as Record<string, { counters: Record<string, number> }[]>;
  expect(Math.max(...(json.reader ?? []).map(({ counters }) => counters['disk-reads'] ?? 0))).toBeGreaterThan(0);

  await page.getByRole('link', { name: 'loop' }).click();
  const figure = page.locator('figure', { hasText: 'Instructions' });
  await expect.poll(() => figure.locator('.key').allTextContents(), { timeout: 15_000 }).toHaveLength(3);
  await keepScreen(page, 'statistics-tiers');
}, 120_000);
