/** The Chromium behind the stand-in's windows. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type BrowserContext, chromium } from 'playwright-core';

let child: ChildProcess | undefined;
let profile = '';
let context: BrowserContext | undefined;

export async function startChromium(): Promise<{ readonly debuggerUrl: string }> {
  profile = mkdtempSync(join(tmpdir(), 'rootmode-stand-in-'));
  child = spawn(
    process.env.CHROMIUM ?? '/usr/bin/chromium',
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      '--no-startup-window',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
  const debuggerUrl = await new Promise<string>((found, failed) => {
    lines.on('line', (line) => {
      const match = /^DevTools listening on (ws:\S+)/.exec(line);
      if (match?.[1] !== undefined) found(match[1]);
    });
    child?.once('exit', (code) => failed(new Error(`Chromium ended with status ${code}`)));
  });
  const browser = await chromium.connectOverCDP(debuggerUrl);
  context = browser.contexts()[0];
  return { debuggerUrl };
}

export function pages(): BrowserContext {
  if (context === undefined) throw new Error('the program is not ready');
  return context;
}

/** End it and take its profile away. */
export async function stopChromium(): Promise<void> {
  const ended = new Promise((resolve) => child?.once('exit', resolve));
  child?.kill('SIGKILL');
  await ended;
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
