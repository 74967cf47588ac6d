#!/usr/bin/env node
/**
 * Takes the arguments that electron-builder gives to fpm and makes the package with the system's own dpkg-deb or rpmbuild: fpm itself
 * would be downloaded. Started by electron-builder through CUSTOM_FPM_PATH; it understands what that passes, and refuses the rest.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';

const flags = new Set(['--force', '--debug']);
const single: Record<string, string> = {};
const lists: Record<string, string[]> = { '-d': [], '--deb-recommends': [], '--rpm-tag': [] };
const files: { readonly from: string; readonly to: string }[] = [];

const words = process.argv.slice(2);
for (let index = 0; index < words.length; index += 1) {
  const word = words[index] as string;
  if (flags.has(word)) continue;
  if (word.startsWith('-')) {
    index += 1;
    const value = words[index] ?? '';
    const list = lists[word];
    if (list === undefined) single[word] = value;
    else list.push(value);
    continue;
  }
  const [from, to] = word.split('=');
  if (from === undefined || to === undefined) throw new Error(`fpm.ts: ${word} is neither an option nor FROM=TO`);
  files.push({ from, to });
}

function option(name: string): string {
  const value = single[name];
  if (value === undefined) throw new Error(`fpm.ts: ${name} is missing`);
  return value;
}

const epoch = Number(process.env['SOURCE_DATE_EPOCH'] ?? 0);
const place = mkdtempSync(join(tmpdir(), 'rootmode-fpm-'));
const tree = join(place, 'tree');
for (const { from, to } of files) {
  const target = join(tree, to);
  mkdirSync(dirname(target), { recursive: true });
  // Installed files belong to root and are for everybody to read, whoever built them.
  cpSync(from.replace(/\/$/, ''), target, { recursive: true, verbatimSymlinks: true });
}

function everything(folder: string): string[] {
  return globSync('**/*', { cwd: folder }).map((path) => join(folder, path));
}

for (const path of [tree, ...everything(tree)]) {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) continue;
  chmodSync(path, stat.isDirectory() || (stat.mode & 0o111) !== 0 ? 0o755 : 0o644);
  if (epoch > 0) utimesSync(path, epoch, epoch);
}

function tool(program: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (status !== 0) throw new Error(`${program} failed: ${stderr}${stdout}`);
}

function script(name: string): string {
  return readFileSync(option(name), 'utf8');
}

function debian(): void {
  const control = join(tree, 'DEBIAN');
  const installed = everything(tree).filter((path) => lstatSync(path).isFile());
  const kibibytes = installed.reduce((sum, path) => sum + Math.ceil(lstatSync(path).size / 1024), 0);
  mkdirSync(control);
  const fields = [
    `Package: ${option('--name')}`,
    `Version: ${option('--version')}`,
    `Architecture: ${option('--architecture')}`,
    `Maintainer: ${option('--maintainer')}`,
    `Installed-Size: ${kibibytes}`,
    `Depends: ${lists['-d']?.join(', ')}`,
    `Recommends: ${lists['--deb-recommends']?.join(', ')}`,
    `Section: ${single['--category'] ?? 'default'}`,
    `Priority: ${single['--deb-priority'] ?? 'optional'}`,
    ...(single['--url'] === undefined ? [] : [`Homepage: ${single['--url']}`]),
    `Description: ${option('--description').trim().replaceAll('\n', '\n ')}`,
  ];
  writeFileSync(join(control, 'control'), `${fields.join('\n')}\n`);
  writeFileSync(join(control, 'postinst'), script('--after-install'), { mode: 0o755 });
  writeFileSync(join(control, 'postrm'), script('--after-remove'), { mode: 0o755 });
  const sums = spawnSync('md5sum', installed.map((path) => relative(tree, path)).sort(), { cwd: tree, encoding: 'utf8' });
  writeFileSync(join(control, 'md5sums'), sums.stdout);
  if (epoch > 0) for (const path of [control, ...everything(control)]) utimesSync(path, epoch, epoch);
  tool('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, option('--package')]);
}

function rpm(): void {
  const spec = join(place, 'package.spec');
  const listed = everything(tree)
    .filter((path) => !lstatSync(path).isDirectory())
    .map((path) => `"/${relative(tree, path)}"`);
  // A % in a script would be a macro.
  const scripted = (name: string): string => script(name).replaceAll('%', '%%');
  const lines = [
    `Name: ${option('--name')}`,
    `Version: ${option('--version').replaceAll('-', '_')}`,
    'Release: 1',
    `Summary: ${single['--rpm-summary'] ?? option('--description').split('\n')[0]}`,
    `License: ${single['--license'] ?? 'unknown'}`,
    `Vendor: ${single['--vendor'] ?? ''}`,
    ...(lists['-d'] ?? []).map((name) => `Requires: ${name}`),
    ...(lists['--rpm-tag'] ?? []),
    'AutoReqProv: no',
    '%description',
    option('--description'),
    '%post',
    scripted('--after-install'),
    '%postun',
    scripted('--after-remove'),
    '%files',
    ...listed,
  ];
  writeFileSync(spec, `${lines.join('\n')}\n`);
  const settings = {
    _topdir: join(place, 'rpm'),
    _build_id_links: 'none',
    _binary_payload: 'w7.xzdio',
    __os_install_post: '%{nil}',
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
    _buildhost: 'rootmode',
  };
  const defines = Object.entries(settings).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
  tool('rpmbuild', ['-bb', '--target', 'x86_64', '--buildroot', tree, ...defines, spec]);
  const made = globSync('rpm/RPMS/*/*.rpm', { cwd: place })[0];
  if (made === undefined) throw new Error('rpmbuild made nothing');
  cpSync(join(place, made), option('--package'));
}

try {
  if (option('-t') === 'deb') debian();
  else if (option('-t') === 'rpm') rpm();
  else throw new Error(`fpm.ts: cannot make ${option('-t')}, only deb and rpm`);
  process.stdout.write(`${basename(option('--package'))}\n`);
} finally {
  rmSync(place, { recursive: true, force: true });
}
