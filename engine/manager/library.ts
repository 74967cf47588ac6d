/**
 * The library: machine folders below one folder, made and removed atomically. Several managers and command lines may use it at once; the
 * disk is the only truth, so nothing is cached. Machines that run are locked (`folder-lock.ts`) and refuse to be changed or moved.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, isAbsolute, join, relative, resolve } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import type { MachineFile, MachineNotes, StoredSettings } from '../contract/machine-file.ts';
import { firstProblem, printable } from '../contract/problem-text.ts';
import { mapPaths } from '../contract/setting-paths.ts';
import { MachineName } from '../contract/settings.ts';
import { codeOf, isRegularFile, reasonOf } from '../host/files.ts';
import { processStart } from '../host/process.ts';
import { copyFolder, isBelow, makeFilled } from './copying.ts';
import { isLock, lockFolder, lockHolder, lockState } from './folder-lock.ts';
import { unwatched, type Work } from './jobs.ts';
import { packMachine, unpackMachine } from './machine-archive.ts';
import { FOLDER_SUFFIX, nameOfFolder, readMachineFile, synchronizeFolder, writeMachineFile } from './machine-folder.ts';
import { outsideFiles } from './outside-files.ts';

/** Removed machines wait here for a change of mind. */
const TRASH = '.removed';

/** A machine of the library; `problem` instead of `file` when its machine.json cannot be used. */
export type LibraryEntry = {
  readonly name: string;
  readonly folder: string;
  readonly pid: number | undefined;
  readonly crashed: boolean;
  readonly busy: boolean;
} & ({ readonly file: MachineFile } | { readonly problem: EngineError });

export interface RemovedMachine {
  /** Names it for `restore` and `forget`. */
  readonly token: string;
  readonly name: string;
}

/** `$XDG_DATA_HOME/rootmode/machines`, by the XDG base directory specification `~/.local/share` where the variable is not set. */
export function libraryFolder(): string {
  const data = process.env.XDG_DATA_HOME;
  const base = data !== undefined && isAbsolute(data) ? data : join(homedir(), '.local', 'share');
  return join(base, 'rootmode', 'machines');
}

export interface NewMachine extends Partial<MachineNotes> {
  readonly name: string;
  readonly settings: StoredSettings;
  /** Files that are copied into its folder, by their names there. */
  readonly files?: Readonly<Record<string, string>>;
  readonly emptyDisks?: readonly EmptyDisk[];
}

interface EmptyDisk {
  readonly file: string;
  readonly bytes: number;
  /** All of its room is taken on the host: only `createFilled` does that. */
  readonly preallocate?: boolean;
}

type OrNull<T> = { readonly [K in keyof T]?: T[K] | null | undefined };
/** Whoever makes it has checked it: settings that must be there are never null. */
export type MachineChange = OrNull<MachineNotes> & { readonly settings?: OrNull<StoredSettings> };

function merged<T extends object>(before: T, change: OrNull<T>): T {
  return Object.fromEntries(Object.entries({ ...before, ...change }).filter(([, value]) => value !== null)) as T;
}

export class Library {
  readonly root: string;
  readonly #now: () => Date;
  readonly #listed = new Set<string>();

