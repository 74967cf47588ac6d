/** Threads of this process. */
import { type MessagePort, parentPort, Worker } from 'node:worker_threads';
import { isOfProcess } from './process.ts';

export interface Thread<Out> {
  post(message: Out): void;
  /** Ends the thread wherever it is, in `Atomics.wait` or in guest code as well. */
  terminate(): Promise<void>;
}

export interface ThreadEvents<In> {
  onMessage(message: In): void;
  /** The thread threw. It is gone. */
  onFailure(reason: string): void;
  /** The thread is gone, whatever the cause. */
  onExit(): void;
}

export interface ThreadOptions<In> extends ThreadEvents<In> {
  /** Cloned into the thread, which gets it from `threadData`; shared memory stays shared. */
  readonly data: unknown;
  /** Ports in `data`, which move into it. */
  readonly move?: readonly MessagePort[];
}

/** A thread that loads its program already, and waits for what to do. It keeps no process alive. */
export interface PreparedThread {
  begin<Out, In>(options: ThreadOptions<In>): Thread<Out>;
  /** It is not needed. */
  discard(): void;
}

/**
 * @param entry module that the thread runs, as a file URL
 * @param name shown by `top -H` where the system has room for it, and in messages
 */
export function prepareThread(entry: URL, name: string): PreparedThread {
  const worker = new Worker(entry, {
    name,
    // The thread's standard streams would come back through this thread; it has ports instead.
    stdin: false,
    execArgv: process.execArgv.filter((word) => !word.startsWith('--inspect') && !isOfProcess(word)),
  });
  let events: ThreadEvents<never> | undefined;
  const early: ((events: ThreadEvents<never>) => void)[] = [];
  const tell = (act: (events: ThreadEvents<never>) => void) => (events === undefined ? early.push(act) : act(events));
  worker.on('message', (message) => tell(({ onMessage }) => onMessage(message as never)));
  worker.on('messageerror', ({ message }) => tell(({ onFailure }) => onFailure(message)));
  worker.on('error', (error) =>
    tell(({ onFailure }) => onFailure(error instanceof Error ? (error.stack ?? error.message) : String(error))),
  );
  worker.on('exit', () => tell(({ onExit }) => onExit()));
  // Not before: listening takes hold of it again.
  worker.unref();
  return {
    discard: () => void worker.terminate(),
    begin: ({ data, move = [], ...rest }) => {
      events = rest as ThreadEvents<never>;
      worker.ref();
      worker.postMessage(data, [...move]);
      for (const act of early.splice(0)) act(events);
      return {
        post: (message) => worker.postMessage(message),
        terminate: async () => void (await worker.terminate()),
      };
    },
  };
}

/** Messages from the thread that started this one: the first is what `begin` was given. */
class Inbox {
  readonly first = Promise.withResolvers<unknown>();
  readonly #port: MessagePort;
  readonly #waiting: unknown[] = [];
  #handler: ((message: unknown) => void) | undefined;
  #begun = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message) => this.#take(message));
  }

  listen(handler: (message: unknown) => void): void {
    this.#port.ref();
    this.#handler = handler;
    for (const message of this.#waiting.splice(0)) handler(message);
  }

  #take(message: unknown): void {
    if (!this.#begun) {
      this.#begun = true;
      // A thread that listens no further ends when its work does.
      this.#port.unref();
      this.first.resolve(message);
    } else if (this.#handler === undefined) this.#waiting.push(message);
    else this.#handler(message);
  }
}

let inbox: Inbox | undefined;

function ownPort(): MessagePort {
  if (parentPort === null) throw new Error('only a thread has a parent');
  return parentPort;
}

/** What `begin` gives this thread, once it does. */
export function threadData(): Promise<unknown> {
  inbox ??= new Inbox(ownPort());
  return inbox.first.promise;
}

export interface ParentPort<Out, In> {
  /** `given` is not copied: it is the other thread's from then on. */
  post(message: Out, given?: readonly ArrayBuffer[]): void;
  onMessage(handler: (message: In) => void): void;
  /** Stop listening, so that the thread can end. */
  close(): void;
}

/** The other end of `begin`, inside the thread. */
export function parent<Out, In>(): ParentPort<Out, In> {
  const port = ownPort();
  return {
    post: (message, given = []) => port.postMessage(message, given),
    onMessage: (handler) => {
      inbox ??= new Inbox(port);
      inbox.listen(handler as (message: unknown) => void);
    },
    close: () => port.close(),
  };
}
