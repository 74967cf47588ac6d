/**
 * A Unix socket that only its owner can use, at a path that exactly one live process holds. What a killed process left is taken over.
 */
import { chmodSync, linkSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import { EngineError } from '../base/errors.ts';
import { codeOf, reasonOf } from './files.ts';
import { userId } from './runtime-directory.ts';

/** A byte stream to one peer. */
export interface Connection {
  write(bytes: string | Uint8Array): void;
  /** Bytes written that the peer has not taken yet. */
  readonly backlog: number;
  /** Say goodbye after what was written. */
  end(): void;
  /** Cut off at once. */
  destroy(): void;
  onBytes(handler: (bytes: Uint8Array) => void): void;
  onClose(handler: () => void): void;
}

export interface OwnedSocket {
  readonly path: string;
  /** Remove the socket from its path and cut off the peers. */
  close(): Promise<void>;
}

export interface OwnedSocketOptions {
  readonly path: string;
  /** Name in sentences, of the machine behind the socket. */
  readonly name: string;
  /** Peers beyond this number are turned away. */
  readonly maximumPeers: number;
  onConnection(connection: Connection): void;
}

let serial = 0;

/**
 * Listen at `path`, whose folder must exist. Fails with `machine-running` when a live process holds it.
 *
 * The socket is bound under a name of this process and then linked to `path`: linking fails when the path is taken, so of two
 * processes that start at once exactly one wins, and a peer never meets a socket without its final mode.
 */
export async function ownSocket(options: OwnedSocketOptions): Promise<OwnedSocket> {
  const { path, name } = options;
  const peers = new Set<Socket>();
  const server = createServer((socket) => {
    if (peers.size >= options.maximumPeers) {
      socket.destroy();
      return;
    }
    peers.add(socket);
    socket.on('close', () => peers.delete(socket));
    options.onConnection(wrap(socket));
  });
  const own = `${path}.${process.pid.toString(36)}${(serial++ % 36).toString(36)}`;
  await listen(server, own);
  try {
    chmodSync(own, 0o600);
    await put(own, { path, name });
  } catch (failure) {
    await close(server);
    rmSync(own, { force: true });
    throw failure;
  }
  rmSync(own, { force: true });
  return {
    path,
    close: async () => {
      rmSync(path, { force: true });
      for (const peer of peers) peer.destroy();
      await close(server);
    },
  };
}

/** Link `own` to `path`, after removing what a dead process left there. */
async function put(own: string, { path, name }: { path: string; name: string }): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      linkSync(own, path);
      return;
    } catch (failure) {
      if (codeOf(failure) !== 'EEXIST') {
        throw new EngineError(
          'runtime-directory',
          { path, reason: `takes no socket (${reasonOf(failure)})` },
          { cause: failure },
        );
      }
    }
    if (await isAlive(path)) throw new EngineError('machine-running', { name });
    // Removing by rename: should another process have put a live socket there since, it is put back.
    const old = `${own}.old`;
    try {
      renameSync(path, old);
    } catch (failure) {
      if (codeOf(failure) === 'ENOENT') continue;
      throw new EngineError(
        'runtime-directory',
        { path, reason: `keeps a stale socket (${reasonOf(failure)})` },
        { cause: failure },
      );
    }
    if (await isAlive(old)) {
      renameSync(old, path);
      throw new EngineError('machine-running', { name });
    }
    rmSync(old, { force: true });
  }
  throw new EngineError('machine-running', { name });
}

function listen(server: Server, path: string): Promise<void> {
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(new EngineError('runtime-directory', { path, reason: `takes no socket (${reasonOf(cause)})` }, { cause }));
    server.once('error', fail);
    server.listen(path, () => {
      server.off('error', fail);
      server.on('error', () => undefined); // a peer that vanishes while it is accepted is no failure of ours
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Whether a process listens at `path`. Anything but a refusal counts as alive: never take what might be in use. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = netConnect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error) => resolve(!['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'].includes(codeOf(error))));
  });
}

/** Connect to the socket at `path`. Resolves to `undefined` when nobody listens there, and then removes the stale file if it is ours. */
export async function connectOwned(path: string): Promise<Connection | undefined> {
  let owner: number;
  try {
    owner = lstatSync(path).uid;
  } catch (failure) {
    if (codeOf(failure) === 'ENOENT' || codeOf(failure) === 'ENOTDIR') return undefined;
    throw new EngineError('runtime-directory', { path, reason: `cannot be read (${reasonOf(failure)})` }, { cause: failure });
  }
  if (userId() >= 0 && owner !== userId()) throw new EngineError('socket-foreign', { path, owner });
  return new Promise((resolve, reject) => {
    const socket = netConnect(path);
    socket.once('connect', () => resolve(wrap(socket)));
    socket.once('error', (cause) => {
      const code = codeOf(cause);
      if (code === 'ECONNREFUSED') rmSync(path, { force: true });
      if (['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'].includes(code)) resolve(undefined);
      else reject(new EngineError('runtime-directory', { path, reason: `gives no connection (${reasonOf(cause)})` }, { cause }));
    });
  });
}

function wrap(socket: Socket): Connection {
  socket.on('error', () => undefined); // 'close' follows, and says all that matters
  return {
    write: (text) => void socket.write(text),
    get backlog() {
      return socket.writableLength;
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    onBytes: (handler) => void socket.on('data', handler),
    onClose: (handler) => void socket.on('close', handler),
  };
}
