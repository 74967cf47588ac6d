/**
 * A machine in one file, `NAME.rmvm`: its folder as a POSIX tar archive under Zstandard (RFC 8878). An archive stands for itself: what the
 * settings name elsewhere is packed with it, and what comes out of one names nothing outside of its folder. Archives are hostile.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { Header, Parser, type ReadEntry } from 'tar';
import { EngineError } from '../contract/errors.ts';
import { type MachineFile, maximumMachineFileBytes } from '../contract/machine-file.ts';
import { mapPaths } from '../contract/setting-paths.ts';
import { checkRegularFile, isRegularFile, reasonOf } from '../host/files.ts';
import { isBelow } from './copying.ts';
import { isLock } from './folder-lock.ts';
import { unwatched, type Work } from './jobs.ts';
import { MACHINE_FILE, readMachineFile } from './machine-folder.ts';
import { foreignBacking, outsideFiles } from './outside-files.ts';
import { dataIn } from './sparse.ts';

const BLOCK = 512;
/** Files of one machine. */
const MOST_FILES = 10_000;

/** What is packed under a name of the archive: a file of the host, or the text of `machine.json`. */
type Member = { readonly name: string } & ({ readonly path: string } | { readonly text: string });

/** Pack the machine in `folder`, which must not run, into the file `to`; a file of that name is replaced when all is well. */
export async function packMachine(folder: string, to: string, work: Work = unwatched): Promise<void> {
  const own = `${to}.${randomUUID()}`;
  try {
    const members = membersOf(folder);
    const total = members.reduce((sum, member) => sum + sizeOf(member), 0);
    await pipeline(
      Readable.from(counted(tarOf(members), { total, report: work.report })),
      createZstdCompress(),
      createWriteStream(own, { flags: 'wx' }),
      { signal: work.signal },
    );
    work.signal.throwIfAborted();
    renameSync(own, to);
  } catch (cause) {
    rmSync(own, { force: true });
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('file-unwritable', { what: 'machine archive', path: to, reason: reasonOf(cause) }, { cause });
  }
}

const sizeOf = (member: Member): number => ('text' in member ? Buffer.byteLength(member.text) : lstatSync(member.path).size);

/** The same bytes, told of as they go by. */
async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  { total, report }: { readonly total: number } & Pick<Work, 'report'>,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  report({ done, total });
  for await (const chunk of chunks) {
    yield chunk;
    done += chunk.length;
    report({ done: Math.min(done, total) });
  }
}

function membersOf(folder: string): Member[] {
  const members: Member[] = [];
  const taken = new Set<string>([MACHINE_FILE]);
  for (const path of filesBelow(folder)) {
    const name = relative(folder, path).split(sep).join('/');
    if (name === MACHINE_FILE || isLock(path)) continue;
    taken.add(name);
    members.push({ name, path });
  }
  const elsewhere = new Map<string, string>();
  const file = readMachineFile(folder);
  const inside = (path: string): string => {
    const at = resolve(folder, path);
    if (isBelow(folder, at)) return relative(folder, at).split(sep).join('/');
    const known = elsewhere.get(at);
    if (known !== undefined) return known;
    const name = freeName(basename(at), taken);
    taken.add(name);
    elsewhere.set(at, name);
    return name;
  };
  const settings = mapPaths(file.settings, inside);
  for (const [path, name] of elsewhere) {
    // What a guest would write to is made when it does.
    if (isOutput(file, folder, path) && !isRegularFile(path)) continue;
    checkRegularFile(path, `machine's file ${name}`);
    members.push({ name, path });
  }
  for (const member of members) {
    if ('text' in member) continue;
    const backing = foreignBacking(member.path, folder);
    if (backing === undefined) continue;
    const reason = `it stands on ${backing}, which stays behind; \`rootmode image convert\` makes one file of both`;
    throw new EngineError('machine-unportable', { path: member.path, reason });
  }
  const text = `${JSON.stringify({ ...file, settings }, undefined, 2)}\n`;
  return [{ name: MACHINE_FILE, text }, ...members];
}

/** Serial and parallel ports write to their files. */
const isOutput = ({ settings }: MachineFile, folder: string, path: string): boolean =>
  [settings.serial, settings.serialLog, settings.serial2, settings.serial2Log, settings.parallel].some(
    (target) => target.startsWith('file:') && resolve(folder, target.slice('file:'.length)) === path,
  );

function freeName(wanted: string, taken: ReadonlySet<string>): string {
  const extension = extname(wanted);
  const stem = wanted.slice(0, wanted.length - extension.length);
  for (let count = 1; ; count++) {
    const name = count === 1 ? wanted : `${stem}-${count}${extension}`;
    if (!taken.has(name)) return name;
  }
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
  });
}

