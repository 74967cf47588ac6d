/**
 * The desktop edition, by electron-builder. Where Electron's own distribution is (node_modules/electron/dist, or the folder that
 * ELECTRON_DIST names) it is what is packed; elsewhere a stand-in takes its place, and what is built is a test of the packaging.
 */
import { chmodSync, copyFileSync, cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, Platform } from 'electron-builder';
import { root, run } from '../tasks/run.ts';
import { configuration } from './electron-builder.ts';
import type { Made, Making } from './making.ts';
import { makeStandInElectron } from './stand-in-electron.ts';

/** Programs that stand in for what electron-builder would download, by target. */
const needed: Readonly<Record<string, readonly string[]>> = {
  dir: [],
  'tar.gz': ['7z'],
  zip: ['7z'],
  deb: ['dpkg-deb'],
  rpm: ['rpmbuild'],
  AppImage: ['mksquashfs', 'desktop-file-validate'],
};

interface Skipped {
  readonly target: string;
  readonly reason: string;
}

/** Make what can be made here. Returns the paths, and what was left out and why. */
export async function makeDesktop({ folder, time }: Making): Promise<Made> {
  const output = join(folder, 'desktop');
  const work = join(folder, 'desktop.parts');
  rmSync(output, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const electron = await electronDistribution(work);
  const skipped: Skipped[] = [
    { target: 'NSIS installer', reason: 'electron-builder downloads its tool set; build it where it can be had' },
    { target: 'dmg', reason: 'needs macOS' },
  ];
  if (electron.standIn)
    skipped.push({ target: 'a desktop edition that runs', reason: "Electron's distribution is not here; a stand-in was packed" });
  const targets: string[] = [];
  for (const [target, programs] of Object.entries(needed)) {
    const missing = (await Promise.all(programs.map(async (name) => ((await isThere(name)) ? [] : [name])))).flat();
    if (missing.length === 0) targets.push(target);
    else skipped.push({ target, reason: `${missing.join(', ')} is not installed` });
  }
  const environment = { SOURCE_DATE_EPOCH: `${Math.floor(time.getTime() / 1000)}`, ...(await localTools(work)) };
  Object.assign(process.env, environment);
  const places = { application: join(folder, 'application'), output, electron };
  const config = { ...configuration(places), ...(electron.standIn ? { compression: 'normal' as const } : {}) };
  const made = await build({ targets: Platform.LINUX.createTarget(targets), config, projectDir: root, publish: 'never' });
  rmSync(work, { recursive: true });
  for (const file of globSync('{builder-*.y*ml,*.blockmap,latest*.yml}', { cwd: output })) rmSync(join(output, file));
  return { made, skipped };
}

/** Electron's own distribution, or its stand-in, made in `work`. */
export async function electronDistribution(work: string): Promise<{ folder: string; version: string; standIn: boolean }> {
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/electron/package.json'), 'utf8')) as { version: string };
  const given = process.env['ELECTRON_DIST'] ?? join(root, 'node_modules/electron/dist');
  if (existsSync(join(given, 'version'))) {
    return { folder: given, version: readFileSync(join(given, 'version'), 'utf8').trim(), standIn: false };
  }
  const folder = join(work, 'electron-stand-in');
  await makeStandInElectron(folder, version);
  return { folder, version, standIn: true };
}

async function isThere(program: string): Promise<boolean> {
  return (await run('sh', ['-c', `command -v ${program}`])).code === 0;
}

/** Environment that makes electron-builder use the system's tools. */
async function localTools(work: string): Promise<Record<string, string>> {
  const where = async (program: string): Promise<string> => (await run('sh', ['-c', `command -v ${program}`])).output.trim();
  const fpm = join(work, 'fpm');
  writeFileSync(fpm, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'build/dist/fpm.ts')}' "$@"\n`);
  chmodSync(fpm, 0o755);
  const appImage = join(work, 'appimage');
  mkdirSync(join(appImage, 'runtimes'), { recursive: true });
  mkdirSync(join(appImage, 'lib/x64'), { recursive: true });
  for (const program of ['mksquashfs', 'desktop-file-validate']) {
    const path = await where(program);
    if (path !== '') copyFileSync(path, join(appImage, program));
  }
  // The runtime that mounts the image comes with electron-builder's own tool set.
  const runtime = process.env['APPIMAGE_RUNTIME'];
  if (runtime === undefined) writeFileSync(join(appImage, 'runtimes/runtime-x64'), '#!/bin/sh\nexit 1\n');
  else cpSync(runtime, join(appImage, 'runtimes/runtime-x64'));
  const seven = await where('7z');
  return {
    CUSTOM_FPM_PATH: fpm,
    APPIMAGE_TOOLS_PATH: appImage,
    ...(seven === '' ? {} : { ELECTRON_BUILDER_7ZIP_PATH: seven }),
  };
}
