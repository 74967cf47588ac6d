/** The host's ends of serial and printer ports, on the I/O thread: where output goes, and files that keep it as well. */
import type { ByteRing } from '../base/index.ts';
import type { MachineSettings } from '../contract/settings.ts';
import { type FromIo, packFailure, type ToIo } from './messages.ts';
import type { ByteSink, Channel, IoHost } from './ports.ts';
import type { SerialRings } from './serial-line.ts';

/** Bytes handed to the host at once. */
const CHUNK = 32 * 1024;
/** A wait for output ends after this many milliseconds at the latest; nothing depends on it. */
const IDLE = 60_000;

interface SerialEndsParts {
  readonly settings: MachineSettings;
  /** COM1, COM2. */
  readonly serial: readonly SerialRings[];
  readonly printer: ByteRing;
  readonly host: Pick<IoHost, 'openStandardOutput' | 'openOutputFile'>;
  readonly channel: Channel<FromIo, ToIo>;
}

export interface SerialEnds {
  /** Begin to take what the guest sends; once. Fails when a file cannot be opened. */
  open(): void;
  /** Add what a port sends to this file as well; absent: no longer. Fails with `file-unwritable`. */
  keep(port: number, file: string | undefined): void;
  /** No more comes: what is left is handed over, and everything closed. */
  close(): Promise<void>;
}

export function createSerialEnds({ settings, serial, printer, host, channel }: SerialEndsParts): SerialEnds {
  let output: Promise<unknown> | undefined;
  let finishing = false;
  const copies: (ByteSink | undefined)[] = [];
  const rings = [...serial.map((one) => one.output), printer];

  const openSink = (target: string, port: number): ByteSink => {
    if (target === 'stdio') return host.openStandardOutput();
    if (target === 'console') {
      return { write: async (bytes) => channel.post({ kind: 'serial-output', port, bytes }), close: async () => undefined };
    }
    if (target.startsWith('file:')) return host.openOutputFile(target.slice('file:'.length), 'serial file');
    return { write: async () => undefined, close: async () => undefined };
  };

  /** A copy that fails costs the copy, not the machine. */
  const copy = async (port: number, bytes: Uint8Array): Promise<void> => {
    const to = copies[port];
    await to?.write(bytes).catch((failure: unknown) => {
      if (copies[port] !== to) return;
      copies[port] = undefined;
      channel.post({ kind: 'serial-log-ended', port, failure: packFailure(failure) });
    });
  };

  const pump = async (ring: ByteRing, sink: ByteSink, port: number): Promise<void> => {
    try {
      for (;;) {
        const more = await ring.bytesReady(finishing ? 0 : IDLE);
        if (more) {
          const bytes = ring.read(CHUNK);
          await copy(port, bytes);
          await sink.write(bytes);
        } else if (finishing) break;
      }
      await Promise.all([sink.close(), copies[port]?.close()]);
    } catch (failure) {
      channel.post({ kind: 'failed', failure: packFailure(failure) });
      // The guest may go on writing until it is stopped.
      while (!finishing) {
        await ring.bytesReady(IDLE);
        ring.read(CHUNK);
      }
    }
  };

  const keep = (port: number, file: string | undefined): void => {
    const made = file === undefined ? undefined : host.openOutputFile(file, 'serial log', { add: true });
    void copies[port]?.close();
    copies[port] = made;
  };

  return {
    open: () => {
      if (output !== undefined) return;
      const sinks = [settings.serial, settings.serial2, settings.parallel].map(openSink);
      for (const [port, log] of [settings.serialLog, settings.serial2Log].entries()) {
        if (log !== 'none') keep(port, log.slice('file:'.length));
      }
      output = Promise.all(rings.map((ring, port) => pump(ring, sinks[port] as ByteSink, port)));
    },
    keep,
    close: async () => {
      finishing = true;
      for (const ring of rings) ring.wake();
      await output;
    },
  };
}
