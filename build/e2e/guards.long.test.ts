/**
 * Every guard between what is hostile and this computer is missed by a test when it is taken away: each is removed in a copy of its folder,
 * and the tests beside it must then fail. The points are those of Electron's security documentation and of the web mode.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../tasks/run.ts';

interface Guard {
  /** What is guarded. */
  readonly what: string;
  /** In this file… */
  readonly file: string;
  /** …this… */
  readonly guard: string;
  /** …becomes this. */
  readonly without: string;
}

const security = 'electron/main/security.ts';
const windows = 'electron/main/windows.ts';
const admission = 'engine/servers/web/admission.ts';
const server = 'engine/servers/web/server.ts';
const pages = 'engine/servers/web/pages.ts';
/** As it stands in the source. */
const ownOrigin = '`$'.concat('{admission.scheme}://$', '{host}`');
const preference = (name: string, safe: boolean): Guard => ({
  what: `${name} is ${safe}`,
  file: security,
  guard: `${name}: ${safe},`,
  without: `${name}: ${!safe},`,
});

const guards: readonly Guard[] = [
  // Electron's list, in its order.
  { what: 'only our own scheme is ours', file: security, guard: "SCHEME = 'rootmode-app'", without: "SCHEME = 'file'" },
  preference('nodeIntegration', false),
  preference('nodeIntegrationInWorker', false),
  preference('nodeIntegrationInSubFrames', false),
  preference('contextIsolation', true),
  preference('sandbox', true),
  {
    what: 'permissions are asked for',
    file: security,
    guard: 'NEEDED.includes(permission) && isMainFrame && isOurPage(requestingUrl)',
    without: 'true',
  },
  {
    what: 'permissions are checked',
    file: security,
    guard: 'NEEDED.includes(permission) && isMainFrame && isOurPage(origin)',
    without: 'true',
  },
  {
    what: 'permissions are for our pages',
    file: security,
    guard: '&& isMainFrame && isOurPage(requestingUrl)',
    without: '&& isMainFrame',
  },
  {
    what: 'permissions are not for frames',
    file: security,
    guard: '&& isMainFrame && isOurPage(origin)',
    without: '&& isOurPage(origin)',
  },
  {
    what: 'no devices',
    file: security,
    guard: 'setDevicePermissionHandler(() => false)',
    without: 'setDevicePermissionHandler(() => true)',
  },
  preference('webSecurity', true),
  { what: 'scripts are our own', file: pages, guard: "script-src 'self'", without: "script-src 'self' 'unsafe-inline'" },
  { what: 'nothing by default', file: pages, guard: "default-src 'none'", without: 'default-src *' },
  { what: 'no frames around us', file: pages, guard: "; frame-ancestors 'none'", without: '' },
  { what: 'types are not guessed', file: pages, guard: "'X-Content-Type-Options': 'nosniff',", without: '' },
  { what: 'alone in the process', file: pages, guard: "'Cross-Origin-Opener-Policy': 'same-origin',", without: '' },
  preference('allowRunningInsecureContent', false),
  preference('experimentalFeatures', false),
  preference('webviewTag', false),
  preference('navigateOnDragDrop', false),
  {
    what: 'no view is attached',
    file: security,
    guard: "contents.on('will-attach-webview', (event) => event.preventDefault());",
    without: '',
  },
  { what: 'pages stay', file: security, guard: 'if (!isOurPage(event.url)) event.preventDefault();', without: '' },
  {
    what: 'nobody redirects',
    file: security,
    guard: "contents.on('will-redirect', (event) => event.preventDefault());",
    without: '',
  },
  {
    what: 'windows are for panels',
    file: security,
    guard: "if (url !== POPOUT_PAGE || contents.getURL() === POPOUT_PAGE) return { action: 'deny' };",
    without: '',
  },
  { what: 'panels open no windows', file: security, guard: ' || contents.getURL() === POPOUT_PAGE', without: '' },
  { what: 'panels are as confined', file: security, guard: ', webPreferences: webPreferences(preload) };', without: ' };' },
  { what: 'ports are for main frames', file: windows, guard: 'frame !== event.sender.mainFrame || ', without: '' },
  { what: 'ports are for our pages', file: windows, guard: ' || !isOurPage(frame.url)', without: '' },
  { what: 'ports carry text', file: windows, guard: "typeof data === 'string' && ", without: '' },
  { what: 'ports carry short messages', file: windows, guard: ' && Buffer.byteLength(data) <= maximumRequestBytes', without: '' },
  {
    what: 'the language is told by main frames of ours',
    file: 'electron/main/language.ts',
    guard: 'if (senderFrame === null || senderFrame !== sender.mainFrame || !isOurPage(senderFrame.url)) return;',
    without: '',
  },
  {
    what: 'links name machines',
    file: 'electron/main/deep-link.ts',
    guard: 'return name.success ? name.data : undefined;',
    without: 'return pathname.slice(1);',
  },
  { what: 'links only show', file: 'electron/main/deep-link.ts', guard: " || host !== 'machine'", without: '' },
  {
    what: 'trust is asked for',
    file: 'electron/main/opened.ts',
    guard: 'if (archive || !trusts(files)) throw failure;',
    without: '',
  },

  // The web mode.
  {
    what: 'only by our names (rebinding)',
    file: admission,
    guard: 'return request.headers.host !== undefined && hosts.includes(request.headers.host);',
    without: 'return true;',
  },
  { what: 'sockets by our own pages', file: admission, guard: ` || origin !== ${ownOrigin}`, without: '' },
  { what: 'sockets with the token', file: admission, guard: " && sameToken(offered[1] ?? '', admission.token)", without: '' },
  { what: 'sockets speak our protocol', file: admission, guard: 'offered[0] === SUBPROTOCOL && ', without: '' },
  {
    what: 'streams by our names',
    file: admission,
    guard: 'if (!admitsHost(admission, request)) return false;\n  if (origin',
    without: 'if (origin',
  },
  {
    what: 'streams by our own pages',
    file: admission,
    guard: `if (origin !== undefined && origin !== ${ownOrigin}) return false;`,
    without: '',
  },
  {
    what: 'streams of the same site',
    file: admission,
    guard: "if (site !== undefined && site !== 'same-origin') return false;",
    without: '',
  },
  {
    what: 'streams with the token',
    file: admission,
    guard: 'return sameToken(authorization',
    without: 'return true || sameToken(authorization',
  },
  {
    what: 'the whole token',
    file: admission,
    guard: 'a.length === b.length && timingSafeEqual(a, b)',
    without: 'b.subarray(0, a.length).equals(a)',
  },
  {
    what: 'pages by our names',
    file: server,
    guard: 'if (!admitsHost(admission, request)) return refuse(response, 403);',
    without: '',
  },
  {
    what: 'only reading',
    file: server,
    guard: "if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405);",
    without: '',
  },
  { what: 'sockets are admitted', file: server, guard: '!admitsSocket(admission, request) || ', without: '' },
  { what: 'messages are short', file: server, guard: 'maxPayload: maximumRequestBytes,', without: '' },
  { what: 'messages are text', file: server, guard: 'if (binary || !window.peer', without: 'if (!window.peer' },
  { what: 'streams are admitted', file: server, guard: '!admitsRequest(admission, request) || ', without: '' },
  {
    what: 'links lead out of no folder',
    file: pages,
    guard: 'entry.isDirectory()',
    without: '(entry.isDirectory() || entry.isSymbolicLink())',
  },
  { what: 'only pages are given away', file: pages, guard: 'entry.isFile() && type !== undefined', without: 'entry.isFile()' },
  {
    what: 'not outside without TLS',
    file: 'engine/servers/web/outside.ts',
    guard: 'if (listen === undefined || tlsCert === undefined || tlsKey === undefined) {',
    without: 'if (false) {',
  },

  // What the library takes from outside.
  {
    what: 'names of machines lead nowhere',
    file: 'engine/contract/settings.ts',
    guard: '/^[A-Za-z0-9_][A-Za-z0-9._-]{0,47}$/',
    without: '/^.{1,48}$/',
  },
  {
    what: 'names of images lead nowhere',
    file: 'engine/contract/image-commands.ts',
    guard: '/^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$/',
    without: '/^.{1,128}$/',
  },
  {
    what: 'machines are folders, not links',
    file: 'engine/manager/library.ts',
    guard: '.filter((entry) => entry.isDirectory())',
    without: '.filter((entry) => entry.isDirectory() || entry.isSymbolicLink())',
  },
  {
    what: 'machine files are short',
    file: 'engine/manager/machine-folder.ts',
    guard: 'if (size > maximumMachineFileBytes) refuse(',
    without: 'if (size < 0) refuse(',
  },
  {
    what: 'archives stay in their folder',
    file: 'engine/manager/machine-archive.ts',
    guard: '!isBelow(into, at) || ',
    without: '',
  },
  { what: 'archives bring no locks', file: 'engine/manager/machine-archive.ts', guard: ' || isLock(at)', without: '' },
  {
    what: 'archives hold files',
    file: 'engine/manager/machine-archive.ts',
    guard: "if (entry.type !== 'File' && entry.type !== 'OldFile') throw",
    without: 'if (false) throw',
  },
];

