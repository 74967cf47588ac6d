/**
 * One smoke test through Spectron, which is archived and knows Electron up to 17: its own launch fails with a later Electron, so it is
 * attached to a program that runs already. Everything else about the shell is tested with Playwright (`shell.long.test.ts`).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { notInstalled } from '../tasks/debian-packages.ts';
import { root } from '../tasks/run.ts';
import { noBrowser } from './browser.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

interface SpectronClient {
  getWindowCount(): Promise<number>;
  getTitle(): Promise<string>;
  deleteSession(): Promise<void>;
  waitUntilTextExists(selector: string, text: string, milliseconds: number): Promise<void>;
}
interface SpectronApplication {
  readonly client: SpectronClient;
  start(): Promise<unknown>;
  readonly chromeDriver: { stop(): void };
}
type SpectronOptions = Readonly<Record<string, unknown>>;

const real = process.env.ELECTRON_BIN;
const driver = process.env.CHROMEDRIVER ?? '/usr/bin/chromedriver';
const missing = notBuilt ?? (real === undefined ? noBrowser() : undefined) ?? notInstalled(driver, 'chromium-driver');

let bench: Bench;
let child: ChildProcess;

beforeEach(({ skip }) => {
  if (missing !== undefined) return skip(missing);
  bench = createBench();
});
afterEach(async () => {
  child?.kill('SIGTERM');
  await bench?.close();
});

/** Start the shell with its debugging port open; the port it was given. */
async function startShell(): Promise<string> {
  const env = { ...process.env, XDG_RUNTIME_DIR: bench.runtime, XDG_DATA_HOME: bench.data };
  const program = real ?? join(root, 'build/e2e/stand-in/electron');
  child = spawn(program, ['--remote-debugging-port=0', root], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const address = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /DevTools listening on ws:\/\/([^/\s]+)\//.exec(said);
      if (found?.[1] !== undefined) resolve(found[1]);
    });
    child.on('exit', (code) => reject(new Error(`the shell ended with ${code}: ${said}`)));
  });
  await expect
    .poll(
      async () =>
        ((await (await fetch(`http://${address}/json/list`)).json()) as { type: string }[]).some(({ type }) => type === 'page'),
      {
        timeout: 20_000,
      },
    )
    .toBe(true);
  return address;
}

describe(`the shell under Spectron on ${real ?? 'the stand-in'}`, () => {
  it('opens one window, with the library in it', async () => {
    const address = await startShell();
    const spectron = createRequire(import.meta.url)('spectron') as {
      Application: new (options: SpectronOptions) => SpectronApplication;
    };
    const path = real ?? join(root, 'build/e2e/stand-in/electron');
    const app = new spectron.Application({
      path,
      debuggerAddress: address,
      startTimeout: 20_000,
      port: 9500 + (process.pid % 400),
    });
    await app.start();
    try {
      expect(await app.client.getWindowCount()).toBe(1);
      expect(await app.client.getTitle()).toBe('Rootmode');
      await app.client.waitUntilTextExists('h1', 'Machines', 10_000);
    } finally {
      // Its own stop() closes the window and then talks to a driver that is gone.
      await app.client.deleteSession();
      app.chromeDriver.stop();
    }
  }, 60_000);
});
