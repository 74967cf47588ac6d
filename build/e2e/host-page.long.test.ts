/** The page about this computer, in a real browser over the built command. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser, openBrowser } from './browser.ts';
import { notBuilt } from './session.ts';
import { accessibilityFaults, keepScreen, openWindow } from './window-session.ts';

const missing = notBuilt ?? noBrowser();
let browser: Browser;

describe.skipIf(missing !== undefined)(`this computer${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  beforeAll(async () => {
    browser = await openBrowser();
  }, 120_000);
  afterAll(() => browser?.close());

  it('shows what the capability MSRs allow, bit by bit', async () => {
    const session = await openWindow(browser, { viewport: { width: 1100, height: 760 } });
    const { page, bench } = session;
    await page.evaluate("location.hash = '#/host'");
    const table = page.getByRole('region', { name: 'What VMX offers' });
    await table.getByText('IA32_VMX_TRUE_PROCBASED_CTLS').click();
    const row = (name: string) => table.getByRole('row', { name: new RegExp(`\\b${name}\\b`) });
    expect(await row('hlt').getByRole('cell').allTextContents()).toEqual(['7', 'yes', 'yes', 'may be either']);
    await keepScreen(page, 'host-vmx');
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByLabel('MSR, field, control…').fill('IA32_VMX_CR0 PG');
    await expect.poll(() => table.locator('details').count()).toBe(0);
    await page.getByLabel('MSR, field, control…').fill('CR0_FIXED0');
    expect(await row('PG').getByRole('cell').allTextContents()).toEqual(['31', 'no', 'yes', 'must be 1']);
    // What is shown is what the command line says.
    const { msrs } = JSON.parse((await bench.run('capabilities', '--vmx', '--json')).out) as { msrs: { value: string }[] };
    await page.getByLabel('MSR, field, control…').fill('');
    expect(await table.locator('summary code:last-of-type').allTextContents()).toEqual(msrs.map(({ value }) => value));
    await session.close();
  }, 60_000);
});
