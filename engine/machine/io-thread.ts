/**
 * The I/O thread: the only one with the host's streams and files open. It loads the boot images, moves bytes between the serial port's
 * rings and the host, and presses the power button. It takes the machine lock for device work, and never waits for the guest.
 */

import type { ByteRing } from '../base/index.ts';
import type { DriveServer, DriveServerParts } from '../board/drives/server.ts';
import { createDrives } from './drives.ts';
import { createEscapeFilter } from './escape-filter.ts';
import { type FedKeyboard, KeyFeeder, type KeyReaderWord } from './key-feeder.ts';
import { type FromIo, packFailure, type ThreadPlan, type ToIo } from './messages.ts';
import type { FedPointer } from './pointer.ts';
import type { ByteSource, Channel, IoHost } from './ports.ts';
import { createScreenAnswers, type ShownBoard } from './screen-answers.ts';
import { createSerialEnds } from './serial-ends.ts';
import type { SerialRings } from './serial-line.ts';

/** The machine as the I/O thread uses it. Every function takes the machine lock itself. */
export interface IoMachine extends ShownBoard {
  /** COM1, COM2. */
  readonly serial: readonly SerialRings[];
  /** What the printer port sends. */
  readonly printer: ByteRing;
  /** Byte address of each vCPU's request word. */
  readonly requestWords: readonly number[];
  serveDrives(events: Pick<DriveServerParts, 'onFull' | 'onFailure'>): DriveServer;
  /** Whether the guest holds a drive's tray; it is then asked to let go. */
  askForTray(drive: number): 'free' | 'locked';
  /** Reset the board, load the images, set up every vCPU. vCPUs are parked. */
  boot(host: Pick<IoHost, 'readFile' | 'randomBytes'>): void;
  pressPowerButton(): void;
  pressSleepButton(): void;
  readonly keyboard: FedKeyboard;
  readonly pointer: FedPointer;
  readonly keyReader: KeyReaderWord;
  /** Bytes wait in a port's input ring: give the board what it has room for. */
  deliverInput(port: number): void;
}

export interface IoThreadOptions {
  readonly plan: ThreadPlan;
  readonly machine: IoMachine;
  readonly host: IoHost;
  readonly channel: Channel<FromIo, ToIo>;
}

/** Serve until told to finish. Resolves when everything is closed. */
export async function runIoThread({ plan, machine, host, channel }: IoThreadOptions): Promise<void> {
  const { settings } = plan;
  const input = createInput({ machine, host, channel });
  const second = createFeed(machine, 1);
  const drives = createDrives({
    settings,
    host,
    askForTray: (drive) => machine.askForTray(drive),
    server: machine.serveDrives({
      onFull: (_drive, failure) => channel.post({ kind: 'host-full', failure: packFailure(failure) }),
      onFailure: (_drive, failure) => channel.post({ kind: 'drive-failure', failure: packFailure(failure) }),
    }),
  });
  const keys = new KeyFeeder(machine.keyboard, machine.keyReader);
  const screen = createScreenAnswers({
    machine,
    keys,
    name: settings.name,
    now: host.milliseconds,
    pause: (milliseconds) => machine.keyReader.pause(milliseconds),
    post: (stream, record) => channel.post({ kind: 'screen-record', stream, record }, [record.buffer]),
  });
  const ends = createSerialEnds({ settings, serial: machine.serial, printer: machine.printer, host, channel });

  const answer = (id: number, body: () => void): void => {
    try {
      body();
      channel.post({ kind: 'carried-out', id });
    } catch (failure) {
      channel.post({ kind: 'carried-out', id, failure: packFailure(failure) });
    }
  };

  let closing: Promise<void> | undefined;
  channel.post({ kind: 'built', requestWords: machine.requestWords });
  try {
    // While other threads are not ready yet.
    drives.open();
  } catch {
    // Tried again and told at the first boot.
  }
  await new Promise<void>((finished) => {
    const handle = (message: ToIo): void => {
      switch (message.kind) {
        case 'boot':
          drives.open();
          keys.clear();
          machine.boot(host);
          // Only now is it sure that there will be a machine: an output file is not touched for one that is refused.
          ends.open();
          if (settings.serial === 'stdio') input.open();
          channel.post({ kind: 'booted' });
          return;
        case 'retry-drives':
          drives.retry();
          return;
        case 'change-medium':
          answer(message.id, () => drives.change(message.change));
          return;
        case 'power-button':
          machine.pressPowerButton();
          return;
        case 'sleep-button':
          machine.pressSleepButton();
          return;
        case 'screen':
          channel.post({ kind: 'screen', serial: message.serial, answer: screen.answer(message.question) });
          return;
        case 'screen-shown':
          screen.feed?.shown(message.stream, message.serial);
          return;
        case 'screen-close':
          screen.feed?.close(message.stream);
          return;
        case 'input':
          screen.feed?.lively();
          if (message.strokes.length > 0) keys.push(message.strokes);
          if (message.move !== undefined) screen.move(message.move);
          return;
        case 'leave-monitor':
          input.leaveMonitor(message.rest);
          return;
        case 'continued':
          input.continued();
          return;
        case 'serial-input':
          if (message.port === 0) input.fromConsole(message.bytes);
          else second.take(message.bytes);
          return;
        case 'serial-log':
          answer(message.id, () => ends.keep(message.port, message.file));
          return;
        case 'finish':
          screen.feed?.end();
          keys.clear();
          input.close();
          second.close();
          closing = ends.close();
          finished();
      }
    };
    channel.onMessage((message) => {
      try {
        handle(message);
      } catch (failure) {
        channel.post({ kind: 'failed', failure: packFailure(failure) });
      }
    });
  });
  await closing;
  try {
    await drives.close();
  } catch (failure) {
    channel.post({ kind: 'drive-failure', failure: packFailure(failure) });
  }
  channel.post({ kind: 'finished' });
}

