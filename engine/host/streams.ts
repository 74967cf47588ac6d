/** Standard streams and files as the serial port's ends. They belong to one thread, which has an event loop. */
import {
  accessSync,
  constants,
  createReadStream,
  createWriteStream,
  type ReadStream as FileReadStream,
  fstatSync,
  openSync,
  statSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { finished, type Writable } from 'node:stream';
import { isatty, ReadStream, WriteStream } from 'node:tty';
import { EngineError } from '../base/errors.ts';
import { reasonOf } from './files.ts';

export interface ByteSink {
  /** Resolves once the host has the bytes. Rejects with `serial-closed` or `file-unwritable`. */
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** This process's standard output: a terminal, a pipe or a file. A reader that is slow delays `write`, nothing else. */
export function openStandardOutput(): ByteSink {
  const stat = fstatSync(1);
  let stream: Writable;
  if (isatty(1)) stream = new WriteStream(1);
  else if (stat.isFIFO() || stat.isSocket()) stream = new Socket({ fd: 1, readable: false, writable: true });
  else stream = createWriteStream('', { fd: 1, autoClose: false });
  return sinkOf(stream, (cause) => new EngineError('serial-closed', { reason: reasonOf(cause) }, { cause }));
}

/** A file that is created, or emptied when it exists; `add`: gone on with. `what` names its role in sentences. */
export function openOutputFile(path: string, what: string, { add = false } = {}): ByteSink {
  const refuse = (cause: unknown) => new EngineError('file-unwritable', { what, path, reason: reasonOf(cause) }, { cause });
  let fd: number;
  try {
    fd = openSync(path, add ? 'a' : 'w', 0o666);
  } catch (cause) {
    throw refuse(cause);
  }
  return sinkOf(createWriteStream('', { fd }), refuse);
}

/** Check that `openOutputFile` can open the file, before anything else is started. Creates nothing. */
export function checkOutputFile(path: string, what: string): void {
  try {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    if (there === undefined) accessSync(dirname(path), constants.W_OK | constants.X_OK);
    else accessSync(path, constants.W_OK);
  } catch (cause) {
    throw new EngineError('file-unwritable', { what, path, reason: reasonOf(cause) }, { cause });
  }
}

function sinkOf(stream: Writable, refuse: (cause: unknown) => EngineError): ByteSink {
  let failure: EngineError | undefined;
  stream.on('error', (cause) => {
    failure ??= refuse(cause);
  });
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) reject(failure);
        else stream.write(bytes, (cause) => (cause ? reject(refuse(cause)) : resolve()));
      }),
    close: () =>
      new Promise((resolve) => {
        if (failure !== undefined || stream.destroyed) resolve();
        else {
          // A terminal can be read as well, and its other half never ends.
          finished(stream, { readable: false }, () => resolve());
          stream.end();
        }
      }),
  };
}

export interface ByteSource {
  /** Whether a person types there. */
  readonly terminal: boolean;
  /** A terminal hands over each key at once and interprets none of them. Nothing happens where no terminal is. */
  setRaw(raw: boolean): void;
  pause(): void;
  resume(): void;
  close(): void;
}

export interface ByteSourceOptions {
  onBytes(bytes: Uint8Array): void;
  onEnd(): void;
}

/** This process's standard input. A closed one (`<&-`) ends at once. */
export function openStandardInput({ onBytes, onEnd }: ByteSourceOptions): ByteSource {
  let stream: ReadStream | Socket | FileReadStream;
  const terminal = isatty(0);
  try {
    stream = terminal ? new ReadStream(0) : standardInputWithoutTerminal();
  } catch {
    queueMicrotask(onEnd);
    return { terminal: false, setRaw: () => undefined, pause: () => undefined, resume: () => undefined, close: () => undefined };
  }
  let ended = false;
  const end = (): void => {
    if (!ended) onEnd();
    ended = true;
  };
  stream.on('data', onBytes);
  stream.on('end', end);
  stream.on('error', end); // a terminal that hung up reads as an error
  return {
    terminal,
    setRaw: (raw) => {
      if (stream instanceof ReadStream && !ended) stream.setRawMode(raw);
    },
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    close: () => {
      if (stream instanceof ReadStream && !ended) stream.setRawMode(false);
      ended = true;
      stream.destroy();
    },
  };
}

function standardInputWithoutTerminal(): Socket | FileReadStream {
  const stat = fstatSync(0);
  if (stat.isFIFO() || stat.isSocket()) return new Socket({ fd: 0, readable: true, writable: false });
  return createReadStream('', { fd: 0, autoClose: false });
}
