/** A window for a test: the built command serves it over a library of its own, a page of a real browser shows it. */
import { join } from 'node:path';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { root } from '../tasks/run.ts';
import { type Bench, createBench, type Session } from './session.ts';

/** Where tests keep what they saw. */
export const pictures = join(root, '.out/pictures');

export interface WindowSession {
  /** For windows of others. */
  readonly browser: Browser;
  readonly bench: Bench;
  readonly page: Page;
  readonly server: Session;
  /** With the key that opens it. */
  readonly url: string;
  /** Ends every machine that still runs, then the server. */
  close(): Promise<void>;
}

export interface WindowOptions {
  readonly viewport: { readonly width: number; readonly height: number };
  /** Called before the server starts. */
  prepare?(bench: Bench): void;
  /** Called before the page is opened. */
  instrument?(page: Page): Promise<void>;
}

export async function openWindow(browser: Browser, { viewport, prepare, instrument }: WindowOptions): Promise<WindowSession> {
  const bench = createBench();
  const before = process.env['XDG_DATA_HOME'];
  process.env['XDG_DATA_HOME'] = bench.data;
  prepare?.(bench);
  const server = bench.start(['serve']);
  const [url] = await server.see(/http:\S+/, 30_000);
  const page = await browser.newPage({ viewport });
  page.on('pageerror', (error) => {
    throw error;
  });
  await instrument?.(page);
  await page.goto(url);
  const close = async (): Promise<void> => {
    await page.close();
    for (const pid of (await bench.run('list')).out.matchAll(/running \((\d+)\)/g)) process.kill(Number(pid[1]), 'SIGKILL');
    await bench.close();
    if (before === undefined) delete process.env['XDG_DATA_HOME'];
    else process.env['XDG_DATA_HOME'] = before;
  };
  return { browser, bench, page, url, server, close };
}

/** Serious faults of accessibility that axe finds, a line each. The terminal's canvas is a library's. */
export function accessibilityFaults(page: Page): Promise<readonly string[]> {
  return page.evaluate(`${axe.source}\naxe.run({ exclude: ['.xterm'] }).then((found) => found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 300)).join(' | ')))`);
}

/** What sticks out of the card, dialog or page it stands in, or is cut off there, a line each. */
function layoutFaults(page: Page): Promise<readonly string[]> {
  return page.evaluate(`[...document.querySelectorAll('.card, .dialog, .rail, main, header')].flatMap((box) => {
    const { left, right, width } = box.getBoundingClientRect();
    if (width === 0) return [];
    const scrolls = (element) => element !== box && (/(auto|scroll)/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    return [...box.querySelectorAll('button, a, input, select, label, h1, h2')]
      .filter((part) => part.checkVisibility({ visibilityProperty: true }) && !part.closest('.unseen') && !scrolls(part.parentElement))
      .map((part) => [part, part.getBoundingClientRect()])
      .filter(([, at]) => at.width > 1 && (at.right > right + 1 || at.left < left - 1))
      .map(([part]) => (box.className || box.tagName) + ' does not hold ' + part.outerHTML.slice(0, 200));
  }).concat(document.documentElement.scrollWidth > innerWidth ? ['the page is wider than the window'] : [])`);
}

/** Keep a screen in both themes; a serious fault of accessibility in either fails, and so does what has no room. */
export async function keepScreen(page: Page, name: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`) });
    const faults = [...(await accessibilityFaults(page)), ...(await layoutFaults(page))];
    if (faults.length > 0) throw new Error(`${name} (${colorScheme}): ${faults.join('\n')}`);
  }
}
