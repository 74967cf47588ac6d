/** Threads of this process. */
import { isMainThread, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads';

export interface Thread<Out> {
  post(message: Out): void;
  /** Ends the thread wherever it is, in `Atomics.wait` or in guest code as well. */
  terminate(): Promise<void>;
}

export interface ThreadOptions<In> {
  /** Module that the thread runs, as a file URL. */
  readonly entry: URL;
  /** Shown by `top -H` where the system has room for it, and in messages. */
  readonly name: string;
  /** Cloned into the thread; shared memory stays shared. */
  readonly data: unknown;
  /** Ports in `data`, which move into it. */
  readonly move?: readonly MessagePort[];
  onMessage(message: In): void;
  /** The thread threw. It is gone. */
  onFailure(reason: string): void;
  /** The thread is gone, whatever the cause. */
  onExit(): void;
}

export function startThread<Out, In>(options: ThreadOptions<In>): Thread<Out> {
  const worker = new Worker(options.entry, {
    name: options.name,
    workerData: options.data,
    transferList: [...(options.move ?? [])],
    // The thread's standard streams would come back through this thread; it has ports instead.
    stdin: false,
    execArgv: process.execArgv.filter((word) => !word.startsWith('--inspect')),
  });
  worker.on('message', options.onMessage);
  worker.on('messageerror', (error) => options.onFailure(error.message));
  worker.on('error', (error) => options.onFailure(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  worker.on('exit', options.onExit);
  return {
    post: (message) => worker.postMessage(message),
    terminate: async () => void (await worker.terminate()),
  };
}

/** What this thread was started with, or `undefined` in the first thread of a process. */
export function threadData(): unknown {
  return isMainThread ? undefined : workerData;
}

export interface ParentPort<Out, In> {
  /** `given` is not copied: it is the other thread's from then on. */
  post(message: Out, given?: readonly ArrayBuffer[]): void;
  onMessage(handler: (message: In) => void): void;
  /** Stop listening, so that the thread can end. */
  close(): void;
}

/** The other end of `startThread`, inside the thread. */
export function parent<Out, In>(): ParentPort<Out, In> {
  const port = parentPort;
  if (port === null) throw new Error('only a thread has a parent');
  return {
    post: (message, given = []) => port.postMessage(message, given),
    onMessage: (handler) => void port.on('message', handler),
    close: () => port.close(),
  };
}