/** A wait for room ends after this many milliseconds at the latest; nothing depends on it. */
const IDLE = 60_000;

/** Bytes from consoles that wait for the guest to read; what comes on top is dropped, as a serial line does. */
const CONSOLE_BACKLOG = 1 << 20;

/** Bytes on their way to one port of the guest. */
interface Feed {
  /** What comes on top of `CONSOLE_BACKLOG` is dropped, unless the source is asked to stand still. */
  take(bytes: Uint8Array): void;
  close(): void;
}

/** `source` stands still until the guest has read what waits. */
function createFeed(
  { serial, deliverInput }: IoMachine,
  port: number,
  source: () => ByteSource | undefined = () => undefined,
): Feed {
  const ring = (serial[port] as SerialRings).input;
  let waiting: Uint8Array = new Uint8Array();
  let retry: (() => void) | undefined;
  /** Moves what waits into the ring; the rest follows when the guest has read. */
  const move = (): void => {
    if (waiting.length > 0) waiting = waiting.subarray(ring.write(waiting));
    deliverInput(port);
    if (waiting.length === 0) {
      source()?.resume();
      return;
    }
    source()?.pause();
    if (retry !== undefined) return;
    retry = () => {
      retry = undefined;
      move();
    };
    void ring.roomReady(IDLE).then(() => retry?.());
  };
  return {
    take: (bytes) => {
      const some = bytes.subarray(0, Math.max(0, CONSOLE_BACKLOG - waiting.length));
      if (some.length === 0) return;
      waiting = waiting.length === 0 ? some : Uint8Array.from([...waiting, ...some]);
      move();
    },
    close: () => {
      retry = undefined;
    },
  };
}

interface Input {
  open(): void;
  fromConsole(bytes: Uint8Array): void;
  leaveMonitor(rest: Uint8Array): void;
  continued(): void;
  close(): void;
}

/** Standard input: bytes for the guest, the escape keys, and lines for the monitor while it is open. */
function createInput({ machine, host, channel }: Omit<IoThreadOptions, 'plan'>): Input {
  let source: ByteSource | undefined;
  const feed = createFeed(machine, 0, () => source);
  let inMonitor = false;

  const filter = createEscapeFilter({
    quit: () => channel.post({ kind: 'quit' }),
    monitor: (rest) => {
      inMonitor = true;
      source?.setRaw(false);
      channel.post({ kind: 'monitor', bytes: rest, entered: true });
    },
  });

  const onBytes = (bytes: Uint8Array): void => {
    if (inMonitor) {
      channel.post({ kind: 'monitor', bytes, entered: false });
      return;
    }
    feed.take(filter.feed(bytes));
  };

  return {
    open: () => {
      source ??= host.openStandardInput({ onBytes, onEnd: () => undefined });
      if (!inMonitor) source.setRaw(true);
    },
    fromConsole: feed.take,
    leaveMonitor: (rest) => {
      inMonitor = false;
      source?.setRaw(true);
      if (rest.length > 0) onBytes(rest);
    },
    continued: () => {
      if (!inMonitor) source?.setRaw(true);
    },
    close: () => {
      feed.close();
      source?.close();
      source = undefined;
    },
  };
}
