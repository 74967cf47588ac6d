/** Where peers come in to a running machine. What serves them is loaded for the first: a machine starts without its commands. */
import type { Dispatcher } from '../contract/serve.ts';
import { ownMachineSocket } from '../host/machine-socket.ts';
import type { OwnedSocket } from '../host/owned-socket.ts';
import type { PeerOptions } from './command-socket.ts';

/** Peers served at once; each costs one buffer. */
const maximumPeers = 32;

export interface CommandDoorOptions extends Omit<PeerOptions, 'dispatcher'> {
  dispatcher(): Promise<Dispatcher>;
}

/** Serve `dispatcher` at the socket of the machine `name` until closed. Fails with `machine-running` when another one has that name. */
export function serveCommandSocket(options: CommandDoorOptions): Promise<OwnedSocket> {
  return ownMachineSocket({
    name: options.name,
    maximumPeers,
    // What it sends meanwhile waits in the socket.
    onConnection: (connection) => {
      void Promise.all([import('./command-socket.ts'), options.dispatcher()]).then(([{ servePeer }, dispatcher]) =>
        servePeer(connection, { ...options, dispatcher }),
      );
    },
  });
}
