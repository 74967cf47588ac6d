/** The client's end of a command socket. */
import { createClient, type Transport } from '../contract/client.ts';
import { machineStatus } from '../contract/commands.ts';
import { EngineError } from '../contract/errors.ts';
import { WireEvent } from '../contract/events.ts';
import { maximumResponseBytes, WireGreeting, type WireRequest } from '../contract/wire.ts';
import { type Connection, connectOwned } from '../host/owned-socket.ts';
import { socketNames, socketPath } from '../host/runtime-directory.ts';
import { LineSplitter } from './lines.ts';

/** Longest time to wait for an answer, in seconds. */
const patience = 10;

export interface EngineConnection extends Transport {
  /** Events this connection subscribed to with `events-subscribe`. */
  onEvent(listener: (event: WireEvent) => void): void;
  /** The engine, or this end, closed the connection. */
  onClose(listener: () => void): void;
  close(): void;
}

/** Connect to the running machine `name`, which must be a valid machine name. Fails with `machine-not-running` or `socket-foreign`. */
export async function connectEngine(name: string): Promise<EngineConnection> {
  const connection = await connectOwned(socketPath(name));
  if (connection === undefined) throw new EngineError('machine-not-running', { name, running: await runningMachines() });
  return new Promise((resolve, reject) => {
    const client = new LineClient(name, connection, (failure) => (failure === undefined ? resolve(client) : reject(failure)));
  });
}

/** Whether the machine `name` answers and its guest runs. */
export async function guestRuns(name: string): Promise<boolean> {
  try {
    const connection = await connectEngine(name);
    try {
      return (await createClient([machineStatus], connection).machineStatus({})).status === 'running';
    } finally {
      connection.close();
    }
  } catch {
    return false;
  }
}

/** Names of machines that answer at their sockets; stale sockets are removed on the way. */
export async function runningMachines(): Promise<string[]> {
  const alive: string[] = [];
  for (const name of socketNames()) {
    const connection = await connectOwned(socketPath(name)).catch(() => undefined);
    if (connection !== undefined) alive.push(name);
    connection?.destroy();
  }
  return alive;
}

class LineClient implements EngineConnection {
  readonly #name: string;
  readonly #connection: Connection;
  #greeted: ((failure?: EngineError) => void) | undefined;
  #waiting = new Map<number, { resolve(answer: unknown): void; reject(failure: EngineError): void; timer: NodeJS.Timeout }>();
  readonly #events: ((event: WireEvent) => void)[] = [];
  readonly #closes: (() => void)[] = [];
  #next = 1;
  #closed = false;

  constructor(name: string, connection: Connection, greeted: (failure?: EngineError) => void) {
    this.#name = name;
    this.#connection = connection;
    this.#greeted = greeted;
    const lines = new LineSplitter({
      maximum: maximumResponseBytes,
      onLine: (line) => this.#receive(line),
      onOverflow: () => connection.destroy(),
    });
    const timer = setTimeout(() => this.#fail(this.#silence()), patience * 1000);
    connection.onBytes((bytes) => {
      clearTimeout(timer);
      lines.push(bytes);
    });
    connection.onClose(() => {
      clearTimeout(timer);
      this.#fail(new EngineError('connection-closed', { name }));
      for (const listener of this.#closes) listener();
    });
  }

  request(message: WireRequest): Promise<unknown> {
    if (this.#closed) return Promise.reject(new EngineError('connection-closed', { name: this.#name }));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(this.#silence()), patience * 1000);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#connection.write(`${JSON.stringify({ ...message, id })}\n`);
    });
  }

  onEvent(listener: (event: WireEvent) => void): void {
    this.#events.push(listener);
  }

  onClose(listener: () => void): void {
    this.#closes.push(listener);
  }

  close(): void {
    this.#closed = true;
    this.#connection.destroy();
  }

  #silence(): EngineError {
    return new EngineError('machine-not-answering', { name: this.#name, seconds: patience });
  }

  #receive(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.#connection.destroy();
      return;
    }
    if (this.#greeted !== undefined) {
      if (WireGreeting.safeParse(message).success) {
        const greeted = this.#greeted;
        this.#greeted = undefined;
        greeted();
      } else this.#connection.destroy();
      return;
    }
    const event = WireEvent.safeParse(message);
    if (event.success) {
      for (const listener of this.#events) listener(event.data);
      return;
    }
    const id = (message as { id?: unknown } | null)?.id;
    const waiting = typeof id === 'number' ? this.#waiting.get(id) : undefined;
    if (waiting === undefined) return;
    this.#waiting.delete(id as number);
    clearTimeout(waiting.timer);
    waiting.resolve(message);
  }

  #fail(failure: EngineError): void {
    this.#closed = true;
    this.#connection.destroy();
    this.#greeted?.(failure);
    this.#greeted = undefined;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(failure);
    }
    this.#waiting.clear();
  }
}
