/** A window of its own for each test of a file, all in one browser; tests are skipped where there is none. */
import { mkdirSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { noBrowser, openBrowser } from './browser.ts';
import { notBuilt } from './session.ts';
import { openWindow, pictures, type WindowOptions, type WindowSession } from './window-session.ts';

/** `opened` is called before each test. */
export function windowForEach(options: WindowOptions, opened: (session: WindowSession) => void | Promise<void>): void {
  const missing = notBuilt ?? noBrowser();
  let browser: Browser | undefined;
  let session: WindowSession | undefined;
  beforeAll(async () => {
    if (missing === undefined) browser = await openBrowser();
    mkdirSync(pictures, { recursive: true });
  }, 120_000);
  afterAll(() => browser?.close());
  beforeEach(async ({ skip }) => {
    if (missing !== undefined || browser === undefined) return skip(missing ?? 'there is no browser');
    session = await openWindow(browser, options);
    await opened(session);
  });
  afterEach(async () => {
    await session?.close();
    session = undefined;
  });
}
