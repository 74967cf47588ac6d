/** The page for a new machine, filled in as a person would. */
import type { Page } from 'playwright-core';

/** Fill in a machine of 16 MiB that starts `kernel`; what to do with it is up to the caller. */
export async function fillNewMachine(page: Page, name: string, kernel: string): Promise<void> {
  await page.getByRole('link', { name: 'New machine' }).first().click();
  await page.getByText('Kernel file').first().click();
  await page.getByLabel('Kernel file', { exact: true }).fill(kernel);
  await page.getByRole('spinbutton', { name: 'Memory in MiB' }).fill('16');
  await page.getByLabel('Name', { exact: true }).fill(name);
}
