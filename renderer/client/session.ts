/** This window's connection: the manager's client, a client for each machine's engine, and events. */
import { shallowRef } from 'vue';
import { createClient } from '../../engine/contract/client.ts';
import { engineCommands } from '../../engine/contract/commands.ts';
import { managerCommands } from '../../engine/contract/library-commands.ts';
import { fetchedScreens } from './fetched-screens.ts';
import { PortTransport, type Shell } from './port-transport.ts';
import type { ConnectionState, ServerEvent, Transport, TransportEvents } from './requests.ts';
import type { ScreenSource } from './screens.ts';
import { SocketTransport } from './socket-transport.ts';

type Listener = (event: ServerEvent) => void;

const listeners = new Set<Listener>();
export const connection = shallowRef<ConnectionState>('connecting');

/** The token comes in the fragment once, and is kept for reloads of this tab only. */
function takeToken(): string {
  const match = /[#&]token=([\w-]+)/.exec(location.hash);
  if (match?.[1] !== undefined) {
    sessionStorage.setItem('token', match[1]);
    const machine = /&machine=([\w.-]+)/.exec(location.hash)?.[1];
    // The token is not to stand in the history; whoever has read the address already is told of the new one.
    location.replace(machine === undefined ? '#/' : `#/machine/${machine}`);
  }
  return sessionStorage.getItem('token') ?? '';
}

const events: TransportEvents = {
  onState: (state) => {
    connection.value = state;
  },
  onEvent: (event) => {
    for (const listener of listeners) listener(event);
  },
};
const shell = (globalThis as { rootmodeShell?: Shell }).rootmodeShell;
/** The ways in and out of this window. */
function connect(): { readonly transport: Transport; readonly screens: ScreenSource } {
  if (shell !== undefined) {
    const port = new PortTransport(shell, events);
    return { transport: port, screens: port };
  }
  const token = takeToken() || 'none';
  const transport = new SocketTransport({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/`,
    protocols: ['rootmode.1', token],
    ...events,
  });
  return { transport, screens: fetchedScreens(token) };
}
const { transport, screens } = connect();

export { screens };

export const manager = createClient(managerCommands, { request: (message) => transport.request(message) });

/** The engine of a running machine; requests fail with `machine-not-running` when it does not run. */
export function engine(name: string) {
  return createClient(engineCommands, { request: (message) => transport.request(message, name) });
}

/** Returns what ends it. */
export function onServerEvent(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
