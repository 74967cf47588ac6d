/** The MessagePort that the desktop shell hands to its pages. */
import type { WireRequest } from '../../engine/contract/wire.ts';
import { Requests, type Transport, type TransportEvents } from './requests.ts';

/** What the shell's preload shows to the page. */
export interface Shell {
  connect(): void;
}

export class PortTransport implements Transport {
  readonly #requests: Requests;
  #queue: string[] = [];
  #port: MessagePort | undefined;

  constructor(shell: Shell, { onEvent, onState }: TransportEvents) {
    this.#requests = new Requests(onEvent);
    addEventListener('message', ({ source, data, ports: [port] }) => {
      if (source !== window || data !== 'rootmode-port' || port === undefined) return;
      this.#port = port;
      port.onmessage = (message) => this.#requests.receive(String(message.data));
      for (const text of this.#queue.splice(0)) port.postMessage(text);
      onState('open');
    });
    onState('connecting');
    shell.connect();
  }

  request(message: WireRequest, to?: string): Promise<unknown> {
    const { text, answer } = this.#requests.make(message, to);
    if (this.#port === undefined) this.#queue.push(text);
    else this.#port.postMessage(text);
    return answer;
  }
}