async function* tarOf(members: readonly Member[]): AsyncGenerator<Uint8Array> {
  for (const member of members) {
    const bytes = 'text' in member ? Buffer.from(member.text) : undefined;
    const size = sizeOf(member);
    yield headerOf(member.name, size);
    if (bytes !== undefined) yield bytes;
    else yield* exactly((member as { path: string }).path, size);
    if (size % BLOCK !== 0) yield new Uint8Array(BLOCK - (size % BLOCK));
  }
  yield new Uint8Array(2 * BLOCK);
}

function headerOf(path: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const header = new Header({ path, size, mode: 0o644, uid: 0, gid: 0, type: 'File', mtime: new Date(0) });
  if (header.encode(block, 0)) throw new EngineError('machine-unportable', { path, reason: 'its name is too long; rename it' });
  return block;
}

/** The first `size` bytes of a file, and zeros where it has become shorter. */
async function* exactly(path: string, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  if (size > 0)
    for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 1 << 20 })) {
      left -= (chunk as Uint8Array).length;
      yield chunk as Uint8Array;
    }
  for (; left > 0; left -= Math.min(left, 1 << 20)) yield new Uint8Array(Math.min(left, 1 << 20));
}

/** Unpack an archive into the new folder `into`. What was made before a failure is left for the caller to remove. */
export async function unpackMachine(archive: string, into: string, work: Work = unwatched): Promise<void> {
  const total = checkRegularFile(archive, 'machine archive');
  const refuse = (reason: string, cause?: unknown): EngineError =>
    new EngineError('machine-archive', { path: archive, reason }, { cause });
  mkdirSync(into, { mode: 0o755 });
  let failure: unknown;
  let files = 0;
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      try {
        files++;
        if (files > MOST_FILES) throw refuse(`it holds more than ${MOST_FILES} files`);
        unpackEntry(entry, into, (reason) => refuse(reason));
      } catch (cause) {
        failure ??= cause;
        entry.resume();
      }
    },
  });
  const parsed = new Promise<void>((done, reject) => {
    parser.on('end', done);
    parser.on('error', reject);
  });
  parsed.catch(() => undefined);
  try {
    const packed = counted(createReadStream(archive) as AsyncIterable<Uint8Array>, { total, report: work.report });
    await pipeline(
      Readable.from(packed),
      createZstdDecompress(),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          parser.write(chunk);
          if (failure !== undefined) throw failure;
        }
      },
      { signal: work.signal },
    );
    parser.end();
    await parsed;
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    if ((cause as { syscall?: string }).syscall !== undefined)
      throw new EngineError('file-unwritable', { what: 'machine folder', path: into, reason: reasonOf(cause) }, { cause });
    throw refuse('it is damaged or no archive of a machine', cause);
  }
  if (failure !== undefined) throw failure;
  work.signal.throwIfAborted();
  checkContent(into, archive);
}

type Refusal = (reason: string) => EngineError;

/** Files only, below the folder, each once. */
function unpackEntry(entry: ReadEntry, into: string, refuse: Refusal): void {
  if (entry.type === 'Directory') {
    entry.resume();
    return;
  }
  if (entry.type !== 'File' && entry.type !== 'OldFile') throw refuse(`${entry.path} is a ${entry.type}, not a file`);
  const at = resolve(into, entry.path);
  if (!isBelow(into, at) || isLock(at) || entry.path.includes('\0')) throw refuse(`it holds a file named ${entry.path}`);
  if (at === join(into, MACHINE_FILE) && entry.size > maximumMachineFileBytes) throw refuse(`its ${MACHINE_FILE} is too large`);
  mkdirSync(dirname(at), { recursive: true });
  const file = openSync(at, 'wx', 0o644);
  let offset = 0;
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(file);
    isOpen = false;
  };
  entry.on('data', (chunk: Buffer) => {
    try {
      writeSparse(file, chunk, offset);
    } catch (cause) {
      close();
      throw cause;
    }
    offset += chunk.length;
  });
  entry.on('end', () => {
    if (isOpen) ftruncateSync(file, offset);
    close();
  });
}

/** Zeros stay holes: the file is new, and gets its length at the end. */
function writeSparse(file: number, chunk: Buffer, offset: number): void {
  for (const [start, end] of dataIn(chunk, offset))
    for (let at = start; at < end; ) at += writeSync(file, chunk, at, end - at, offset + at);
}

/** Whoever made the archive must not get at files of this computer through it, and nobody is asked: an archive holds what it names. */
function checkContent(folder: string, archive: string): void {
  const files = outsideFiles(folder);
  if (files.length > 0) throw new EngineError('machine-outside', { path: archive, files, archive: true });
}
