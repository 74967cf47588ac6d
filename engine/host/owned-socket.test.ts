import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, lchownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectOwned, type OwnedSocket, ownSocket } from './owned-socket.ts';
import { ensureRuntimeDirectory, runtimeDirectory, socketNames, socketPath, userId } from './runtime-directory.ts';

let folder: string;
let before: string | undefined;
const open: OwnedSocket[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-socket-'));
  before = process.env.XDG_RUNTIME_DIR;
  process.env.XDG_RUNTIME_DIR = folder;
});
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
  if (before === undefined) delete process.env.XDG_RUNTIME_DIR;
  else process.env.XDG_RUNTIME_DIR = before;
  rmSync(folder, { recursive: true });
});

/** A socket that answers every peer with its own name. */
async function own(name: string, greeting = name): Promise<OwnedSocket> {
  ensureRuntimeDirectory();
  const path = socketPath(name);
  const socket = await ownSocket({ path, name, maximumPeers: 2, onConnection: (peer) => peer.write(greeting) });
  open.push(socket);
  return socket;
}

async function greetingAt(name: string): Promise<string | undefined> {
  const peer = await connectOwned(socketPath(name));
  if (peer === undefined) return undefined;
  return new Promise((resolve) => {
    peer.onBytes((bytes) => {
      resolve(Buffer.from(bytes).toString());
      peer.destroy();
    });
    peer.onClose(() => resolve(undefined));
  });
}

/** Leaves what a process killed with SIGKILL leaves: a socket file nobody listens on. */
async function leaveStale(name: string): Promise<void> {
  ensureRuntimeDirectory();
  const script = `require('net').createServer().listen(${JSON.stringify(socketPath(name))}, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('a runtime directory', () => {
  it('is made for its owner alone', () => {
    expect(ensureRuntimeDirectory()).toBe(join(folder, 'rootmode'));
    expect(lstatSync(runtimeDirectory()).mode & 0o777).toBe(0o700);
  });

  it('lies in the temporary folder when XDG_RUNTIME_DIR is unset or relative', () => {
    process.env.XDG_RUNTIME_DIR = 'relative';
    expect(runtimeDirectory()).toBe(join(tmpdir(), `rootmode-${userId()}`));
  });

  it('is refused when others can enter', () => {
    mkdirSync(runtimeDirectory());
    chmodSync(runtimeDirectory(), 0o755);
    expect(() => ensureRuntimeDirectory()).toThrow('can be entered by other users');
  });

  it('is refused when its path is too long for a socket', () => {
    process.env.XDG_RUNTIME_DIR = `/${'x'.repeat(90)}`;
    expect(() => socketPath('machine')).toThrow('has a path too long');
  });

  it.runIf(userId() === 0)('is refused when another user owns it', () => {
    mkdirSync(runtimeDirectory(), { mode: 0o700 });
    lchownSync(runtimeDirectory(), 65534, 65534);
    expect(() => ensureRuntimeDirectory()).toThrow('belongs to the user with id 65534');
  });
});

describe('an owned socket', () => {
  it('is reached by its owner only, and leaves nothing', async () => {
    const socket = await own('one');
    expect(lstatSync(socket.path).mode & 0o777).toBe(0o600);
    expect(await greetingAt('one')).toBe('one');
    expect(socketNames()).toEqual(['one']);
    await socket.close();
    expect(readdirSync(runtimeDirectory())).toEqual([]);
    expect(await greetingAt('one')).toBeUndefined();
  });

  it('is held by one process at a time', async () => {
    await own('one', 'first');
    await expect(own('one', 'second')).rejects.toThrow(
      'A machine named one is running already; choose another name with --name.',
    );
    expect(await greetingAt('one')).toBe('first');
    expect(readdirSync(runtimeDirectory())).toEqual(['one.sock']);
  });

  it('is won by exactly one of several that start at once over a stale one', async () => {
    await leaveStale('one');
    const tries = await Promise.allSettled([own('one'), own('one-two'), own('one')]);
    expect(tries.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(await greetingAt('one')).toBe('one');
  });

  it('takes over what a killed process left', async () => {
    await leaveStale('one');
    expect(existsSync(socketPath('one'))).toBe(true);
    await own('one', 'new');
    expect(await greetingAt('one')).toBe('new');
  });

  it('is cleaned away when a client finds it stale', async () => {
    await leaveStale('one');
    expect(await connectOwned(socketPath('one'))).toBeUndefined();
    expect(existsSync(socketPath('one'))).toBe(false);
  });

  it('turns away more peers than it was made for', async () => {
    await own('one');
    const peers = await Promise.all([1, 2].map(() => connectOwned(socketPath('one'))));
    expect(await greetingAt('one')).toBeUndefined();
    for (const peer of peers) peer?.destroy();
  });

  it.runIf(userId() === 0)('of another user is not used', async () => {
    ensureRuntimeDirectory();
    const server = createServer().listen(socketPath('other'));
    await once(server, 'listening');
    lchownSync(socketPath('other'), 65534, 65534);
    await expect(connectOwned(socketPath('other'))).rejects.toMatchObject({ code: 'socket-foreign', data: { owner: 65534 } });
    server.close();
  });
});
