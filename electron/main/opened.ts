/** Machines that the desktop hands over: an archive or a machine folder that somebody has opened. */
import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { EngineError } from '../../engine/contract/errors.ts';
import { libraryImport } from '../../engine/contract/library-commands.ts';
import type { Dispatcher } from '../../engine/contract/serve.ts';
import { MachineName } from '../../engine/contract/settings.ts';
import type { Library } from '../../engine/manager/library.ts';
import { FOLDER_SUFFIX, nameOfFolder } from '../../engine/manager/machine-folder.ts';
import type { OutsideFile } from '../../engine/manager/outside-files.ts';

/** The machine that a word of a command line names, as an absolute path; `folder`: where relative ones begin. */
export function machineFileOf(word: string, folder: string): string | undefined {
  if (word.startsWith('-') || !word.endsWith(FOLDER_SUFFIX)) return undefined;
  const path = resolve(folder, word);
  return existsSync(path) ? path : undefined;
}

export interface TakeInParts {
  readonly library: Library;
  readonly manager: Dispatcher;
  /** Whether a person takes in a folder that names these files outside of itself. */
  trusts(files: readonly OutsideFile[]): boolean;
}

/** Name of that machine in the library, which takes a copy of what lies elsewhere. Fails as `library-import` does. */
export async function takeIn({ library, manager, trusts }: TakeInParts, path: string): Promise<string> {
  const own = dirname(path) === resolve(library.root) ? nameOfFolder(path) : undefined;
  if (own !== undefined) return own;
  const wanted = { path, to: freeName(library, path) };
  try {
    return (await manager.call(libraryImport, wanted)).name;
  } catch (failure) {
    if (!(failure instanceof EngineError) || failure.code !== 'machine-outside') throw failure;
    const { files, archive } = (failure as EngineError<'machine-outside'>).data;
    if (archive || !trusts(files)) throw failure;
    return (await manager.call(libraryImport, { ...wanted, allowOutside: true })).name;
  }
}

/** The file's name where that can be a machine's and is free, otherwise with a number. */
function freeName(library: Library, path: string): string {
  const wanted = basename(path, FOLDER_SUFFIX)
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .slice(0, 40);
  const stem = MachineName.safeParse(wanted).success ? wanted : 'machine';
  const taken = new Set(library.list().map(({ name }) => name));
  for (let count = 1; ; count++) {
    const name = count === 1 ? stem : `${stem}-${count}`;
    if (!taken.has(name)) return name;
  }
}
