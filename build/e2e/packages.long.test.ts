/** The Debian package of the headless edition in a clean Debian: installed, run to a shell of Debian's kernel, removed with nothing left. */
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { obtainGuests } from '../tasks/guests.ts';
import { root } from '../tasks/run.ts';
import { createSession } from './session.ts';

function run(program: string, words: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(program, words, { cwd: root, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 1 << 26 });
}

const obstacle = ((): string | undefined => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the package is for Debian on amd64';
  if (process.getuid?.() !== 0) return 'changing the root folder needs root';
  for (const tool of ['debootstrap', 'dpkg-deb', 'chroot'])
    if (run(tool, ['--version']).error !== undefined) return `no ${tool} here`;
  if (run('unshare', ['--mount', 'true']).status !== 0) return 'mount namespaces cannot be made here';
  return undefined;
})();
const guests = obstacle === undefined ? obtainGuests() : 'not asked for';
const reason = obstacle ?? (typeof guests === 'string' ? guests : undefined);

describe(`the headless package in a clean Debian${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const place = mkdtempSync(join(tmpdir(), 'rootmode-clean-'));
  const system = join(place, 'root');
  // A mount namespace of its own: what is mounted in it is gone with the command.
  const entering = (...words: readonly string[]): string[] => {
    const line = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"';
    return ['--mount', 'sh', '-c', line, system, ...words];
  };
  const inside = (...words: readonly string[]) => run('unshare', entering(...words));
  /** Files that are not the package manager's own notes. */
  const files = () =>
    run('chroot', [
      system,
      'find',
      '/',
      '-xdev',
      '-not',
      '-path',
      '/var/lib/dpkg/*',
      '-not',
      '-path',
      '/var/log/*',
      '-not',
      '-path',
      '/tmp/*',
    ])
      .stdout.split('\n')
      .sort();

  beforeAll(async () => {
    if (reason !== undefined) return;
    const targets = run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(CODENAME)']).stdout.split('\n');
    const mirror = targets.find((line) => line.endsWith(' bookworm'))?.split(' ')[0];
    const made = run('debootstrap', [
      '--variant=minbase',
      '--include=libstdc++6',
      'bookworm',
      system,
      ...(mirror ? [mirror] : []),
    ]);
    expect(made.status, made.stdout.split('\n').slice(-5).join('\n')).toBe(0);
    const built = run(process.execPath, ['build/tasks/dist.ts', 'deb']);
    expect(built.status, built.stderr).toBe(0);
  }, 900_000);
  afterAll(() => rmSync(place, { recursive: true, force: true }));

  it('is installed, boots Debian to a shell, and leaves nothing behind', { timeout: 600_000 }, async (context) => {
    if (reason !== undefined || typeof guests === 'string') return context.skip(reason);
    const before = files();
    const deb = globSync('.out/dist/rootmode-headless_*.deb', { cwd: root })[0] as string;
    cpSync(join(root, deb), join(system, 'tmp/rootmode.deb'));
    expect(inside('dpkg', '--install', '/tmp/rootmode.deb')).toMatchObject({ status: 0 });

    cpSync(guests.kernel, join(system, 'tmp/vmlinuz'));
    cpSync(guests.initrd, join(system, 'tmp/initrd'));
    const doctor = inside('rootmode', 'doctor');
    expect(doctor.stdout).toMatch(/all \d+ parts are there/);
    const words = [
      'rootmode',
      'run',
      '--kernel',
      '/tmp/vmlinuz',
      '--initrd',
      '/tmp/initrd',
      '--append',
      'console=ttyS0 panic=-1',
    ];
    const boot = createSession(spawn('unshare', entering(...words), { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] }));
    await boot.see('guest# ', 300_000);
    boot.type('echo shell-says $((6*7)); poweroff -f\r');
    await boot.see(/^shell-says 42/m, 60_000);
    expect((await boot.ended).status).toBe(0);
    expect(inside('sh', '-c', 'ls /root/.cache/rootmode 2>/dev/null').stdout).toBe('');

    expect(inside('dpkg', '--purge', 'rootmode-headless')).toMatchObject({ status: 0 });
    expect(files().filter((path) => !before.includes(path))).toEqual([]);
    expect(existsSync(join(system, 'usr/bin/rootmode'))).toBe(false);
  });
});

describe('every edition that can be built here', () => {
  it('holds what `npm run dist -- --check` looks at', { timeout: 1_200_000 }, () => {
    const built = run(process.execPath, ['build/tasks/dist.ts']);
    expect(built.status, `${built.stdout}${built.stderr}`).toBe(0);
    expect(built.stdout).toMatch(/^made {5}rootmode-headless-.*\.tgz/m);
    const checked = run(process.execPath, ['build/tasks/dist.ts', '--check']);
    expect(checked.stdout.split('\n').filter((line) => line.startsWith('FAILED'))).toEqual([]);
    expect(checked.status, `${checked.stdout}${checked.stderr}`).toBe(0);
    expect(checked.stdout).toMatch(/^ok .*a guest boots in it/m);
    expect(checked.stdout).toMatch(/^ok .*a second build is the same/m);
  });
});
