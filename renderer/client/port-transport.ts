/** The MessagePort that the desktop shell hands to its pages. */
import { screenStream } from '../../engine/contract/screen-stream.ts';
import type { WireRequest } from '../../engine/contract/wire.ts';
import { Requests, type Transport, type TransportEvents } from './requests.ts';
import type { CloseScreen, ScreenSource } from './screens.ts';

/** What the shell's preload shows to the page. */
export interface Shell {
  connect(): void;
  /** Language of menus from now on. */
  speak(language: string): void;
}

interface RecordMessage {
  readonly stream: number;
  readonly record: Uint8Array<ArrayBuffer>;
}

export class PortTransport implements Transport, ScreenSource {
  readonly #screens = new Map<number, (record: Uint8Array<ArrayBuffer>) => void>();
  readonly #requests: Requests;
  #queue: string[] = [];
  #port: MessagePort | undefined;

  constructor(shell: Shell, { onEvent, onState }: TransportEvents) {
    this.#requests = new Requests(onEvent);
    addEventListener('message', ({ source, data, ports: [port] }) => {
      if (source !== window || data !== 'rootmode-port' || port === undefined) return;
      this.#port = port;
      port.onmessage = ({ data: message }: MessageEvent<string | RecordMessage>) => {
        if (typeof message === 'string') this.#requests.receive(message);
        else this.#screens.get(message.stream)?.(message.record);
      };
      for (const text of this.#queue.splice(0)) port.postMessage(text);
      onState('open');
    });
    onState('connecting');
    shell.connect();
  }

  open(machine: string, onRecord: (record: Uint8Array<ArrayBuffer>) => void, onEnd: () => void): CloseScreen {
    const { id, text, answer } = this.#requests.make({ execute: screenStream.name }, machine);
    this.#screens.set(id, onRecord);
    const close = (): void => {
      if (this.#screens.delete(id)) this.#send(JSON.stringify({ close: id }));
    };
    void answer.then((message) => {
      if (typeof message === 'object' && message !== null && 'return' in message) return;
      this.#screens.delete(id);
      onEnd();
    }, onEnd);
    this.#send(text);
    return close;
  }

  request(message: WireRequest, to?: string): Promise<unknown> {
    const { text, answer } = this.#requests.make(message, to);
    this.#send(text);
    return answer;
  }

  #send(text: string): void {
    if (this.#port === undefined) this.#queue.push(text);
    else this.#port.postMessage(text);
  }
}
