/**
 * `rootmode run --display window`: a window of its own for a machine that the command line runs. Part of the composition root
 * run-command.ts. The window is the program that shows a library: one with this machine alone, unless it belongs to the person's.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError } from './contract/errors.ts';
import type { MachineSettings } from './contract/settings.ts';
import { electronProgram } from './host/electron-program.ts';
import { lockFolder } from './manager/folder-lock.ts';
import { Library, libraryFolder } from './manager/library.ts';
import { type RunWords, storedSettings } from './servers/run-settings.ts';

export interface ShownMachine {
  readonly settings: MachineSettings;
  /** The folder of a machine that has one, and is locked already. */
  readonly folder: string | undefined;
  /** What the command line says of a machine that has none. */
  readonly words: RunWords;
}

export interface MachineWindow {
  /** Once the machine runs. */
  open(): void;
  /** The machine is gone, or was never made. */
  close(): void;
}

/** Everything that can fail, before the machine is made. Fails with `setting-invalid` for a machine that cannot be shown. */
export function prepareWindow({ settings, folder, words }: ShownMachine): MachineWindow {
  const refuse = (reason: string) => new EngineError('setting-invalid', { setting: '--display', value: 'window', reason });
  if (settings.vga === 'none') throw refuse('needs a display adapter: leave --vga none out');
  if (folder !== undefined && resolve(dirname(folder)) !== resolve(libraryFolder())) {
    throw refuse('shows machines of the library only');
  }
  const data = folder === undefined ? libraryOfOne(settings.name, words) : undefined;
  let child: ChildProcess | undefined;
  return {
    open: () => {
      child = startWindow(settings.name, data);
    },
    close: () => {
      child?.kill('SIGTERM');
      if (data !== undefined) rmSync(data, { recursive: true, force: true });
    },
  };
}

/** The folder of a library with a machine that this process runs. */
function libraryOfOne(name: string, words: RunWords): string {
  const data = mkdtempSync(join(tmpdir(), 'rootmode-window-'));
  try {
    const library = new Library(join(data, 'rootmode/machines'), () => new Date());
    const { folder } = library.create({ name, settings: { ...storedSettings(words), serial: 'console' } });
    lockFolder(folder, name);
    return data;
  } catch (failure) {
    rmSync(data, { recursive: true, force: true });
    throw failure;
  }
}

/** `data`: the folder of a library of its own. */
function startWindow(name: string, data: string | undefined): ChildProcess {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const electron = electronProgram(root);
  const env = data === undefined ? process.env : { ...process.env, XDG_DATA_HOME: data };
  // An instance with data of its own is no second window of one that runs.
  const own = data === undefined ? [] : [`--user-data-dir=${join(data, 'electron')}`];
  const [command, ...words] =
    electron === undefined
      ? [process.execPath, fileURLToPath(new URL('./cli.ts', import.meta.url)), 'serve', '--open', '--show', name]
      : [electron, root, ...own, `rootmode://machine/${name}`];
  // Standard output is the guest's. The channel closes with this process, however that ends: then a server ends too.
  const channel = electron === undefined ? (['ipc'] as const) : [];
  const child = spawn(command as string, words, { env, stdio: ['ignore', 'ignore', 'inherit', ...channel] });
  child.on('error', (cause) => process.stderr.write(`\nrootmode: ${name}: no window could be opened: ${cause.message}\n`));
  child.unref();
  child.channel?.unref();
  return child;
}
