import { EventEmitter } from 'node:events';
import type { IpcMain, MenuItemConstructorOptions } from 'electron';
import { expect, it, vi } from 'vitest';
import { EngineError } from '../../engine/contract/errors.ts';
import { followLanguage } from './language.ts';
import { menuTemplate } from './menu.ts';
import { START_PAGE } from './security.ts';
import { shellTexts } from './texts.ts';
import { trayTemplate } from './tray.ts';

const acts = { newWindow: () => undefined, openLibraryFolder: () => undefined };

function labels(items: readonly MenuItemConstructorOptions[]): string[] {
  return items.flatMap(({ label, type, submenu }) => [
    ...(type === 'separator' ? [] : [label ?? 'NO LABEL']),
    ...(Array.isArray(submenu) ? labels(submenu) : []),
  ]);
}

it.each(['linux', 'win32', 'darwin'] as const)('menus of %s say every word in the language of the window', (platform) => {
  const [english, german] = [shellTexts.en, shellTexts.de].map((texts) => labels(menuTemplate(texts.menu, acts, platform)));
  expect(english).not.toContain('NO LABEL');
  expect(german).not.toContain('NO LABEL');
  expect(german).toHaveLength(english?.length ?? 0);
  // The program's own menu bears its name everywhere.
  expect(german?.filter((label, at) => label === english?.[at])).toEqual(platform === 'darwin' ? ['Rootmode'] : []);
  const tray = trayTemplate(shellTexts.de.tray, [], { show: () => undefined, quit: () => undefined });
  expect(labels(tray)).toEqual(['Rootmode zeigen', 'Keine Maschine läuft', 'Beenden']);
});

it('follows what a window of ours says, and nobody else', () => {
  const ipc = new EventEmitter();
  const onChange = vi.fn();
  const speech = followLanguage(ipc as unknown as IpcMain, { system: 'de-AT', onChange });
  expect(speech.texts()).toBe(shellTexts.de);
  expect(speech.said(new EngineError('machine-exists', { name: 'one' }))).toMatch(/^Eine Maschine namens one gibt es schon/);
  const mainFrame = { url: START_PAGE };
  const say = (tag: unknown, senderFrame: { url: string } | null = mainFrame) =>
    ipc.emit('window-language', { senderFrame, sender: { mainFrame } }, tag);
  say('en', { url: 'https://evil.example/' });
  say('en', { url: START_PAGE });
  say('en', null);
  expect([speech.texts(), onChange.mock.calls.length]).toEqual([shellTexts.de, 0]);
  say('en');
  say('en-GB');
  expect([speech.texts(), onChange.mock.calls.length]).toEqual([shellTexts.en, 1]);
  for (const odd of ['__proto__', 'fr', 7, null, { toString: () => 'de' }]) say(odd);
  expect(speech.texts()).toBe(shellTexts.en);
});
