/**
 * The I/O thread's work for drives. While requests follow one another it waits for the next on the doorbell itself, which wakes faster
 * than the event loop; the loop gets its turn in between, so that consoles and commands never starve.
 */
import type { DriveServer } from '../board/drives/server.ts';

/** How long to wait for a request to follow the last one, in milliseconds: what a guest takes between two of a stream. */
const FOLLOWS = 0.25;
/** Requests served before the event loop has a turn. */
const TURN = 8;
/** Most rounds after the end: requests that follow from others. */
const MOST_LAST = 64;
/** A wait ends after this many milliseconds at the latest; nothing depends on it. */
const IDLE = 60_000;

export interface DriveLoop {
  /** Wakes the loop: requests are tried again that found no room. */
  retry(): void;
  /** Ends the loop; resolves once nothing is under way. */
  end(): Promise<void>;
}

/** `turn` resolves when the event loop has looked at everything else. */
export function startDriveLoop(server: DriveServer, turn: () => Promise<void>): DriveLoop {
  const { words, index } = server.doorbell;
  let ending = false;
  const wake = () => {
    Atomics.add(words, index, 1);
    Atomics.notify(words, index);
  };
  const run = async (): Promise<void> => {
    let served = 0;
    let follows = false;
    while (!ending) {
      const seen = Atomics.load(words, index);
      if (server.serve()) {
        follows = true;
        if (++served % TURN === 0) await turn();
      } else if (follows) {
        follows = Atomics.wait(words, index, seen, FOLLOWS) !== 'timed-out';
      } else {
        const waited = Atomics.waitAsync(words as Int32Array<SharedArrayBuffer>, index, seen, IDLE);
        if (waited.async) await waited.value;
      }
    }
    // What the guest has asked for before it was stopped, such as to keep its firmware's variables.
    for (let more = MOST_LAST; more > 0 && server.serve(); more--);
  };
  const over = run();
  return {
    retry: () => {
      server.retry();
      wake();
    },
    end: () => {
      ending = true;
      wake();
      return over;
    },
  };
}
