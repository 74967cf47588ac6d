/** One WebSocket to `rootmode serve`. Reconnects by itself; what was asked meanwhile fails and says so. */
import type { WireRequest } from '../../engine/contract/wire.ts';
import { Requests, type Transport, type TransportEvents } from './requests.ts';

export interface SocketTransportOptions extends TransportEvents {
  readonly url: string;
  readonly protocols: readonly string[];
}

const FIRST_RETRY_MILLISECONDS = 250;
const LONGEST_RETRY_MILLISECONDS = 5000;

export class SocketTransport implements Transport {
  readonly #options: SocketTransportOptions;
  readonly #requests: Requests;
  #queue: string[] = [];
  #socket: WebSocket | undefined;
  #retry = FIRST_RETRY_MILLISECONDS;
  #opened = false;

  constructor(options: SocketTransportOptions) {
    this.#options = options;
    this.#requests = new Requests(options.onEvent);
    this.#connect();
  }

  request(message: WireRequest, to?: string): Promise<unknown> {
    const { text, answer } = this.#requests.make(message, to);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
    else this.#queue.push(text);
    return answer;
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
    socket.onmessage = ({ data }) => this.#requests.receive(String(data));
    socket.onclose = () => {
      this.#queue = [];
      this.#requests.fail();
      // A server that never let us in will not do so later: the token is another one.
      this.#options.onState(this.#opened ? 'lost' : 'refused');
      setTimeout(() => this.#connect(), this.#retry);
      this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY_MILLISECONDS);
    };
  }
}
