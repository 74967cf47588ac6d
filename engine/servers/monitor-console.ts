/** The monitor on the terminal of a machine: bytes typed there to lines, one carried out after the other. */

import { maximumMonitorLine } from '../contract/commands.ts';
import type { Dispatcher } from '../contract/serve.ts';
import { createMonitor } from './monitor.ts';

export interface MonitorConsole {
  /** Bytes typed; `entered` with the first after the escape key. */
  feed(bytes: Uint8Array, entered: boolean): void;
}

export interface MonitorConsoleOptions {
  readonly dispatcher: Dispatcher;
  print(text: string): void;
  /** The guest has the terminal again; `rest` was typed after that and is the guest's. */
  leave(rest: Uint8Array): void;
}

export function createMonitorConsole({ dispatcher, print, leave }: MonitorConsoleOptions): MonitorConsole {
  let waiting: Uint8Array = new Uint8Array();
  let active = false;
  let busy = false;

  const monitor = createMonitor({
    dispatcher,
    print,
    leave: () => {
      active = false;
      const rest = waiting;
      waiting = new Uint8Array();
      leave(rest);
    },
  });

  /** Takes one line after the other: a line that leaves decides whose the following bytes are. */
  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    for (let end = lineEnd(waiting); active && end >= 0; end = lineEnd(waiting)) {
      const line = Buffer.from(waiting.subarray(0, end)).toString('utf8');
      waiting = waiting.slice(end + 1);
      await monitor.line(line);
    }
    if (waiting.length > maximumMonitorLine) waiting = new Uint8Array();
    busy = false;
  }

  return {
    feed: (bytes, entered) => {
      if (entered) {
        active = true;
        monitor.enter();
      }
      if (!active) {
        // On its way when the monitor was left.
        leave(bytes);
        return;
      }
      waiting = Buffer.concat([waiting, bytes]);
      void work();
    },
  };
}

function lineEnd(bytes: Uint8Array): number {
  return bytes.findIndex((byte) => byte === 0x0a || byte === 0x0d);
}
