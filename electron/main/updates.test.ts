import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lookForUpdates } from './updates.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-updates-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('updates', () => {
  it('are off without a feed', async () => {
    const reports: string[] = [];
    expect(await lookForUpdates(folder, (reason) => reports.push(reason))).toBe(false);
    expect(reports).toEqual([]);
  });

  it('with a feed ask the updater, whose failure is reported and costs nothing', async () => {
    writeFileSync(join(folder, 'app-update.yml'), 'provider: generic\nurl: http://127.0.0.1:9/\n');
    const reports: string[] = [];
    // No Electron runs here, which the updater says when it is asked; its package would download one if it were not told of a folder.
    vi.stubEnv('ELECTRON_OVERRIDE_DIST_PATH', folder);
    expect(await lookForUpdates(folder, (reason) => reports.push(reason))).toBe(true);
    expect(reports).toHaveLength(1);
  });
});