  /** Makes the folder when it is missing. Fails with `library-folder`. */
  constructor(root: string, now: () => Date) {
    this.root = root;
    this.#now = now;
    try {
      mkdirSync(join(root, TRASH), { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new EngineError('library-folder', { path: root, reason: `cannot be made (${reasonOf(cause)})` }, { cause });
    }
    removeAbandoned(root);
  }

  /** Every machine, by name. A damaged one is listed with its problem and harms no other. */
  list(): LibraryEntry[] {
    const entries = this.#folders(this.root).map((name) => this.#entry(name));
    this.#listed.add(runningOf(entries));
    return entries;
  }

  /** What answers of `list` said of who runs, each once, since this was asked last; as `runningOf` writes it. */
  takeListed(): string[] {
    const answers = [...this.#listed];
    this.#listed.clear();
    return answers;
  }

  /** Who runs which machine, without a look at what the machines are. */
  running(): { readonly name: string; readonly pid: number }[] {
    return this.#folders(this.root).flatMap((name) => {
      const pid = lockHolder(this.#folder(name));
      return pid === undefined ? [] : [{ name, pid }];
    });
  }

  /** Fails with `machine-unknown`. */
  entry(name: string): LibraryEntry {
    this.#existing(name);
    return this.#entry(name);
  }

  /** Fails with `machine-exists`, `setting-invalid` or `file-unwritable`; then nothing is left behind. */
  create({ name, files = {}, emptyDisks = [], ...said }: NewMachine): LibraryEntry {
    this.#make(name, (folder) => {
      mkdirSync(folder, { mode: 0o755 });
      for (const [own, from] of Object.entries(files)) copyFileSync(from, join(folder, own));
      for (const disk of emptyDisks) makeSparseFile(join(folder, disk.file), disk.bytes);
      writeMachineFile(folder, this.#newFile(said));
    });
    return this.#entry(name);
  }

  /** The same, with disks that take their room now, which takes long. */
  async createFilled({ name, emptyDisks = [], ...said }: NewMachine, work: Work): Promise<LibraryEntry> {
    return this.#bring(name, async (folder) => {
      mkdirSync(folder, { mode: 0o755 });
      const found = emptyDisks.map(({ file, bytes, preallocate }) => ({ path: join(folder, file), bytes, preallocate }));
      for (const { path, bytes } of found.filter(({ preallocate }) => !preallocate)) makeSparseFile(path, bytes);
      await makeFilled(
        found.filter(({ preallocate }) => preallocate),
        work,
      );
      writeMachineFile(folder, this.#newFile(said));
    });
  }

  #newFile(said: Omit<NewMachine, 'name' | 'emptyDisks' | 'files'>): MachineFile {
    const id = randomUUID();
    return { format: 'rootmode-machine', version: 1, id, created: this.#now().toISOString(), notes: '', tags: [], ...said };
  }

