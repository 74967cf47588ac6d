/**
 * One window's end, whatever carries its messages: a message that names a machine goes to that machine's engine, any other to the
 * manager. Answers bear the id of their request; events come unasked, with the machine that tells them.
 */
import { EngineError } from '../contract/errors.ts';
import { ScreenRecordCutter } from '../contract/screen-record.ts';
import { screenStream } from '../contract/screen-stream.ts';
import { type Dispatcher, toWire } from '../contract/serve.ts';
import { MachineName } from '../contract/settings.ts';
import { WireRequest } from '../contract/wire.ts';
import { connectEngine, type EngineConnection } from './engine-connection.ts';
import { openScreenStream, type ScreenStream } from './screen-stream.ts';

/** Requests of one window that may wait for their answers. */
const maximumPending = 256;

export interface WindowPeerOptions {
  readonly manager: Dispatcher;
  send(message: unknown): void;
  /**
   * A record of the screen that the request of this id asked for with `screen-stream`. Absent where pictures take another way; a message
   * `{"close": ID}` ends such a stream.
   */
  sendRecord?(id: number, record: Uint8Array): void;
}

/** Screens that one window may look at. */
const maximumStreams = 16;

export class WindowPeer {
  readonly #options: WindowPeerOptions;
  readonly #engines = new Map<string, Promise<EngineConnection>>();
  readonly #streams = new Map<number, Promise<ScreenStream | undefined>>();
  #pending = 0;

  constructor(options: WindowPeerOptions) {
    this.#options = options;
  }

  /** Take one message as text. False when too many wait already: cut the window off. */
  receive(text: string): boolean {
    if (this.#pending >= maximumPending) return false;
    this.#pending++;
    void this.#serve(text).then((answer) => {
      this.#pending--;
      this.#options.send(answer);
    });
    return true;
  }

  /** The window is gone. */
  close(): void {
    for (const engine of this.#engines.values()) void engine.then((connection) => connection.close()).catch(() => undefined);
    this.#engines.clear();
    for (const stream of this.#streams.values()) void stream.then((open) => open?.close());
    this.#streams.clear();
  }

  async #serve(text: string): Promise<unknown> {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return { error: toWire(new EngineError('message-invalid', { reason: 'it is not JSON' })) };
    }
    if (typeof message === 'object' && message !== null && 'close' in message) return this.#closeStream(message.close);
    const { to, ...request } = (typeof message === 'object' && message !== null ? message : {}) as { to?: unknown };
    if (to === undefined) return this.#options.manager.dispatch(message);
    const id = (request as { id?: unknown }).id;
    const tag = typeof id === 'number' || typeof id === 'string' ? { id } : {};
    try {
      const name = MachineName.safeParse(to);
      const parsed = WireRequest.safeParse(request);
      if (!name.success || !parsed.success) throw new EngineError('message-invalid', { reason: 'it is no request to a machine' });
      if (parsed.data.execute === screenStream.name) return { ...(await this.#openStream(name.data, parsed.data.id)), ...tag };
      const { id: _id, ...forEngine } = parsed.data;
      const engine = await this.#engine(name.data);
      return { ...((await engine.request(forEngine)) as object), ...tag };
    } catch (error) {
      return { error: toWire(error), ...tag };
    }
  }

  async #openStream(name: string, id: unknown): Promise<{ return: Record<string, never> }> {
    const { sendRecord } = this.#options;
    if (sendRecord === undefined || typeof id !== 'number' || this.#streams.has(id) || this.#streams.size >= maximumStreams) {
      throw new EngineError('message-invalid', { reason: 'pictures do not come this way' });
    }
    const cutter = new ScreenRecordCutter((record) => sendRecord(id, record));
    const onBytes = (bytes: Uint8Array): void => cutter.push(bytes);
    const opened = openScreenStream(name, { onBytes, onClose: () => void this.#streams.delete(id) });
    this.#streams.set(
      id,
      opened.catch(() => undefined),
    );
    try {
      await opened;
    } catch (failure) {
      this.#streams.delete(id);
      throw failure;
    }
    return { return: {} };
  }

  #closeStream(id: unknown): unknown {
    if (typeof id === 'number') {
      void this.#streams.get(id)?.then((stream) => stream?.close());
      this.#streams.delete(id);
    }
    return { return: {} };
  }

  /** The connection to a machine's engine, made once; one that failed or closed is forgotten, so that the next request tries again. */
  async #engine(name: string): Promise<EngineConnection> {
    const known = this.#engines.get(name);
    if (known !== undefined) return known;
    const made = connectEngine(name);
    this.#engines.set(name, made);
    const forget = (): void => {
      if (this.#engines.get(name) === made) this.#engines.delete(name);
    };
    made.then((engine) => {
      engine.onClose(forget);
      engine.onEvent((event) => this.#options.send({ ...event, from: name }));
    }, forget);
    return made;
  }
}
