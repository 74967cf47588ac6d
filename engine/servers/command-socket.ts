/** The socket of a running machine: one JSON object per line (see contract/wire.ts). */

import { EngineError } from '../contract/errors.ts';
import { type EventName, eventsSubscribe } from '../contract/events.ts';
import { screenStream } from '../contract/screen-stream.ts';
import { type Dispatcher, toWire } from '../contract/serve.ts';
import { maximumRequestBytes, WireRequest } from '../contract/wire.ts';
import type { Connection } from '../host/owned-socket.ts';
import { LineSplitter } from './lines.ts';

/** Requests of one peer that may wait for their answers. */
const maximumPending = 64;
/** Answers a peer may leave unread before it is cut off, in bytes. */
const maximumBacklog = 8 * 1024 * 1024;

export interface PeerOptions {
  readonly name: string;
  readonly version: string;
  readonly dispatcher: Dispatcher;
  /** Begin to tell one peer of an event; returns what ends it. */
  subscribe(event: EventName, tell: (data: Record<string, unknown>) => void): () => void;
  /** Begin to show the screen to one peer; resolves with what ends it. */
  viewScreen(show: (record: Uint8Array) => void): Promise<() => void>;
}

/** Requests of one peer are carried out in order, one after the other; peers do not wait for each other. */
export function servePeer(connection: Connection, { name, version, dispatcher, subscribe, viewScreen }: PeerOptions): void {
  let open = true;
  let pending = 0;
  let streaming = false;
  let endStream: () => void = () => undefined;
  let turn: Promise<void> = Promise.resolve();
  const send = (message: unknown): void => {
    if (!open) return;
    connection.write(`${JSON.stringify(message)}\n`);
    if (connection.backlog > maximumBacklog) cut();
  };
  const cut = (): void => {
    open = false;
    connection.destroy();
  };
  const refuse = (error: EngineError): void => {
    send({ error: toWire(error) });
    open = false;
    connection.end();
  };
  const subscriptions = new Map<EventName, () => void>();
  const serveLine = async (line: string): Promise<void> => {
    const message = parse(line);
    const wanted = subscriptionIn(message);
    const answer = message === undefined ? notJson : await dispatcher.dispatch(message);
    send(answer);
    if ('return' in answer && isStreamRequest(message)) await stream();
    for (const event of wanted) {
      if (!subscriptions.has(event))
        subscriptions.set(
          event,
          subscribe(event, (data) => send({ event, data })),
        );
    }
  };
  /** From now on this connection carries pictures and nothing else. */
  const stream = async (): Promise<void> => {
    streaming = true;
    const end = await viewScreen((record) => {
      if (open) connection.write(record);
    }).catch(() => undefined);
    if (end === undefined) cut();
    else if (open) endStream = end;
    else end();
  };
  const lines = new LineSplitter({
    maximum: maximumRequestBytes,
    onOverflow: (bytes) => refuse(new EngineError('message-too-long', { bytes, maximum: maximumRequestBytes })),
    onLine: (line) => {
      if (!open || streaming || line.trim() === '') return;
      if (++pending > maximumPending) {
        cut();
        return;
      }
      turn = turn.then(async () => {
        if (open) await serveLine(line);
        pending--;
      });
    },
  });
  connection.onBytes((bytes) => {
    if (open && !streaming) lines.push(bytes);
  });
  connection.onClose(() => {
    open = false;
    endStream();
    for (const end of subscriptions.values()) end();
  });
  send({ rootmode: { version, machine: name } });
}

const notJson = { error: toWire(new EngineError('message-invalid', { reason: 'it is not JSON' })) };

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isStreamRequest(message: unknown): boolean {
  const request = WireRequest.safeParse(message);
  return request.success && request.data.execute === screenStream.name;
}

/** The events a well-formed `events-subscribe` names: what a subscription does concerns the connection, which the dispatcher does not know. */
function subscriptionIn(message: unknown): readonly EventName[] {
  const request = WireRequest.safeParse(message);
  if (!request.success || request.data.execute !== eventsSubscribe.name) return [];
  const params = eventsSubscribe.params.safeParse(request.data.arguments);
  return params.success ? params.data.events : [];
}