/** A tree that is the checkout, but for the folder of `file`, which is a copy. */
function treeOf(place: string, file: string): void {
  mkdirSync(place);
  let below = '';
  for (const part of [...dirname(file).split('/'), undefined]) {
    for (const name of readdirSync(join(root, below))) {
      if (name === part || name === '.git' || (below === '' && name.startsWith('.') && name !== '.out')) continue;
      const from = join(root, below, name);
      // Files are copied: what a link leads to would look for its neighbours where they are intact.
      if (part === undefined && statSync(from).isFile()) copyFileSync(from, join(place, below, name));
      else symlinkSync(from, join(place, below, name));
    }
    if (part === undefined) return;
    below = join(below, part);
    mkdirSync(join(place, below));
  }
}

const key = (at: number): string => `g${String(at).padStart(2, '0')}`;

/** Where guards of a file are missed, from the root; the others beside the file. */
const TESTS: Readonly<Record<string, string>> = {
  'electron/main/deep-link.ts': 'electron/main/security.test.ts',
  [admission]: 'engine/servers/web/web.test.ts',
  [server]: 'engine/servers/web/web.test.ts',
  [pages]: 'engine/servers/web/web.test.ts',
  'engine/contract/settings.ts': 'engine/contract/contract.test.ts',
  'engine/contract/image-commands.ts': 'engine/contract/contract.test.ts',
  'engine/manager/machine-folder.ts': 'engine/manager/library.test.ts',
};
const testOf = ({ file }: Guard): string => TESTS[file] ?? file.replace(/\.ts$/, '.test.ts');

