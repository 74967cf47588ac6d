/** The headless edition as one file: the pinned Node with the application inside (https://nodejs.org/api/single-executable-applications.html). */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { root, run, tool } from '../tasks/run.ts';
import { desktopPrograms, filesBelow } from './application.ts';

/** Marks the place in Node's own executable that says whether it carries an application; fixed by Node. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const nodeExecutable = join(root, 'node_modules/node/bin/node');

/** Files of the application in `folder` that the headless edition has. */
export function headlessFiles(folder: string): string[] {
  return filesBelow(folder).filter((path) => !desktopPrograms.some((program) => path === `out/${program}`));
}

/** Name of a build: SHA-256 over the files' names, sizes and bytes. The executable checks it when it unpacks. */
export function buildIdentity(folder: string, files: readonly string[]): string {
  const whole = createHash('sha256');
  for (const path of [...files].sort()) {
    const bytes = readFileSync(join(folder, path));
    whole.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  return whole.digest('hex');
}

/**
 * Make the executable `to` from the application in `folder`. The path that Node notes in it is relative to the checkout, so that it is
 * the same wherever it is built. Throws Error with what a tool said.
 */
export async function makeExecutable(folder: string, to: string): Promise<void> {
  const work = join(root, '.out/executable.parts');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const files = headlessFiles(folder);
  const identity = join(work, 'build-id');
  writeFileSync(identity, buildIdentity(folder, files));
  const main = join(work, 'boot.cjs');
  await build({ entryPoints: [join(root, 'build/dist/boot.ts')], outfile: main, bundle: true, platform: 'node', format: 'cjs' });
  const blob = join(work, 'application.blob');
  const plan = join(work, 'plan.json');
  const settings = {
    main: relative(root, main),
    output: relative(root, blob),
    disableExperimentalSEAWarning: true,
    // Loading the command line from a file needs a loader that Node calls experimental.
    execArgv: ['--disable-warning=ExperimentalWarning'],
    assets: Object.fromEntries([...files.map((path) => [path, join(folder, path)]), ['build-id', identity]]),
  };
  writeFileSync(plan, JSON.stringify(settings));
  expectSuccess('node', await run(nodeExecutable, ['--experimental-sea-config', relative(root, plan)]));
  rmSync(to, { force: true });
  copyFileSync(nodeExecutable, to);
  chmodSync(to, 0o755);
  // Symbols of functions that nobody calls from outside: a quarter of the file. Not on every machine there is a strip.
  await run('strip', ['--strip-unneeded', to]);
  expectSuccess('postject', await tool('postject/dist/cli.js', [to, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE]));
  rmSync(work, { recursive: true });
}

/** What a tool said when it succeeded. Throws Error otherwise. */
export function expectSuccess(what: string, { code, output }: { readonly code: number; readonly output: string }): string {
  if (code !== 0) throw new Error(`${what} failed with status ${code}: ${output.trim()}`);
  return output;
}
