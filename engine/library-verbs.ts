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
import type { MachineSummary } from './contract/library-commands.ts';
import {
  libraryCreate,
  libraryExport,
  libraryImport,
  libraryList,
  libraryRemove,
  libraryRemoved,
  libraryRestore,
  libraryStart,
} from './contract/library-commands.ts';
import type { Dispatcher } from './contract/serve.ts';
import type { MachineSettings } from './contract/settings.ts';
import { variablesInFolder } from './firmware-variables.ts';
import { openInBrowser } from './host/browser.ts';
import { lockFolder } from './manager/folder-lock.ts';
import { Library, libraryFolder } from './manager/library.ts';
import { watchLibrary } from './manager/library-watch.ts';
import { FOLDER_SUFFIX, readMachineFile, runnableSettings } from './manager/machine-folder.ts';
import { createManagerDispatcher } from './manager/manager-commands.ts';
import { detachedEngine, type EngineProgram } from './manager/supervisor.ts';
import { welcome } from './manager/welcome.ts';
import { guestRuns } from './servers/engine-connection.ts';
import { libraryText } from './servers/library-text.ts';
import { type RunWords, storedSettings } from './servers/run-settings.ts';
import { type OutsideWords, outsideOf } from './servers/web/outside.ts';
import { readPages } from './servers/web/pages.ts';
import { serveWeb } from './servers/web/server.ts';

/** Settings of the machine in a folder, which stays locked until this process ends. */
export function takeMachine(folder: string): { readonly settings: MachineSettings; release(): void } {
  const settings = variablesInFolder(runnableSettings(folder, readMachineFile(folder)), folder);
  const release = lockFolder(folder, settings.name);
  return { settings, release: () => release(folder) };
}

const engineProgram: EngineProgram = {
  launch: detachedEngine([process.execPath, fileURLToPath(new URL('./cli.ts', import.meta.url)), 'run', '--machine']),
  isRunning: guestRuns,
  sleep: (milliseconds) => sleep(milliseconds),
};

function openLibrary(): { library: Library; manager: Dispatcher } {
  const library = new Library(libraryFolder(), () => new Date());
  return { library, manager: createManagerDispatcher(library, engineProgram) };
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
  await openLibrary().manager.call(libraryExport, { name, path: resolve(file) });
  return `Packed ${name} into ${file}. \`rootmode import ${file}\` takes it into a library.\n`;
}

export async function importMachine(path: string, name = basename(path, FOLDER_SUFFIX)): Promise<string> {
  const made = await openLibrary().manager.call(libraryImport, { path: resolve(path), to: name });
  return `Took ${made.name} into ${made.folder}. \`rootmode start ${made.name}\` starts it.\n`;
}

export interface ServeOptions extends OutsideWords {
  readonly port: string;
  /** Show it in the person's browser. */
  readonly open?: boolean;
}

/** Serve the window to a browser until a signal comes. */
export async function serve({ port, open = false, ...words }: ServeOptions, say: (text: string) => void): Promise<void> {
  const number = /^\d{1,5}$/.test(port) ? Number(port) : -1;
  if (number < 0 || number > 65535) {
    throw new EngineError('setting-invalid', { setting: '--port', value: port, reason: 'must be a number from 0 to 65535' });
  }
  const outside = outsideOf(words);
  const { library, manager } = openLibrary();
  welcome(library, fileURLToPath(new URL('../assets/guests/welcome.bin', import.meta.url)));
  const pages = readPages(fileURLToPath(new URL('../.out/renderer', import.meta.url)));
  const server = await serveWeb({ port: number, token: randomBytes(32).toString('base64url'), pages, manager, outside });
  const unwatch = watchLibrary(library, () => server.announce('library-changed', {}));
  say(`Rootmode is at ${server.url}\n`);
  if (open) openInBrowser(server.url);
  await Promise.race((['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => once(process, signal)));
  unwatch();
  await server.close();
}
