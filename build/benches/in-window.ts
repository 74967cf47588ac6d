/** A window for a bench: the built command serves it over a library of its own, a page of a real browser is there to show it. */
import type { Page } from 'playwright-core';
import { noBrowser, openBrowser } from '../e2e/browser.ts';
import { type Bench, createBench, notBuilt } from '../e2e/session.ts';

/** The result of `work` in a window over a library of its own, or why there is no window here. */
export async function inWindow(work: (page: Page, bench: Bench, url: string) => Promise<number>): Promise<number | string> {
  const missing = notBuilt ?? noBrowser();
  if (missing !== undefined) return missing;
  const bench = createBench();
  const before = process.env.XDG_DATA_HOME;
  process.env.XDG_DATA_HOME = bench.data;
  const browser = await openBrowser();
  try {
    const url = (await bench.start(['serve']).see(/http:\S+/, 30_000))[0];
    const page = await browser.newPage({ viewport: { width: 1280, height: 960 } });
    return await work(page, bench, url);
  } finally {
    await browser.close();
    for (const pid of (await bench.run('list')).out.matchAll(/running \((\d+)\)/g)) process.kill(Number(pid[1]), 'SIGKILL');
    await bench.close();
    if (before === undefined) delete process.env.XDG_DATA_HOME;
    else process.env.XDG_DATA_HOME = before;
  }
}
