/**
 * Electron's fuses (https://www.electronjs.org/docs/latest/tutorial/fuses) in the program that electron-builder makes of our
 * configuration: on Electron's distribution where it is, otherwise on a stand-in that carries a fuse wire.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Configuration, Platform } from 'electron-builder';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root } from '../tasks/run.ts';
import { fuseFaults } from './check-desktop.ts';
import { electronDistribution } from './desktop.ts';
import { configuration } from './electron-builder.ts';

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'rootmode-fuses-'));
});
afterEach(() => rmSync(place, { recursive: true }));

/** What is wrong with the fuses of the program that is built with this configuration. */
async function faultsOfBuilt(change: (config: Configuration) => Configuration): Promise<readonly string[]> {
  const [application, output, work] = ['application', 'output', 'work'].map((name) => join(place, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(join(application, 'out'), { recursive: true });
  mkdirSync(work);
  writeFileSync(join(application, 'package.json'), '{"name":"rootmode","version":"0.0.0","main":"out/electron-main.js"}\n');
  writeFileSync(join(application, 'out/electron-main.js'), '// nothing\n');
  const config = change(configuration({ application, output, electron: await electronDistribution(work) }));
  await build({ targets: Platform.LINUX.createTarget('dir'), config, projectDir: root, publish: 'never' });
  return fuseFaults(join(output, 'linux-unpacked/rootmode'));
}

describe('the built program', () => {
  it('has every fuse as it should be', async () => {
    expect(await faultsOfBuilt((config) => config)).toEqual([]);
  });

  it('would be found out without any of them', async () => {
    const faults = await faultsOfBuilt(({ electronFuses: _gone, ...config }) => config);
    expect(faults).toEqual(
      expect.arrayContaining(['RunAsNode', 'EnableNodeCliInspectArguments', 'GrantFileProtocolExtraPrivileges']),
    );
  });
});
