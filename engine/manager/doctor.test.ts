import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Finding } from '../contract/diagnosis.ts';
import { diagnose } from './doctor.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-doctor-'));
  vi.stubEnv('XDG_DATA_HOME', join(folder, 'data'));
  vi.stubEnv('XDG_RUNTIME_DIR', join(folder, 'run'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function finding(area: string, files: readonly string[] = []): Finding | undefined {
  return diagnose({ version: '1.2.3', files }).find((found) => found.area === area);
}

describe('doctor', () => {
  it('names versions, and fails at nothing on the host of the tests', () => {
    expect(finding('version')?.text).toContain(`rootmode 1.2.3 on Node ${process.versions.node}`);
    expect(diagnose({ version: '1.2.3', files: [] }).filter(({ state }) => state === 'fail')).toEqual([]);
  });

  it('names parts of the installation that are gone', () => {
    const there = join(folder, 'there');
    writeFileSync(there, '');
    const gone = join(folder, 'gone');
    const { state, text, remedy } = finding('installation', [there, gone]) as Finding;
    expect({ state, text }).toEqual({ state: 'fail', text: `cannot read ${gone}` });
    expect(remedy).toBe('install Rootmode again');
  });

  it('says when the library cannot be written, before it exists as well', () => {
    writeFileSync(join(folder, 'data'), 'a file in the way');
    expect(finding('library')).toMatchObject({ state: 'fail', text: expect.stringContaining('data is no folder') });
    rmSync(join(folder, 'data'));
    expect(finding('library')?.state).not.toBe('fail');
  });

  it('refuses a folder for sockets that others can enter', () => {
    const run = join(folder, 'run', 'rootmode');
    mkdirSync(run, { recursive: true });
    chmodSync(run, 0o755);
    expect(finding('sockets')).toMatchObject({ state: 'fail', text: expect.stringContaining('can be entered by other users') });
  });
});
