/** The client's end of a screen's stream: bytes as they come from the engine, for whoever shows or forwards them. */
import { EngineError } from '../contract/errors.ts';
import { screenStream } from '../contract/screen-stream.ts';
import { WireResponse } from '../contract/wire.ts';
import { connectOwned } from '../host/owned-socket.ts';
import { socketPath } from '../host/runtime-directory.ts';

export interface ScreenStream {
  close(): void;
}

export interface ScreenListener {
  onBytes(bytes: Uint8Array): void;
  /** The engine, or this end, closed the stream. */
  onClose(): void;
}

/** Lines before the stream: a greeting and an answer. */
const LINES = 2;
const LONGEST_ANSWER = 64 * 1024;

/** Look at the screen of the running machine `name`, a valid name. Fails with `machine-not-running` or what the engine answers. */
export async function openScreenStream(name: string, { onBytes, onClose }: ScreenListener): Promise<ScreenStream> {
  const connection = await connectOwned(socketPath(name));
  if (connection === undefined) throw new EngineError('machine-not-running', { name, running: [] });
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    let lines = 0;
    let answered = false;
    connection.onClose(() => {
      if (answered) onClose();
      else reject(new EngineError('connection-closed', { name }));
    });
    connection.onBytes((bytes) => {
      if (answered) return onBytes(bytes);
      head = Buffer.concat([head, bytes]);
      for (let end = head.indexOf(10); end >= 0 && lines < LINES; end = head.indexOf(10)) {
        const line = head.subarray(0, end).toString('utf8');
        head = head.subarray(end + 1);
        if (++lines < LINES) continue;
        const failure = failureIn(line, name);
        if (failure !== undefined) {
          reject(failure);
          connection.destroy();
          return;
        }
        answered = true;
        resolve({ close: () => connection.destroy() });
        if (head.length > 0) onBytes(head);
      }
      if (!answered && head.length > LONGEST_ANSWER) connection.destroy();
    });
    connection.write(`${JSON.stringify({ execute: screenStream.name })}\n`);
  });
}

function failureIn(line: string, name: string): EngineError | undefined {
  try {
    const answer = WireResponse.parse(JSON.parse(line));
    if (!('error' in answer)) return undefined;
    return new EngineError('internal', { reason: answer.error.desc });
  } catch {
    return new EngineError('connection-closed', { name });
  }
}
