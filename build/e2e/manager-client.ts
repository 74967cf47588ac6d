/** The contract spoken to `rootmode serve` by a test, as a window does: over the WebSocket, with the token of its address. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type Client, createClient } from '../../engine/contract/client.ts';
import { engineCommands } from '../../engine/contract/commands.ts';
import { managerCommands } from '../../engine/contract/library-commands.ts';
import type { WireRequest } from '../../engine/contract/wire.ts';

export interface ManagerClient {
  readonly manager: Client<typeof managerCommands>;
  engine(name: string): Client<typeof engineCommands>;
  /** How often the library was said to have changed. */
  readonly changes: number;
  close(): void;
}

/** `address`: what `rootmode serve` printed. */
export async function connectToManager(address: string): Promise<ManagerClient> {
  const { host, hash } = new URL(address);
  const token = /token=([\w-]+)/.exec(hash)?.[1] ?? '';
  const socket = new WebSocket(`ws://${host}/`, ['rootmode.1', token], { origin: `http://${host}` });
  await once(socket, 'open');
  const waiting = new Map<number, (answer: unknown) => void>();
  let next = 1;
  let changes = 0;
  socket.on('error', () => undefined);
  socket.on('message', (text) => {
    const message = JSON.parse(String(text)) as { id?: number; event?: string };
    if (message.event === 'library-changed') changes++;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
  });
  const request = (message: WireRequest, to?: string): Promise<unknown> => {
    const id = next++;
    socket.send(JSON.stringify({ ...message, ...(to !== undefined && { to }), id }));
    return new Promise((resolve) => waiting.set(id, resolve));
  };
  return {
    manager: createClient(managerCommands, { request: (message) => request(message) }),
    engine: (name) => createClient(engineCommands, { request: (message) => request(message, name) }),
    get changes() {
      return changes;
    },
    close: () => socket.terminate(),
  };
}
