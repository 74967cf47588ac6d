import { expect, it, vi } from 'vitest';
import { shellTexts } from './texts.ts';
import { trayTemplate } from './tray.ts';

it('leads to the windows, to each machine that runs, and out', () => {
  const acts = { show: vi.fn(), quit: vi.fn() };
  expect(trayTemplate(shellTexts.en.tray, [], acts).map(({ label }) => label)).toEqual([
    'Show Rootmode',
    undefined,
    'No machine runs',
    undefined,
    'Quit',
  ]);
  const items = trayTemplate(shellTexts.en.tray, ['debian', 'dos'], acts);
  for (const { click } of items) (click as (() => void) | undefined)?.();
  expect(acts.show.mock.calls).toEqual([[], ['debian'], ['dos']]);
  expect(acts.quit).toHaveBeenCalledOnce();
});
