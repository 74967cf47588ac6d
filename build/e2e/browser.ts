/** A real Chromium for tests of the window: Debian's, installed where root may, otherwise named with the command that installs it. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { notInstalled } from '../tasks/debian-packages.ts';

const paths = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].filter((path) => path !== undefined);
const found = (): string | undefined => paths.find((path) => existsSync(path));

/** Why there is no browser, if so. */
export function noBrowser(): string | undefined {
  if (found() !== undefined) return undefined;
  const missing = notInstalled('/usr/bin/chromium', 'chromium');
  return missing === undefined ? undefined : `${missing}, or CHROMIUM= names a browser`;
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: found() as string,
    args: [
      // As root Chromium has no sandbox of its own.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}