  /** Change settings or notes of a machine that does not run; what is not named stays, what is null goes. */
  change(name: string, change: MachineChange): LibraryEntry {
    this.#locked(name, (folder) => {
      const file = readMachineFile(folder);
      const settings = merged(file.settings, change.settings ?? {});
      writeMachineFile(folder, merged(file, { ...change, settings }));
      return folder;
    });
    return this.#entry(name);
  }

  rename(name: string, to: string): LibraryEntry {
    const target = this.#free(to);
    this.#locked(name, (folder) => this.#move(folder, target, to));
    return this.#entry(to);
  }

  /** Copy a machine that does not run, disks included. Made beside the others first, so that a stop in the middle leaves no half machine. */
  async copy(name: string, to: string, work: Work = unwatched): Promise<LibraryEntry> {
    return this.#copyFolder(this.#existing(name), to, { work, allowOutside: true });
  }

  /**
   * Copy a machine folder that lies elsewhere, or unpack an archive. Fails with `machine-folder` or `machine-archive` when it is none, and
   * with `machine-outside` when it names files outside of itself; a folder may be allowed to.
   */
  async import(path: string, to: string, { work = unwatched, allowOutside = false } = {}): Promise<LibraryEntry> {
    if (isRegularFile(path)) return this.#bring(to, (temporary) => unpackMachine(path, temporary, work));
    const files = allowOutside ? [] : outsideFiles(path);
    if (files.length > 0) throw new EngineError('machine-outside', { path, files, archive: false });
    return this.#copyFolder(path, to, { work, allowOutside });
  }

  /** Pack a machine that does not run into the file `to`, with everything its settings name. Fails with `machine-archive`. */
  async export(name: string, to: string, work: Work = unwatched): Promise<void> {
    const folder = this.#existing(name);
    const release = lockFolder(folder, name, 'copy');
    try {
      await packMachine(folder, to, work);
    } finally {
      release(folder);
    }
  }

  async #copyFolder(folder: string, to: string, how: { work: Work; allowOutside: boolean }): Promise<LibraryEntry> {
    const release = lockWhereOneCan(folder);
    try {
      return await this.#bring(to, async (temporary) => {
        await copyFolder(folder, temporary, { skip: isLock, work: how.work });
        const file = readMachineFile(temporary);
        writeMachineFile(temporary, { ...file, settings: movedPaths(file.settings, folder) });
        // Once more: what lies elsewhere may have changed while it was copied.
        const files = how.allowOutside ? [] : outsideFiles(temporary);
        if (files.length > 0) throw new EngineError('machine-outside', { path: folder, files, archive: false });
      });
    } finally {
      release(folder);
    }
  }

  /** A machine of another folder becomes one of its own here. */
  async #bring(to: string, fill: (temporary: string) => Promise<void>): Promise<LibraryEntry> {
    this.#free(to);
    const temporary = join(this.root, unfinishedName());
    try {
      await fill(temporary);
      writeMachineFile(temporary, { ...readMachineFile(temporary), id: randomUUID(), created: this.#now().toISOString() });
      this.#move(temporary, this.#free(to), to);
    } catch (cause) {
      rmSync(temporary, { recursive: true, force: true });
      throw refusal(cause, to);
    }
    return this.#entry(to);
  }

  /** Put a machine that does not run away. It comes back by `restore` until `forget`. */
  remove(name: string): RemovedMachine {
    const token = `${name}.${randomUUID()}`;
    this.#locked(name, (folder) => this.#move(folder, join(this.root, TRASH, token + FOLDER_SUFFIX), name));
    return { token, name };
  }

  removed(): RemovedMachine[] {
    return readdirSync(join(this.root, TRASH))
      .filter((file) => file.endsWith(FOLDER_SUFFIX))
      .map((file) => file.slice(0, -FOLDER_SUFFIX.length))
      .map((token) => ({ token, name: token.slice(0, token.lastIndexOf('.')) }))
      .filter(({ name }) => MachineName.safeParse(name).success);
  }

  /** Fails with `machine-unknown`, or `machine-exists` when its name has been given again. */
  restore(token: string): LibraryEntry {
    const { name } = this.#removed(token);
    this.#move(this.#trashed(token), this.#free(name), name);
    return this.#entry(name);
  }

  /** Delete a removed machine and all its files for good. */
  forget(token: string): void {
    this.#removed(token);
    rmSync(this.#trashed(token), { recursive: true, force: true });
  }

  #entry(name: string): LibraryEntry {
    const folder = this.#folder(name);
    const common = { name, folder, ...lockState(folder) };
    try {
      return { ...common, file: readMachineFile(folder) };
    } catch (problem) {
      if (problem instanceof EngineError) return { ...common, problem };
      throw problem;
    }
  }

  #folders(root: string): string[] {
    try {
      return readdirSync(root, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => nameOfFolder(entry.name))
        .filter((name) => name !== undefined)
        .sort();
    } catch (cause) {
      throw new EngineError('library-folder', { path: root, reason: `cannot be read (${reasonOf(cause)})` }, { cause });
    }
  }

  #folder(name: string): string {
    const parsed = MachineName.safeParse(name);
    if (!parsed.success) {
      const reason = firstProblem(parsed.error);
      throw new EngineError('setting-invalid', { setting: 'The name of a machine', value: printable(name), reason });
    }
    return join(this.root, parsed.data + FOLDER_SUFFIX);
  }

  #existing(name: string): string {
    const folder = this.#folder(name);
    if (!existsSync(folder)) throw new EngineError('machine-unknown', { name });
    return folder;
  }

  #free(name: string): string {
    const folder = this.#folder(name);
    if (existsSync(folder)) throw new EngineError('machine-exists', { name });
    return folder;
  }

  #make(name: string, fill: (folder: string) => void): void {
    const target = this.#free(name);
    const temporary = join(this.root, unfinishedName());
    try {
      fill(temporary);
      this.#move(temporary, target, name);
    } catch (cause) {
      rmSync(temporary, { recursive: true, force: true });
      throw refusal(cause, name);
    }
  }

  /** Renaming a folder onto one that holds something fails: of two that want a name, one gets it. */
  #move(from: string, to: string, name: string): string {
    try {
      renameSync(from, to);
    } catch (cause) {
      if (['EEXIST', 'ENOTEMPTY', 'EPERM'].includes(codeOf(cause))) throw new EngineError('machine-exists', { name }, { cause });
      throw new EngineError('file-unwritable', { what: 'machine folder', path: to, reason: reasonOf(cause) }, { cause });
    }
    synchronizeFolder(this.root);
    return to;
  }

  /** `act` returns where the folder is afterwards. */
  #locked(name: string, act: (folder: string) => string): void {
    const folder = this.#existing(name);
    const release = lockFolder(folder, name);
    let now = folder;
    try {
      now = act(folder);
    } finally {
      release(now);
    }
  }

  #removed(token: string): RemovedMachine {
    const found = this.removed().find((one) => one.token === token);
    if (found === undefined) throw new EngineError('machine-unknown', { name: printable(token) });
    return found;
  }

  #trashed(token: string): string {
    return join(this.root, TRASH, token + FOLDER_SUFFIX);
  }
}

