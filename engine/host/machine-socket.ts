/** The socket of a machine: name to path, directory made on demand and removed when the last machine is gone. */
import { rmdirSync } from 'node:fs';
import { EngineError } from '../base/errors.ts';
import { codeOf } from './files.ts';
import { type OwnedSocket, type OwnedSocketOptions, ownSocket } from './owned-socket.ts';
import { ensureRuntimeDirectory, runtimeDirectory, socketPath } from './runtime-directory.ts';

/** Listen at the socket of the machine `name`. Fails with `machine-running` or `runtime-directory`. */
export async function ownMachineSocket(options: Omit<OwnedSocketOptions, 'path'>): Promise<OwnedSocket> {
  for (let attempt = 1; ; attempt++) {
    ensureRuntimeDirectory();
    try {
      const socket = await ownSocket({ ...options, path: socketPath(options.name) });
      return { path: socket.path, close: () => socket.close().then(removeEmptyDirectory) };
    } catch (failure) {
      // Another machine that ended just now took the directory with it.
      const gone = failure instanceof EngineError && codeOf(failure.cause) === 'ENOENT';
      if (!gone || attempt === 3) throw failure;
    }
  }
}

function removeEmptyDirectory(): void {
  try {
    rmdirSync(runtimeDirectory());
  } catch {
    // Other machines are there.
  }
}
