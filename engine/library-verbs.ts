/**
 * The verbs of the command line for machines that are kept: the library, and the web mode that shows it. Composition root, like cli.ts,
 * which hands over to it: here the library meets its engines, the terminal and the web server.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { basename, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EngineError } from './contract/errors.ts';
import { imageDownload } from './contract/image-commands.ts';
import type { Job } from './contract/job-commands.ts';
import type { MachineSummary } from './contract/library-commands.ts';
import {
  libraryCopy,
  libraryCreate,
  libraryExport,
  libraryImport,
  libraryList,
  libraryRemove,
  libraryRemoved,
  libraryRename,
  libraryRestore,
  libraryStart,
} from './contract/library-commands.ts';
import type { Dispatcher } from './contract/serve.ts';
import { openInBrowser } from './host/browser.ts';
import { onSignals, ownOptions } from './host/process.ts';
import { spawnedTool } from './manager/image-tool.ts';
import { Jobs } from './manager/jobs.ts';
import { Library, libraryFolder } from './manager/library.ts';
import { watchLibrary } from './manager/library-watch.ts';
import { FOLDER_SUFFIX } from './manager/machine-folder.ts';
import { createManagerDispatcher } from './manager/manager-commands.ts';
import { detachedEngine, type EngineProgram } from './manager/supervisor.ts';
import { welcome } from './manager/welcome.ts';
import { guestRuns } from './servers/engine-connection.ts';
import { startProgress } from './servers/image-text.ts';
import { libraryText } from './servers/library-text.ts';
import { type RunWords, storedSettings } from './servers/run-settings.ts';
import { type OutsideWords, outsideOf } from './servers/web/outside.ts';
import { readPages } from './servers/web/pages.ts';
import { serveWeb } from './servers/web/server.ts';

const engineProgram: EngineProgram = {
  launch: detachedEngine([
    process.execPath,
    ...ownOptions(),
    fileURLToPath(new URL('./run.ts', import.meta.url)),
    'run',
    '--machine',
  ]),
  isRunning: guestRuns,
  sleep: (milliseconds) => sleep(milliseconds),
};

const tool = spawnedTool([process.execPath, fileURLToPath(new URL('./cli.ts', import.meta.url))]);

function openLibrary(jobs = new Jobs()): { library: Library; manager: Dispatcher } {
  const library = new Library(libraryFolder(), () => new Date());
  return { library, manager: createManagerDispatcher(library, engineProgram, { jobs, tool }) };
}

/** Something that takes long, with a bar while a person watches; SIGINT and SIGTERM cancel it. */
async function watched<T>(verb: string, act: (manager: Dispatcher) => Promise<T>): Promise<T> {
  const bar = startProgress(verb);
  const jobs = new Jobs(({ done, total }) => total !== undefined && bar.show({ done, of: total }));
  const unhook = onSignals(['SIGINT', 'SIGTERM'], () => jobs.cancelAll());
  try {
    return await act(openLibrary(jobs).manager);
  } finally {
    unhook();
    bar.end();
  }
}

export async function list({ json }: { json?: boolean }): Promise<string> {
  const { machines } = await openLibrary().manager.call(libraryList, {});
  return json ? `${JSON.stringify(machines, undefined, 2)}\n` : libraryText(machines);
}

export async function create(name: string, words: RunWords): Promise<string> {
  const made: MachineSummary = await openLibrary().manager.call(libraryCreate, { name, settings: storedSettings(words) });
  return `Made ${made.name} in ${made.folder}. \`rootmode start ${made.name}\` starts it.\n`;
}

export async function start(name: string): Promise<string> {
  const { pid } = await openLibrary().manager.call(libraryStart, { name });
  return `${name} runs (process ${pid}).\n`;
}

export async function remove(name: string): Promise<string> {
  await openLibrary().manager.call(libraryRemove, { name });
  return `Removed ${name}; \`rootmode restore ${name}\` brings it back.\n`;
}

export async function restore(name: string): Promise<string> {
  const { manager } = openLibrary();
  const { machines } = await manager.call(libraryRemoved, {});
  const found = machines.findLast((machine) => machine.name === name);
  if (found === undefined) throw new EngineError('machine-unknown', { name });
  await manager.call(libraryRestore, { token: found.token });
  return `${name} is back.\n`;
}