/** Who runs which machine, as one word that changes when that does. */
export const runningOf = (machines: readonly { readonly name: string; readonly pid: number | undefined }[]): string =>
  machines.flatMap(({ name, pid }) => (pid === undefined ? [] : [`${name}:${pid}`])).join();

/** Names what is not whole yet, and the process that works on it. */
const unfinishedName = (): string => `.new-${process.pid}-${processStart(process.pid) ?? ''}-${randomUUID()}`;
const UNFINISHED = /^\.new-(\d+)-(\d*)-[0-9a-f-]{36}$/;

/** What processes that were killed left unfinished. */
function removeAbandoned(root: string): void {
  for (const name of readdirSync(root)) {
    const [, pid, start] = UNFINISHED.exec(name) ?? [];
    if (pid === undefined || start === undefined) continue;
    const now = processStart(Number(pid));
    if (now === undefined || (start !== '' && now !== '' && now !== start))
      rmSync(join(root, name), { recursive: true, force: true });
  }
}

/** Nobody can run a machine where nobody can write a lock. */
function lockWhereOneCan(folder: string): (folderNow: string) => void {
  try {
    return lockFolder(folder, basename(folder, FOLDER_SUFFIX), 'copy');
  } catch (failure) {
    if (failure instanceof EngineError && failure.code === 'file-unwritable') return () => undefined;
    throw failure;
  }
}

/** Settings as they are right in another folder: what lay in `from` by its place there, everything else by its whole path. */
function movedPaths(settings: StoredSettings, from: string): StoredSettings {
  const folder = resolve(from);
  return mapPaths(settings, (path) => {
    const at = resolve(folder, path);
    return isBelow(folder, at) ? relative(folder, at) : at;
  });
}

/** A file of zeros that takes no room until somebody writes into it. */
function makeSparseFile(path: string, bytes: number): void {
  const file = openSync(path, 'wx', 0o644);
  try {
    ftruncateSync(file, bytes);
  } finally {
    closeSync(file);
  }
}

function refusal(cause: unknown, name: string): unknown {
  if (cause instanceof EngineError) return cause;
  return new EngineError('file-unwritable', { what: 'machine folder', path: name, reason: reasonOf(cause) }, { cause });
}
