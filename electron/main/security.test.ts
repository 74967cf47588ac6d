/** The points of Electron's security documentation that a program can check of itself, one by one. */
import { EventEmitter } from 'node:events';
import type { Session, WebContents } from 'electron';
import { describe, expect, it, vi } from 'vitest';
import { HEADERS } from '../../engine/servers/web/pages.ts';
import { machineOfLink } from './deep-link.ts';
import { confine, denyPermissions, isOurPage, START_PAGE, webPreferences } from './security.ts';

describe('pages', () => {
  it('run in a sandbox, isolated, without Node and with web security', () => {
    expect(webPreferences('/p.cjs')).toEqual({
      preload: '/p.cjs',
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
    });
  });

  it('have a content security policy that lets only our own scripts run', () => {
    const policy = HEADERS['Content-Security-Policy'];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/script-src[^;]*unsafe/);
  });

  it('come by a scheme of ours, never by file:', () => {
    expect(START_PAGE).toMatch(/^rootmode-app:/);
  });

  it.each([
    [START_PAGE, true],
    ['rootmode-app://window/assets/a.js', true],
    ['rootmode-app://other/index.html', false],
    ['rootmode-app://window.evil.example/', false],
    ['https://window/index.html', false],
    ['file:///index.html', false],
    ['about:blank', false],
    ['nonsense', false],
    [undefined, false],
  ])('%s is ours: %s', (url, ours) => {
    expect(isOurPage(url)).toBe(ours);
  });
});

describe('a session', () => {
  it('grants what a guest’s screen needs, to our own pages, and nothing else', () => {
    const set = { setPermissionRequestHandler: vi.fn(), setPermissionCheckHandler: vi.fn(), setDevicePermissionHandler: vi.fn() };
    denyPermissions(set as unknown as Session);
    const asked = (permission: string, requestingUrl: string, isMainFrame = true): boolean => {
      const answer = vi.fn();
      set.setPermissionRequestHandler.mock.lastCall?.[0]({}, permission, answer, { requestingUrl, isMainFrame });
      const checked = set.setPermissionCheckHandler.mock.lastCall?.[0]({}, permission, requestingUrl, { isMainFrame });
      expect(checked).toBe(answer.mock.lastCall?.[0]);
      return checked;
    };
    for (const permission of ['pointerLock', 'keyboardLock', 'fullscreen', 'clipboard-read']) {
      expect([
        asked(permission, START_PAGE),
        asked(permission, 'https://evil.example/'),
        asked(permission, START_PAGE, false),
      ]).toEqual([true, false, false]);
    }
    const others = ['media', 'geolocation', 'notifications', 'hid', 'serial', 'usb', 'midi', 'openExternal', 'display-capture'];
    for (const permission of others) expect(asked(permission, START_PAGE)).toBe(false);
    expect(set.setDevicePermissionHandler.mock.lastCall?.[0]()).toBe(false);
  });
});

describe('contents', () => {
  const made = (url: string) => {
    const contents = Object.assign(new EventEmitter(), { setWindowOpenHandler: vi.fn(), getURL: () => url });
    confine(contents as unknown as WebContents, '/p.cjs');
    return contents;
  };
  const contents = made(`${START_PAGE}#/machine/a/inspector`);
  const opened = (of: typeof contents, url: string) => of.setWindowOpenHandler.mock.lastCall?.[0]({ url });
  const prevented = (event: string, url: string): boolean => {
    const preventDefault = vi.fn();
    contents.emit(event, { url, preventDefault });
    return preventDefault.mock.calls.length === 1;
  };

  it('stay on our pages', () => {
    expect(prevented('will-navigate', 'https://evil.example/')).toBe(true);
    expect(prevented('will-navigate', 'file:///etc/passwd')).toBe(true);
    expect(prevented('will-navigate', START_PAGE)).toBe(false);
    expect(prevented('will-redirect', START_PAGE)).toBe(true);
  });

  it('embed nothing', () => {
    expect(prevented('will-attach-webview', START_PAGE)).toBe(true);
  });

  it('open a window for a panel, as confined as their own, and no other', () => {
    const panel = 'rootmode-app://window/popout.html';
    for (const url of [START_PAGE, `${panel}?a`, 'https://evil.example/popout.html', 'about:blank', 'file:///etc/passwd']) {
      expect(opened(contents, url)).toEqual({ action: 'deny' });
    }
    const { action, overrideBrowserWindowOptions } = opened(contents, panel);
    expect([action, overrideBrowserWindowOptions.webPreferences]).toEqual(['allow', webPreferences('/p.cjs')]);
    expect(opened(made(panel), panel)).toEqual({ action: 'deny' });
  });
});

describe('a deep link', () => {
  it.each([
    ['rootmode://machine/debian', 'debian'],
    ['rootmode://machine/%2e%2e%2fetc', undefined],
    ['rootmode://machine/', undefined],
    ['rootmode://machine/a/b', undefined],
    ['rootmode://start/debian', undefined],
    ['https://machine/debian', undefined],
    ['--flag', undefined],
  ])('%s names %s', (link, machine) => {
    expect(machineOfLink(link)).toBe(machine);
  });
});
