/** What must hold of every artefact in a folder of distributions. Each check is a sentence that is true, or says what is not. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from '../tasks/run.ts';
import { filesBelow, identity } from './application.ts';
import { buildIdentity, headlessFiles } from './executable.ts';

/** Largest Debian package of the headless edition, in bytes. */
const DEBIAN_BUDGET = 35e6;
/** Largest window, in bytes, as a server would compress it. */
const WINDOW_BUDGET = 1e6;

export interface Verdict {
  readonly sentence: string;
  /** Empty when it is true. */
  readonly objections: readonly string[];
  /** Why it could not be looked at. */
  readonly skipped?: string;
}

export function verdict(sentence: string, objections: readonly string[]): Verdict {
  return { sentence, objections };
}

/** Output of a program, status 127 when it is not there. */
export function said(program: string, ...words: readonly string[]): { readonly status: number; readonly output: string } {
  const { error, status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', maxBuffer: 1 << 28 });
  return { status: error === undefined ? (status ?? 1) : 127, output: `${stdout ?? ''}${stderr ?? ''}` };
}

/** Checks of the application's folder, which all editions carry. */
export function checkApplication(folder: string): Verdict[] {
  const files = filesBelow(folder);
  const naming = (words: readonly string[]): string[] =>
    files.filter((path) => {
      const bytes = readFileSync(join(folder, path));
      return words.some((word) => bytes.includes(word));
    });
  const scripts = files.filter((path) => /^out\/renderer\/.*\.(js|css|html)$/.test(path));
  const window = scripts.reduce((sum, path) => sum + gzipSync(readFileSync(join(folder, path))).length, 0);
  const wanted = [
    'out/cli.js',
    'out/run.cjs',
    'out/run-command.cjs',
    'out/vcpu-thread.program.cjs',
    'out/interpreter.wasm',
    'out/renderer/index.html',
    'LICENSE',
    'sbom.cdx.json',
  ];
  return [
    verdict(
      'the application is complete',
      wanted.filter((path) => !files.includes(path)).map((path) => `${path} is missing`),
    ),
    verdict(
      'no source map is in it',
      files.filter((path) => path.endsWith('.map')),
    ),
    verdict('no path of the builder is in it', naming([`${root}/`, `${homedir()}/`].filter((path) => path.length > 2))),
    verdict('no development dependency is in it', [
      ...files.filter((path) => path.includes('node_modules/')),
      ...naming(['vitest', 'playwright']),
    ]),
    verdict(
      `the window is at most ${WINDOW_BUDGET / 1e6} MB compressed`,
      window > WINDOW_BUDGET ? [`it is ${(window / 1e6).toFixed(2)} MB`] : [],
    ),
    verdict('the bill of materials lists what the notices name', billAgainstNotices(folder)),
  ];
}

function billAgainstNotices(folder: string): string[] {
  const bill = JSON.parse(readFileSync(join(folder, 'sbom.cdx.json'), 'utf8')) as {
    bomFormat: string;
    components: { name: string; version: string; licenses: unknown[] }[];
  };
  const notices = readFileSync(join(folder, 'THIRD-PARTY-NOTICES.txt'), 'utf8');
  const unnamed = bill.components.filter(({ name, version }) => !notices.includes(`\n${name} ${version} (`));
  if (bill.bomFormat !== 'CycloneDX' || bill.components.length === 0) return ['it is no bill of materials'];
  return unnamed.map(({ name }) => `${name} has no notice`);
}

/** Checks of the executable, which is started from a folder where nothing else of Rootmode is. */
export function checkExecutable(path: string, application: string): Verdict[] {
  const place = mkdtempSync(join(tmpdir(), 'rootmode-dist-check-'));
  const environment = { PATH: '/usr/bin:/bin', HOME: place, XDG_CACHE_HOME: join(place, 'cache') };
  const run = (...words: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(path, words, { env: environment, cwd: place, encoding: 'utf8' });
    return { status, output: `${stdout}${stderr}` };
  };
  try {
    const version = run('--version');
    const guest = run('run', '--kernel', join(root, 'assets/guests/hello.bin'), '--memory', '16');
    const refused = run('no-such-command');
    const unpacked = join(place, 'cache/rootmode/app', buildIdentity(application, headlessFiles(application)));
    return [
      verdict(
        'the executable runs alone',
        version.output === `${identity.version}\n` ? [] : [`--version: status ${version.status}, ${version.output.trim()}`],
      ),
      verdict(
        'a guest boots in it',
        guest.output.includes('Hello from 64-bit mode.') ? [] : [`status ${guest.status}: ${guest.output.trim()}`],
      ),
      verdict('it passes on the status of a refusal', refused.status === 2 ? [] : [`status ${refused.status}`]),
      verdict(
        'what it unpacks is only for its user',
        existsSync(unpacked) && (statSync(unpacked).mode & 0o077) === 0 ? [] : [unpacked],
      ),
      verdict(
        'no path of the builder is in it',
        [`${root}/`].filter((word) => readFileSync(path).includes(word)),
      ),
    ];
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** Checks of the Debian package as dpkg and lintian see it. */
export function checkDebian(path: string, application: string): Verdict[] {
  const place = mkdtempSync(join(tmpdir(), 'rootmode-dist-check-'));
  try {
    const extracted = said('dpkg-deb', '--raw-extract', path, place);
    const sums = said('sh', '-c', `cd '${place}' && md5sum --check --quiet DEBIAN/md5sums`);
    const listing = said('dpkg-deb', '--contents', path).output.trim().split('\n');
    const wanted = [
      '-rwxr-xr-x root/root usr/bin/rootmode',
      '-rw-r--r-- root/root usr/lib/rootmode/out/cli.js',
      '-rw-r--r-- root/root usr/lib/systemd/user/rootmode.service',
      '-rw-r--r-- root/root usr/share/man/man1/rootmode.1.gz',
      '-rw-r--r-- root/root usr/share/man/man5/rootmode-machine.5.gz',
      '-rw-r--r-- root/root usr/share/man/man7/rootmode-contract.7.gz',
      '-rw-r--r-- root/root usr/share/bash-completion/completions/rootmode',
      '-rw-r--r-- root/root usr/share/zsh/vendor-completions/_rootmode',
      '-rw-r--r-- root/root usr/share/fish/vendor_completions.d/rootmode.fish',
      '-rw-r--r-- root/root usr/share/doc/rootmode-headless/copyright',
    ];
    const entries = listing.map((line) => {
      const [mode, owner, , , , name] = line.split(/\s+/);
      return `${mode} ${owner} ${name?.replace(/^\.\//, '')}`;
    });
    const size = statSync(path).size;
    const sameFiles = headlessFiles(application).filter(
      (file) => digest(join(application, file)) !== digest(join(place, 'usr/lib/rootmode', file)),
    );
    return [
      verdict('the package unpacks', extracted.status === 0 ? [] : [extracted.output.trim()]),
      verdict(
        'its files have the names, owners and modes they should',
        wanted.filter((entry) => !entries.includes(entry)),
      ),
      verdict(
        'nobody but root may write any of its files',
        entries.filter((entry) => /^.....w|^........w/.test(entry)),
      ),
      verdict('its checksums hold', sums.status === 0 ? [] : [sums.output.trim()]),
      verdict('it carries the application as built', sameFiles),
      verdict(`it is at most ${DEBIAN_BUDGET / 1e6} MB`, size > DEBIAN_BUDGET ? [`it is ${(size / 1e6).toFixed(1)} MB`] : []),
      lintian(path),
    ];
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** Errors that lintian finds. */
export function lintian(path: string): Verdict {
  const sentence = 'lintian finds no error';
  const { status, output } = said('lintian', '--allow-root', '--fail-on', 'error', path);
  if (status === 127) return { sentence, objections: [], skipped: 'lintian is not installed' };
  return verdict(sentence, status === 0 ? [] : output.split('\n').filter((line) => line.startsWith('E:')));
}

/** Checks of the npm package: what npm lists, and that its program runs on this Node. */
export function checkNpm(path: string): Verdict[] {
  const place = mkdtempSync(join(tmpdir(), 'rootmode-dist-check-'));
  try {
    said('tar', '--extract', '--gzip', '--file', path, '--directory', place);
    const run = said(process.execPath, join(place, 'package/bin/rootmode.js'), '--version');
    const files = existsSync(place) ? filesBelow(place) : [];
    return [
      verdict('the npm package runs', run.output === `${identity.version}\n` ? [] : [run.output.trim()]),
      verdict(
        'it has no script that runs when it is installed',
        /"(pre|post)?install"/.test(readFileSync(join(place, 'package/package.json'), 'utf8')) ? ['package.json'] : [],
      ),
      verdict(
        'nothing of the desktop is in it',
        files.filter((file) => /electron-main|preload/.test(file)),
      ),
    ];
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** Files of one name in two folders that differ; for two builds of the same sources. */
export function differences(one: string, other: string): string[] {
  const names = new Set([...filesBelow(one), ...filesBelow(other)]);
  return [...names].filter((name) => digest(join(one, name)) !== digest(join(other, name)));
}

function digest(path: string): string {
  return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'absent';
}

/** Artefacts in `folder` by kind; absent ones were not built. */
export function artefactsIn(folder: string): Readonly<Record<'executable' | 'deb' | 'npm' | 'desktop', string | undefined>> {
  const first = (pattern: string): string | undefined => {
    const found = globSync(pattern, { cwd: folder })[0];
    return found === undefined ? undefined : join(folder, found);
  };
  return {
    executable: first('rootmode'),
    deb: first('rootmode-headless_*.deb'),
    npm: first('rootmode-headless-*.tgz'),
    desktop: first('desktop'),
  };
}
