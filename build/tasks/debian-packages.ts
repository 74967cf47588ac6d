/**
 * Packages of Debian and Ubuntu, obtained by the system's own apt: unpacked and not installed, which needs no privileges once lists exist,
 * or installed by root where tests need a program that only runs from its place.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why the packages cannot be had here, in a sentence. */
export class Unobtainable extends Error {}

function output(program: string, args: readonly string[], cwd?: string): string {
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (error !== undefined) throw new Unobtainable(`${program} cannot be run here (${error.message})`);
  if (status !== 0) throw new Unobtainable(`${program} ${args.join(' ')} failed: ${stderr.trim().split('\n').at(-1) ?? ''}`);
  return stdout;
}

function known(name: string): boolean {
  const { stdout } = spawnSync('apt-cache', ['show', '--quiet=2', '--no-all-versions', name], { encoding: 'utf8' });
  return (stdout ?? '').trim() !== '';
}

/** Make sure that apt knows `name`; root may update the lists, others are told. */
function ensureListed(name: string): void {
  output('apt-get', ['--version']);
  if (known(name)) return;
  if (process.getuid?.() !== 0) throw new Unobtainable(`apt does not know ${name}; run 'sudo apt-get update' once`);
  process.stdout.write('apt-get update (no package lists yet)\n');
  output('apt-get', ['update', '--quiet=2']);
  if (!known(name)) throw new Unobtainable(`apt does not know ${name}, also after apt-get update`);
}

/** `name` for a 64-bit PC, also on a machine of another kind that has amd64 as a foreign architecture. */
function forPc(name: string): string {
  return output('dpkg', ['--print-architecture']).trim() === 'amd64' ? name : `${name}:amd64`;
}

/**
 * The first package that a metapackage depends on and whose name begins with `prefix`: the current version of it.
 *
 * @param metas the same thing under the names of several distributions; the first one that apt knows counts
 */
export function dependencyOf(metas: readonly string[], prefix: string): string {
  const names = metas.map(forPc);
  const name = names.find(known) ?? names[0] ?? '';
  ensureListed(name);
  for (const line of output('apt-cache', ['depends', name]).split('\n')) {
    const depends = /^ {1,2}Depends: (\S+)/.exec(line)?.[1];
    if (depends?.startsWith(prefix) === true) return depends;
  }
  throw new Unobtainable(`${name} depends on no ${prefix}*`);
}

/** Why there is no `path`, if so: root installs the package that brings it, others read the command that does. */
export function notInstalled(path: string, name: string): string | undefined {
  if (existsSync(path)) return undefined;
  const told = `there is no ${path}; 'apt-get install -y ${name}' installs it`;
  if (process.getuid?.() !== 0) return told;
  try {
    ensureListed(name);
    output('apt-get', ['install', '--yes', '--quiet=2', name]);
  } catch (error) {
    if (error instanceof Unobtainable) return `${told} (${error.message})`;
    throw error;
  }
  return existsSync(path) ? undefined : told;
}

export interface Unpacked {
  /** Name and version. */
  readonly title: string;
  /** Folder with the files of the package; removed by `dispose`. */
  readonly folder: string;
  dispose(): void;
}

/** Download a package and unpack it into a temporary folder. Throws `Unobtainable`. */
export function unpackedPackage(name: string): Unpacked {
  const wanted = name.includes(':') ? name : forPc(name);
  ensureListed(wanted);
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-package-'));
  const dispose = () => rmSync(folder, { recursive: true, force: true });
  try {
    output('apt-get', ['download', '--quiet=2', wanted], folder);
    const file = globSync('*.deb', { cwd: folder })[0];
    if (file === undefined) throw new Unobtainable(`apt-get download ${wanted} brought nothing`);
    const title = output('dpkg-deb', ['--show', join(folder, file)])
      .trim()
      .replace('\t', ' ');
    output('dpkg-deb', ['--extract', join(folder, file), join(folder, 'files')]);
    return { title, folder: join(folder, 'files'), dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}
