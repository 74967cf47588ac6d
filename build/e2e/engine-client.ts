/** The contract spoken to a running machine by a test: requests, answers, events, over its socket. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Client, createClient } from '../../engine/contract/client.ts';
import { engineCommands } from '../../engine/contract/commands.ts';

interface Event {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

export interface EngineClient {
  readonly engine: Client<typeof engineCommands>;
  /** The next event of this name that fits, of those that nobody has taken yet. */
  event(name: string, fits?: (data: Record<string, unknown>) => boolean, milliseconds?: number): Promise<Record<string, unknown>>;
  close(): void;
}

/** `runtime`: the test's XDG_RUNTIME_DIR. */
export async function connectTo(runtime: string, name: string): Promise<EngineClient> {
  const socket = connect(join(runtime, 'rootmode', `${name}.sock`));
  await once(socket, 'connect');
  const waiting = new Map<number, (answer: unknown) => void>();
  const events: Event[] = [];
  const watchers = new Set<() => void>();
  let next = 1;
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('error', () => undefined);
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as { id?: number } & Partial<Event>;
      if (message.event !== undefined) {
        events.push(message as Event);
        for (const watcher of watchers) watcher();
      } else if (message.id !== undefined) waiting.get(message.id)?.(message);
    }
  });
  return {
    engine: createClient(engineCommands, {
      request: (message) => {
        const id = next++;
        socket.write(`${JSON.stringify({ ...message, id })}\n`);
        return new Promise((resolve) => waiting.set(id, resolve));
      },
    }),
    event: (name, fits = () => true, milliseconds = 20_000) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          watchers.delete(look);
          reject(new Error(`no event ${name} within ${milliseconds} ms; last ones: ${JSON.stringify(events.slice(-5))}`));
        }, milliseconds);
        const look = (): void => {
          const at = events.findIndex(({ event, data }) => event === name && fits(data));
          if (at < 0) return;
          clearTimeout(timer);
          watchers.delete(look);
          resolve((events.splice(at, 1)[0] as Event).data);
        };
        watchers.add(look);
        look();
      }),
    close: () => socket.destroy(),
  };
}
