/** Requests and events over one WebSocket to `rootmode serve`. Reconnects by itself; what was asked meanwhile fails and says so. */
import { EngineError } from '../../engine/contract/errors.ts';
import type { WireRequest } from '../../engine/contract/wire.ts';

export interface ServerEvent {
  readonly event: string;
  readonly data: Record<string, unknown>;
  /** The machine that tells; absent: the manager. */
  readonly from?: string;
}

export type ConnectionState = 'connecting' | 'open' | 'lost' | 'refused';

export interface SocketTransportOptions {
  readonly url: string;
  readonly protocols: readonly string[];
  onState(state: ConnectionState): void;
  onEvent(event: ServerEvent): void;
}

const FIRST_RETRY_MILLISECONDS = 250;
const LONGEST_RETRY_MILLISECONDS = 5000;

export class SocketTransport {
  readonly #options: SocketTransportOptions;
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: EngineError): void }>();
  #queue: string[] = [];
  #socket: WebSocket | undefined;
  #next = 1;
  #retry = FIRST_RETRY_MILLISECONDS;
  #opened = false;

  constructor(options: SocketTransportOptions) {
    this.#options = options;
    this.#connect();
  }

  /** `to` names a machine; absent: the manager. Rejects with `connection-closed` when the socket is lost before the answer. */
  request(message: WireRequest, to?: string): Promise<unknown> {
    const id = this.#next++;
    const text = JSON.stringify({ ...message, ...(to !== undefined && { to }), id });
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
      else this.#queue.push(text);
    });
  }

  #connect(): void {
    this.#options.onState('connecting');
    const socket = new WebSocket(this.#options.url, [...this.#options.protocols]);
    this.#socket = socket;
    socket.onopen = () => {
      this.#opened = true;
      this.#retry = FIRST_RETRY_MILLISECONDS;
      for (const text of this.#queue.splice(0)) socket.send(text);
      this.#options.onState('open');
    };
    socket.onmessage = ({ data }) => this.#receive(String(data));
    socket.onclose = () => {
      this.#queue = [];
      for (const { reject } of this.#waiting.values()) reject(new EngineError('connection-closed', { name: 'manager' }));
      this.#waiting.clear();
      // A server that never let us in will not do so later: the token is another one.
      this.#options.onState(this.#opened ? 'lost' : 'refused');
      setTimeout(() => this.#connect(), this.#retry);
      this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY_MILLISECONDS);
    };
  }

  #receive(text: string): void {
    const message = JSON.parse(text) as { id?: number; event?: string };
    if (message.event !== undefined) {
      this.#options.onEvent(message as ServerEvent);
      return;
    }
    const waiting = this.#waiting.get(message.id as number);
    this.#waiting.delete(message.id as number);
    waiting?.resolve(message);
  }
}