export async function exportMachine(name: string, file = name + FOLDER_SUFFIX): Promise<string> {
  await watched('packing', (manager) => manager.call(libraryExport, { name, path: resolve(file) }));
  return `Packed ${name} into ${file}. \`rootmode import ${file}\` takes it into a library.\n`;
}

export async function importMachine(
  path: string,
  name: string | undefined,
  { allowOutside = false }: { readonly allowOutside?: boolean },
): Promise<string> {
  const to = name ?? basename(path, FOLDER_SUFFIX);
  const made = await watched('taking in', (manager) => manager.call(libraryImport, { path: resolve(path), to, allowOutside }));
  return `Took ${made.name} into ${made.folder}. \`rootmode start ${made.name}\` starts it.\n`;
}

export async function copy(name: string, to: string): Promise<string> {
  const made = await watched('copying', (manager) => manager.call(libraryCopy, { name, to }));
  return `Copied ${name} to ${made.name} in ${made.folder}.\n`;
}

export async function rename(name: string, to: string): Promise<string> {
  await openLibrary().manager.call(libraryRename, { name, to });
  return `${name} is named ${to} now.\n`;
}

export interface DownloadWords {
  readonly name?: string;
  readonly sha256?: string;
}

/** Download into the library's images; what came before an interruption is kept, and the next attempt goes on there. */
export async function download(url: string, { name, sha256 }: DownloadWords): Promise<string> {
  const bar = startProgress('downloading');
  const unhook: (() => void)[] = [];
  try {
    const job = await new Promise<Job>((resolve, reject) => {
      const jobs = new Jobs((now) => {
        if (now.state !== 'running') resolve(now);
        else if (now.total !== undefined) bar.show({ done: now.done, of: now.total });
      });
      unhook.push(onSignals(['SIGINT', 'SIGTERM'], () => jobs.cancelAll()));
      const wanted = { url, name: name ?? nameInAddress(url), ...(sha256 !== undefined && { sha256: sha256.toLowerCase() }) };
      openLibrary(jobs).manager.call(imageDownload, wanted).catch(reject);
    });
    if (job.state === 'done') return `Downloaded ${job.path}\nSHA-256 ${job.sha256}\n`;
    const failure = new EngineError('download-failed', { url, reason: 'it was interrupted' });
    if (job.problem !== undefined) failure.message = job.problem;
    throw failure;
  } finally {
    for (const end of unhook) end();
    bar.end();
  }
}

/** The last word of an address's path. */
function nameInAddress(url: string): string {
  const last = URL.canParse(url) ? new URL(url).pathname.split('/').at(-1) : '';
  return last === undefined || last === '' ? 'image' : last;
}

export interface ServeOptions extends OutsideWords {
  readonly port: string;
  /** Show it in the person's browser. */
  readonly open?: boolean;
  /** Begin with the screen of this machine. */
  readonly show?: string;
}

/** Serve the window to a browser until a signal comes. */
export async function serve({ port, open = false, show, ...words }: ServeOptions, say: (text: string) => void): Promise<void> {
  const number = /^\d{1,5}$/.test(port) ? Number(port) : -1;
  if (number < 0 || number > 65535) {
    throw new EngineError('setting-invalid', { setting: '--port', value: port, reason: 'must be a number from 0 to 65535' });
  }
  const outside = outsideOf(words);
  let announce: (job: Job) => void = () => undefined;
  const jobs = new Jobs((job) => announce(job));
  const { library, manager } = openLibrary(jobs);
  welcome(library, fileURLToPath(new URL('../assets/guests/welcome.bin', import.meta.url)));
  const pages = readPages(fileURLToPath(new URL('../.out/renderer', import.meta.url)));
  const server = await serveWeb({ port: number, token: randomBytes(32).toString('base64url'), pages, manager, outside });
  const unwatch = watchLibrary(library, () => server.announce('library-changed', {}));
  announce = (job) => server.announce('job-changed', job);
  const url = show === undefined ? server.url : `${server.url}&machine=${show}`;
  say(`Rootmode is at ${url}\n`);
  if (open) openInBrowser(url);
  // Started by a machine's own process, it ends with that.
  const ends = ['SIGINT', 'SIGTERM', 'SIGHUP', ...(process.connected ? ['disconnect'] : [])];
  await Promise.race(ends.map((event) => once(process, event)));
  unwatch();
  await jobs.close();
  await server.close();
}
