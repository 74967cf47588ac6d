/** Requests that wait for their answers, whatever carries them. */
import { EngineError } from '../../engine/contract/errors.ts';
import type { WireRequest } from '../../engine/contract/wire.ts';

export interface ServerEvent {
  readonly event: string;
  readonly data: Record<string, unknown>;
  /** The machine that tells; absent: the manager. */
  readonly from?: string;
}

export type ConnectionState = 'connecting' | 'open' | 'lost' | 'refused';

export interface TransportEvents {
  onState(state: ConnectionState): void;
  onEvent(event: ServerEvent): void;
}

export interface Transport {
  /** `to` names a machine; absent: the manager. Rejects with `connection-closed` when the connection is lost before the answer. */
  request(message: WireRequest, to?: string): Promise<unknown>;
}

export class Requests {
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: EngineError): void }>();
  readonly #onEvent: TransportEvents['onEvent'];
  #next = 1;

  constructor(onEvent: TransportEvents['onEvent']) {
    this.#onEvent = onEvent;
  }

  /** The text to send, and the answer to come. */
  make(
    message: WireRequest,
    to: string | undefined,
  ): { readonly id: number; readonly text: string; readonly answer: Promise<unknown> } {
    const id = this.#next++;
    const text = JSON.stringify({ ...message, ...(to !== undefined && { to }), id });
    return { id, text, answer: new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject })) };
  }

  receive(text: string): void {
    const message = JSON.parse(text) as { id?: number; event?: string };
    if (message.event !== undefined) {
      this.#onEvent(message as ServerEvent);
      return;
    }
    const waiting = this.#waiting.get(message.id as number);
    this.#waiting.delete(message.id as number);
    waiting?.resolve(message);
  }

  fail(): void {
    for (const { reject } of this.#waiting.values()) reject(new EngineError('connection-closed', { name: 'manager' }));
    this.#waiting.clear();
  }
}
