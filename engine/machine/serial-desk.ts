/** What the main thread does at the guest's serial ports: bytes go there, and files keep what comes. The I/O thread does the work. */
import type { MachineSettings } from '../contract/settings.ts';
import type { ToIo } from './messages.ts';

export interface SerialDeskParts {
  readonly settings: MachineSettings;
  post(message: ToIo): void;
  /** Post a message with a number, and wait for what it comes to. */
  carryOut(make: (id: number) => ToIo): Promise<void>;
}

export class SerialDesk {
  readonly #parts: SerialDeskParts;
  readonly #logs = new Map<number, string>();

  constructor(parts: SerialDeskParts) {
    this.#parts = parts;
    const { serialLog, serial2Log } = parts.settings;
    for (const [port, target] of [serialLog, serial2Log].entries()) {
      if (target !== 'none') this.#logs.set(port, target.slice('file:'.length));
    }
  }

  /** What each port is connected to, and the file that keeps what it sends. */
  ports(): { readonly port: 0 | 1; readonly target: string; readonly log?: string }[] {
    const { serial, serial2 } = this.#parts.settings;
    return ([0, 1] as const).map((port) => {
      const log = this.#logs.get(port);
      return { port, target: port === 0 ? serial : serial2, ...(log !== undefined && { log }) };
    });
  }

  /** Bytes for the guest, as typed at a console. */
  input(port: number, bytes: Uint8Array): void {
    this.#parts.post({ kind: 'serial-input', port, bytes });
  }

  /** Add what a port sends to this file as well; absent: no longer. Rejects with `file-unwritable`. */
  async keep(port: number, file: string | undefined): Promise<void> {
    await this.#parts.carryOut((id) => ({ kind: 'serial-log', id, port, file }));
    if (file === undefined) this.#logs.delete(port);
    else this.#logs.set(port, file);
  }

  /** The file takes no more. */
  ended(port: number): void {
    this.#logs.delete(port);
  }
}