interface Report {
  readonly testResults: readonly { readonly name: string; readonly assertionResults: readonly { readonly status: string }[] }[];
}

it('every guard has a test that fails without it', async () => {
  const place = mkdtempSync(join(tmpdir(), 'rootmode-guards-'));
  try {
    for (const [at, { file, guard, without }] of guards.entries()) {
      treeOf(join(place, key(at)), file);
      const source = readFileSync(join(root, file), 'utf8');
      expect([file, guard, source.split(guard).length > 1]).toEqual([file, guard, true]);
      writeFileSync(
        join(place, key(at), file),
        source.replace(guard, () => without),
      );
    }
    const intact = [...new Set(guards.map(testOf))];
    for (const [at, test] of intact.entries()) treeOf(join(place, `intact${at}`), test);
    const include = [
      ...intact.map((test, at) => join(`intact${at}`, test)),
      ...guards.map((guard, at) => join(key(at), testOf(guard))),
    ];
    const config = { test: { include, testTimeout: 20_000, maxWorkers: 2, watch: false }, server: { watch: null } };
    writeFileSync(join(place, 'vitest.config.mjs'), `export default ${JSON.stringify(config)};\n`);
    const report = join(place, 'report.json');
    const words = [
      'run',
      '--root',
      place,
      '--config',
      join(place, 'vitest.config.mjs'),
      '--reporter=json',
      `--outputFile=${report}`,
    ];
    const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...words], {
      cwd: place,
      stdio: 'ignore',
    });
    const limit = setTimeout(() => child.kill('SIGKILL'), 280_000);
    await once(child, 'exit');
    clearTimeout(limit);
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    const counted = (tree: string) => {
      const all = testResults.filter(({ name }) => name.includes(`/${tree}/`));
      return {
        ran: all.length,
        failed: all.flatMap((file) => file.assertionResults).filter(({ status }) => status === 'failed').length,
      };
    };
    for (const at of intact.keys()) expect([intact[at], counted(`intact${at}`)]).toEqual([intact[at], { ran: 1, failed: 0 }]);
    const told = ({ what, file }: Guard): string => `${file}: ${what}`;
    expect(guards.filter((_guard, at) => counted(key(at)).ran === 0).map(told)).toEqual([]);
    expect(guards.filter((_guard, at) => counted(key(at)).failed === 0).map(told)).toEqual([]);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});
