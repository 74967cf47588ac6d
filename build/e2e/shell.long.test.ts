/**
 * The desktop shell through Playwright's driver for Electron: on the program that ELECTRON_BIN names, otherwise on the stand-in over
 * Chromium (`stand-in/`, which is not Electron and says so).
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ElectronApplication, _electron as electron, type Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root } from '../tasks/run.ts';
import { noBrowser } from './browser.ts';
import { fillNewMachine } from './new-machine.ts';
import { PROBE, pixel } from './screen-probe.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

const real = process.env.ELECTRON_BIN;
const missing = notBuilt ?? (real === undefined ? noBrowser() : undefined);
const echo = join(root, 'assets/guests/echo.bin');

let bench: Bench;
let app: ElectronApplication;
let page: Page;

beforeEach(async ({ skip }) => {
  if (missing !== undefined) return skip(missing);
  bench = createBench();
  app = await electron.launch({
    executablePath: real ?? join(root, 'build/e2e/stand-in/electron'),
    args: [root],
    env: { ...process.env, XDG_RUNTIME_DIR: bench.runtime, XDG_DATA_HOME: bench.data } as Record<string, string>,
  });
  page = await app.firstWindow();
});
afterEach(async () => {
  if (app === undefined) return;
  await app.evaluate(({ dialog }) => {
    dialog.showMessageBoxSync = () => 0;
  });
  await app.close();
  await bench.close();
});

async function boot(name: string): Promise<void> {
  await fillNewMachine(page, name, echo);
  await page.getByRole('button', { name: 'Create and start' }).click();
  await expect.poll(() => page.locator('.xterm-rows:visible').textContent(), { timeout: 20_000 }).toContain('sent back');
}

describe(`the shell on ${real ?? 'the stand-in'}`, () => {
  it('makes a machine, boots it in a process of its own and types in its console', async () => {
    await boot('echo');
    await page.locator('.xterm:visible').click();
    await page.keyboard.type('typed in the shell');
    await expect.poll(() => page.locator('.xterm-rows:visible').textContent()).toContain('typed in the shell');
    const pid = Number(/Process ([\d,]+)/.exec((await page.locator('footer').textContent()) ?? '')?.[1]?.replace(',', ''));
    expect(pid).toBeGreaterThan(0);
    expect(pid).not.toBe(app.process().pid);
  });

  it('shows the screen of a guest and hands it keys', async () => {
    const welcome = join(root, 'assets/guests/welcome.bin');
    await fillNewMachine(page, 'shown', welcome);
    await page.getByRole('button', { name: 'Create and start' }).click();
    await page.evaluate(PROBE);
    await page.getByRole('tab', { name: 'Screen' }).click();
    await page.locator('canvas').waitFor();
    const lit = (): Promise<number> => pixel(page, { x: 34, y: 172 });
    await expect.poll(lit, { timeout: 30_000 }).toBe(0x101828);
    await page.locator('canvas').focus();
    await page.keyboard.press('Digit1');
    await expect.poll(lit, { interval: 15 }).toBe(0x23395f);
  }, 60_000);

  it('pauses, steps, stops at exits, edits a register, starts a killed machine again, deletes it and takes that back', async () => {
    await boot('echo');
    await page.getByRole('tab', { name: 'Inspector' }).click();
    await page.getByText('guestRip', { exact: true }).waitFor();
    await page.keyboard.press('Control+2');
    await page.keyboard.press('Shift+F5');
    await page.locator('.held').waitFor();
    await page.locator('.dv-tab', { hasText: 'Stops' }).click();
    await page.getByLabel('Reason, such as CPUID; empty: any').fill('IO_INSTRUCTION');
    await page.getByRole('button', { name: 'Add stop' }).click();
    await page.keyboard.press('F5');
    await page.getByText(/^Stopped: exit: reason IO_INSTRUCTION/).waitFor();
    const here = page.locator('.line.ip');
    const rip = await here.textContent();
    await page.keyboard.press('F11');
    await expect.poll(() => here.textContent()).not.toBe(rip);
    const r15 = page.locator('.registers-panel dl div', { hasText: 'r15' });
    await r15.locator('button').click();
    await page.locator('.registers-panel .editor').fill('0x1234');
    await page.keyboard.press('Enter');
    await expect.poll(() => r15.textContent()).toContain('0x0000000000001234');
    await page.locator('.dv-tab', { hasText: 'VMCS' }).click();
    await expect.poll(() => page.locator('tr', { hasText: 'exitReason' }).first().textContent()).toContain('IO_INSTRUCTION');

    const pid = Number(/Process ([\d,]+)/.exec((await page.locator('footer').textContent()) ?? '')?.[1]?.replace(',', ''));
    process.kill(pid, 'SIGKILL');
    await page.getByRole('tab', { name: 'Serial console' }).click();
    await page.getByRole('button', { name: 'Start again' }).click();
    await expect.poll(() => page.locator('.xterm-rows:visible').textContent(), { timeout: 20_000 }).toContain('sent back');
    await page.getByRole('button', { name: 'Turn off' }).click();
    await page.getByText('The machine is off').waitFor();
    await page.getByRole('link', { name: 'All machines' }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No machines yet').waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('link', { name: 'echo' }).waitFor();
  }, 90_000);

  it('keeps pages from Node, from other pages and from code made at run time', async () => {
    await expect.poll(() => page.getByText('No machines yet').isVisible()).toBe(true);
    expect(await page.evaluate('typeof require + typeof process + typeof rootmodeShell')).toBe('undefinedundefinedobject');
    expect(await page.evaluate('Object.keys(rootmodeShell).join()')).toBe('connect,speak');
    const before = page.url();
    await page.evaluate("location.href = 'https://evil.example/'");
    await page.waitForTimeout(300);
    expect(page.url()).toBe(before);
    const made = await page.evaluate(`new Promise((resolve) => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective));
      const script = document.createElement('script');
      script.textContent = 'document.title = "made"';
      document.head.append(script);
    })`);
    expect(made).toBe('script-src-elem');
    expect(await page.title()).toBe('Rootmode');
  });

  it.skipIf(real !== undefined)('is guarded before the first page is there', async () => {
    // Electron tells nobody what was set; the stand-in does.
    const set = await app.evaluate((electron) => {
      const { app, session, schemes } = electron as unknown as {
        app: { sandboxed: boolean };
        session: { defaultSession: { handlers: Record<string, (...words: unknown[]) => unknown> } };
        schemes: readonly { scheme: string; privileges: object }[];
      };
      const {
        setPermissionCheckHandler: check,
        setDevicePermissionHandler: device,
        setPermissionRequestHandler: ask,
      } = session.defaultSession.handlers;
      let granted: unknown;
      ask?.({}, 'geolocation', (answer: unknown) => (granted = answer), {
        requestingUrl: 'rootmode-app://window/',
        isMainFrame: true,
      });
      const checked = check?.({}, 'media', 'rootmode-app://window/', { isMainFrame: true });
      return { sandboxed: app.sandboxed, asked: granted, checked, device: device?.({}), schemes };
    });
    expect(set).toEqual({
      ...{ sandboxed: true, asked: false, checked: false, device: false },
      schemes: [
        {
          scheme: 'rootmode-app',
          privileges: { standard: true, secure: true, supportFetchAPI: true, stream: true, codeCache: true },
        },
      ],
    });
    // Another window of ours, from wherever it comes, is as confined.
    const opened = app.waitForEvent('window');
    await app.evaluate(({ app }) => app.emit('second-instance', {}, ['rootmode', 'rootmode://machine/one'], '/'));
    const second = await opened;
    await expect.poll(() => second.url()).toContain('#/machine/one');
    await second.getByRole('link', { name: 'All machines' }).waitFor();
    const before = second.url();
    await second.evaluate("location.href = 'https://evil.example/'");
    await second.waitForTimeout(300);
    expect(second.url()).toBe(before);
  });

  it('takes in a machine that somebody opens, and says why it cannot', async () => {
    const archive = join(bench.data, 'sent.rmvm');
    await bench.run('create', 'here', '--kernel', echo, '--memory', '16');
    await bench.run('export', 'here', archive);
    const opened = app.waitForEvent('window');
    await app.evaluate(({ app }, word) => app.emit('second-instance', {}, ['rootmode', word], '/'), archive);
    await expect.poll(async () => (await opened).url()).toContain('#/machine/sent');
    await expect.poll(async () => (await opened).getByRole('heading', { name: 'sent' }).isVisible()).toBe(true);
    writeFileSync(archive, 'damaged');
    const said = await app.evaluate(
      ({ app, dialog }, word) =>
        new Promise((resolve) => {
          dialog.showErrorBox = (_title, message) => resolve(message);
          app.emit('second-instance', {}, ['rootmode', word], '/');
        }),
      archive,
    );
    expect(said).toContain('damaged or no archive');
  });

  it('asks before it takes in a machine folder that names files elsewhere', async () => {
    const secret = join(bench.data, 'secret.img');
    writeFileSync(secret, 'secret');
    await bench.run('create', 'given', '--kernel', echo, '--disk', `${secret},format=raw`, '--memory', '16');
    const folder = join(bench.runtime, 'given.rmvm');
    renameSync(join(bench.data, 'rootmode/machines/given.rmvm'), folder);
    const open = (button: number): Promise<string> =>
      app.evaluate(
        ({ app, dialog }, [word, answer]) =>
          new Promise<string>((resolve) => {
            let asked = '';
            dialog.showMessageBoxSync = (options) => {
              asked = String((options as unknown as { detail: string }).detail);
              return answer as number;
            };
            dialog.showErrorBox = (_title, message) => resolve(`${asked} REFUSED ${message}`);
            app.emit('second-instance', {}, ['rootmode', word], '/');
            if (answer === 0) setTimeout(() => resolve(asked), 2000);
          }),
        [folder, button] as const,
      );
    expect(await open(1)).toMatch(/secret\.img \(disks\)[\s\S]* REFUSED .*names files outside of itself/);
    expect((await bench.run('list')).out).not.toContain('given');
    expect(await open(0)).toContain(`${secret} (disks)`);
    await expect.poll(async () => (await bench.run('list')).out).toMatch(/given +stopped/);
  });

  it.skipIf(real !== undefined)('has its menus and its icon’s menu in the language of the window', async () => {
    const labels = (): Promise<string> =>
      app.evaluate(({ Menu, Tray }) => {
        const flat = (items: readonly { label?: string; submenu?: unknown }[]): string[] =>
          items.flatMap(({ label, submenu }) => [label ?? '', ...flat((submenu as { label?: string }[] | undefined) ?? [])]);
        const tray = (Tray as unknown as { menu: { items: { label?: string }[] } }).menu.items;
        return [...flat(Menu.getApplicationMenu()?.items ?? []), ...flat(tray)].filter(Boolean).join('|');
      });
    expect(await labels()).toMatch(/^&File\|New Window\|.*\|Show Rootmode\|No machine runs\|Quit$/);
    await page.getByRole('link', { name: 'Preferences' }).click();
    await page.getByLabel('Language').selectOption('de');
    await expect.poll(labels).toMatch(/^&Datei\|Neues Fenster\|.*\|Rootmode zeigen\|Keine Maschine läuft\|Beenden$/);
    expect(await labels()).not.toMatch(/Undo|Window|Quit|Zoom In/);
    // A window that is opened later goes on in the language that was chosen.
    await page.reload();
    await page.getByRole('heading', { name: 'Einstellungen' }).waitFor();
    expect(await labels()).toContain('Beenden');
  });

  it('does not quit over a running machine unless told to', async () => {
    await boot('echo');
    const asked = await app.evaluate(({ app, dialog }) => {
      const messages: string[] = [];
      dialog.showMessageBoxSync = (options) => {
        messages.push((options as unknown as { message: string }).message);
        return 1;
      };
      app.quit();
      return messages;
    });
    expect(asked).toEqual(['echo still runs']);
    expect(await page.title()).toBe('echo – Rootmode');
  });

  it.skipIf(real !== undefined)('leads from the icon beside the clock to each machine that runs', async () => {
    await boot('echo');
    // Electron tells nobody what an icon's menu has; the stand-in does.
    const labels = (): Promise<readonly (string | undefined)[]> =>
      app.evaluate(({ Tray }) =>
        (Tray as unknown as { menu: { items: readonly { label?: string }[] } }).menu.items.map(({ label }) => label),
      );
    await expect.poll(labels).toEqual(['Show Rootmode', undefined, 'echo', undefined, 'Quit']);
    const opened = app.waitForEvent('window');
    await app.evaluate(({ Tray }) =>
      (Tray as unknown as { menu: { items: readonly { click?(): void }[] } }).menu.items[2]?.click?.(),
    );
    const second = await opened;
    await expect.poll(() => second.title()).toBe('echo – Rootmode');
  });

  it('shows a machine whose process was killed, and says so', async () => {
    await boot('echo');
    await expect.poll(() => page.locator('footer').textContent()).toContain('Process');
    const pid = Number(/Process ([\d,]+)/.exec((await page.locator('footer').textContent()) ?? '')?.[1]?.replace(',', ''));
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => page.getByText('The machine’s process is gone').isVisible(), { timeout: 5000 }).toBe(true);
  });
});
