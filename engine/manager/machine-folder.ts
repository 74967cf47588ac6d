/** One machine folder on disk: `NAME.rmvm/` with `machine.json` and whatever belongs to the machine. */
import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { MachineFile, maximumMachineFileBytes } from '../contract/machine-file.ts';
import { firstProblem } from '../contract/problem-text.ts';
import { mapPaths } from '../contract/setting-paths.ts';
import { MachineName, type MachineSettings } from '../contract/settings.ts';
import { codeOf, reasonOf } from '../host/files.ts';

export const FOLDER_SUFFIX = '.rmvm';
export const MACHINE_FILE = 'machine.json';

/** Name of the machine in a folder of this path, or `undefined` when it is no machine folder's. */
export function nameOfFolder(path: string): string | undefined {
  const base = basename(path);
  if (!base.endsWith(FOLDER_SUFFIX)) return undefined;
  const name = base.slice(0, -FOLDER_SUFFIX.length);
  return MachineName.safeParse(name).success ? name : undefined;
}

/** Read `machine.json`. Fails with `machine-folder`, naming the first thing that is wrong; the file is left as it is. */
export function readMachineFile(folder: string): MachineFile {
  const path = join(folder, MACHINE_FILE);
  const refuse = (reason: string, cause?: unknown): never => {
    throw new EngineError('machine-folder', { path, reason }, { cause });
  };
  let text = '';
  try {
    const { size } = statSync(path);
    if (size > maximumMachineFileBytes) refuse(`it has ${size} bytes, more than ${maximumMachineFileBytes}`);
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    refuse(codeOf(cause) === 'ENOENT' ? 'it is missing' : reasonOf(cause), cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    refuse('it is not JSON', cause);
  }
  const version = (value as { version?: unknown } | null)?.version;
  if (typeof version === 'number' && version > 1) refuse(`it has version ${version}, and this program knows version 1`);
  const parsed = MachineFile.safeParse(value);
  return parsed.success ? parsed.data : refuse(firstProblem(parsed.error));
}

/** Replace `machine.json` whole: after a crash or with a full disk there is the old one or the new one, never a part. */
export function writeMachineFile(folder: string, content: MachineFile): void {
  const path = join(folder, MACHINE_FILE);
  const own = `${path}.${randomUUID()}`;
  try {
    const file = openSync(own, 'wx', 0o644);
    try {
      writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(own, path);
    synchronizeFolder(folder);
  } catch (cause) {
    rmSync(own, { force: true });
    throw new EngineError('file-unwritable', { what: 'machine file', path, reason: reasonOf(cause) }, { cause });
  }
}

/** The settings to run with: the name is the folder's, relative paths start there. */
export function runnableSettings(folder: string, { settings }: MachineFile): MachineSettings {
  const name = nameOfFolder(folder);
  if (name === undefined) {
    throw new EngineError('machine-folder', { path: folder, reason: `it is no folder named NAME${FOLDER_SUFFIX}` });
  }
  return { ...mapPaths(settings, (path) => resolve(folder, path)), name };
}

/** Make names that were made or moved in a folder last through a loss of power; a system that cannot is left alone. */
export function synchronizeFolder(folder: string): void {
  let file: number;
  try {
    file = openSync(folder, 'r');
  } catch {
    return;
  }
  try {
    fsyncSync(file);
  } catch {
    // Windows and some network file systems have no such thing.
  } finally {
    closeSync(file);
  }
}
