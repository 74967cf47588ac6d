import { describe, expect, it } from 'vitest';
import { EngineError } from '../base/index.ts';
import { createDriveBay } from '../board/drives/queue.ts';
import { createDriveServer } from '../board/drives/server.ts';
import { MachineSettings } from '../contract/settings.ts';
import { createMachineMemory } from '../memory/index.ts';
import { runIoThread } from './io-thread.ts';
import { takeKeyReader } from './key-feeder.ts';
import type { FromIo, ThreadPlan, ToIo } from './messages.ts';
import type { ByteSink } from './ports.ts';
import { createSerialLine, takeOutputRing, takeSerialRings } from './serial-line.ts';

interface Given {
  readonly serial?: string;
  /** How many bytes the device takes at once. */
  readonly room?: number;
  readonly sink?: Partial<ByteSink>;
  readonly boot?: () => void;
}

/** An I/O thread in this thread, with a device that stores what it receives and a host that stores what it is given. */
function start({ serial = 'stdio', room = 16, sink, boot }: Given = {}) {
  const memory = createMachineMemory({ ramBytes: 1 << 20, vcpus: 1, arenaBytes: 4 << 20 });
  const rings = takeSerialRings(memory);
  const second = takeSerialRings(memory, 'serial2');
  const bay = createDriveBay(memory, []);
  const line = createSerialLine(rings);
  const received: number[] = [];
  let taken = 0;
  line.onByte(
    (byte) => received.push(byte),
    () => room - (received.length - taken),
  );
  const messages: FromIo[] = [];
  const watchers = new Set<() => void>();
  const terminal = { raw: false, paused: false, closed: false };
  const written: number[] = [];
  const opened: string[] = [];
  let handler: (message: ToIo) => void = () => undefined;
  let type: (bytes: Uint8Array) => void = () => undefined;
  const settings = MachineSettings.parse({ name: 'one', kernel: 'k', serial });
  const plan = { settings, memory: memory.memory, clockOrigin: 0n, role: { kind: 'io' } } as ThreadPlan;
  const output: ByteSink = {
    write: async (bytes) => void written.push(...bytes),
    close: async () => undefined,
    ...sink,
  };
  const ended = runIoThread({
    plan,
    machine: {
      requestWords: [4096],
      boot: () => boot?.(),
      devices: () => [],
      interrupts: () => {
        throw new Error('nobody asks');
      },
      pci: () => [],
      pressPowerButton: () => received.push(-1),
      serveDrives: (events) => createDriveServer({ memory, bay, now: () => 0, work: (body) => body(), ...events }),
      askForTray: () => 'free',
      pressSleepButton: () => received.push(-2),
      keyboard: { key: () => true, keysRead: () => true, move: () => true },
      pointer: { move: () => true, point: () => true, takesPositions: () => false },
      keyReader: takeKeyReader(memory),
      serial: [rings, second],
      printer: takeOutputRing(memory, 'parallel'),
      createScreen: () => undefined,
      deliverInput: () => line.ready(),
    },
    host: {
      openImage: () => {
        throw new Error('no drive is asked for');
      },
      turn: () => Promise.resolve(),
      milliseconds: () => 0,
      readFile: () => new Uint8Array(),
      randomBytes: (count) => new Uint8Array(count),
      openStandardOutput: () => {
        opened.push('stdout');
        return output;
      },
      openOutputFile: (path, _what, options) => {
        opened.push(options?.add ? `${path}+` : path);
        return output;
      },
      openStandardInput: ({ onBytes }) => {
        type = onBytes;
        return {
          terminal: true,
          setRaw: (raw) => {
            terminal.raw = raw;
          },
          pause: () => {
            terminal.paused = true;
          },
          resume: () => {
            terminal.paused = false;
          },
          close: () => {
            terminal.closed = true;
          },
        };
      },
    },
    channel: {
      post: (message) => {
        messages.push(message);
        for (const watcher of watchers) watcher();
      },
      onMessage: (then) => {
        handler = then;
      },
    },
  });
  return {
    rings,
    second,
    received,
    messages,
    terminal,
    written,
    opened,
    ended,
    tell: (message: ToIo) => handler(message),
    type: (text: string) => type(Buffer.from(text, 'latin1')),
    /** The guest reads everything it was given. */
    guestReads: () => {
      taken = received.length;
      line.ready();
    },
  };
}

const text = (bytes: readonly number[]): string => String.fromCharCode(...bytes);
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe('I/O thread', () => {
  it('opens nothing of the host before the images are loaded', async () => {
    const io = start();
    expect(io.opened).toEqual([]);
    io.tell({ kind: 'boot' });
    expect(io.opened).toEqual(['stdout']);
    expect(io.terminal.raw).toBe(true);
    expect(io.messages).toEqual([{ kind: 'built', requestWords: [4096] }, { kind: 'booted' }]);
    io.tell({ kind: 'finish' });
    await io.ended;
    expect(io.terminal.closed).toBe(true);
    expect(io.messages.at(-1)).toEqual({ kind: 'finished' });
  });

  it('hands a refused image back as the error it is', () => {
    const io = start({
      boot: () => {
        throw new EngineError('file-missing', { what: 'kernel', path: 'k' });
      },
    });
    io.tell({ kind: 'boot' });
    expect(io.messages.at(-1)).toEqual({
      kind: 'failed',
      failure: { code: 'file-missing', data: { what: 'kernel', path: 'k' } },
    });
    expect(io.opened).toEqual([]);
  });

  it('writes what the guest sent, all of it before it finishes', async () => {
    const io = start({ serial: 'file:log' });
    io.tell({ kind: 'boot' });
    expect(io.opened).toEqual(['log']);
    const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 31) & 0xff);
    expect(io.rings.output.write(bytes)).toBe(bytes.length);
    io.tell({ kind: 'finish' });
    await io.ended;
    expect(Uint8Array.from(io.written)).toEqual(bytes);
  });

  it('keeps what a port sends in a file as well, from when it is told until it is told otherwise', async () => {
    const io = start({ serial: 'console' });
    io.tell({ kind: 'boot' });
    const send = async (byte: number): Promise<void> => {
      io.rings.output.write(Uint8Array.of(byte));
      io.second.output.write(Uint8Array.of(100 + byte));
      await turn();
    };
    await send(1);
    io.tell({ kind: 'serial-log', id: 7, port: 0, file: 'kept' });
    expect([io.opened, io.messages.at(-1)]).toEqual([['kept+'], { kind: 'carried-out', id: 7 }]);
    await send(2);
    io.tell({ kind: 'serial-log', id: 8, port: 0, file: undefined });
    await send(3);
    io.tell({ kind: 'finish' });
    await io.ended;
    expect(io.written).toEqual([2]);
    const told = io.messages.flatMap((one) => (one.kind === 'serial-output' ? [[one.port, ...one.bytes]] : []));
    expect(told).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
  });

  it('goes on without a file that takes no more', async () => {
    const io = start({
      serial: 'console',
      sink: { write: () => Promise.reject(new EngineError('serial-closed', { reason: 'full' })) },
    });
    io.tell({ kind: 'boot' });
    io.tell({ kind: 'serial-log', id: 1, port: 0, file: 'kept' });
    io.rings.output.write(Uint8Array.of(1));
    await turn();
    expect(io.messages).toContainEqual({
      kind: 'serial-log-ended',
      port: 0,
      failure: { code: 'serial-closed', data: { reason: 'full' } },
    });
    io.rings.output.write(Uint8Array.of(2));
    await turn();
    expect(io.messages.filter(({ kind }) => kind === 'serial-output')).toHaveLength(2);
    io.tell({ kind: 'finish' });
    await io.ended;
  });

  it('says that the reader went away, and goes on taking bytes so that the guest can be stopped', async () => {
    const io = start({ sink: { write: () => Promise.reject(new EngineError('serial-closed', { reason: 'test' })) } });
    io.tell({ kind: 'boot' });
    io.rings.output.write(Uint8Array.of(1));
    await turn();
    expect(io.messages).toContainEqual({ kind: 'failed', failure: { code: 'serial-closed', data: { reason: 'test' } } });
    io.rings.output.write(new Uint8Array(1000));
    await turn();
    expect(io.rings.output.length).toBe(0);
    io.tell({ kind: 'finish' });
    await io.ended;
  });

  it('keeps typed bytes while the guest has no room, and loses none', async () => {
    const io = start({ room: 16 });
    io.tell({ kind: 'boot' });
    const typed = Array.from({ length: 9000 }, (_, at) => String.fromCharCode(97 + (at % 26))).join('');
    io.type(typed);
    expect(io.received).toHaveLength(16);
    expect(io.terminal.paused).toBe(true);
    for (let reads = 0; io.received.length < typed.length && reads < 2000; reads++) {
      io.guestReads();
      if (reads % 64 === 0) await turn();
    }
    await turn();
    expect(text(io.received)).toBe(typed);
    expect(io.terminal.paused).toBe(false);
    io.tell({ kind: 'finish' });
    await io.ended;
  });

  it('gives the monitor what follows its key, and the guest what follows the monitor', async () => {
    const io = start();
    io.tell({ kind: 'boot' });
    io.type('ls\x01chelp\n');
    expect(text(io.received)).toBe('ls');
    expect(io.terminal.raw).toBe(false);
    expect(io.messages.at(-1)).toMatchObject({ kind: 'monitor', entered: true });
    expect(text([...(io.messages.at(-1) as { bytes: Uint8Array }).bytes])).toBe('help\n');
    io.type('continue\n');
    expect(io.messages.at(-1)).toMatchObject({ kind: 'monitor', entered: false });
    io.tell({ kind: 'leave-monitor', rest: Buffer.from('pwd\n') });
    expect(io.terminal.raw).toBe(true);
    expect(text(io.received)).toBe('lspwd\n');
    io.type('\x01x');
    expect(io.messages.at(-1)).toEqual({ kind: 'quit' });
    io.tell({ kind: 'finish' });
    await io.ended;
  });

  it('presses the power button, and takes the terminal again after a stop', async () => {
    const io = start();
    io.tell({ kind: 'boot' });
    io.tell({ kind: 'power-button' });
    expect(io.received).toEqual([-1]);
    io.terminal.raw = false;
    io.tell({ kind: 'continued' });
    expect(io.terminal.raw).toBe(true);
    io.tell({ kind: 'finish' });
    await io.ended;
  });

  it('has no terminal and writes nowhere without a serial port', async () => {
    const io = start({ serial: 'none' });
    io.tell({ kind: 'boot' });
    io.rings.output.write(Uint8Array.of(1, 2, 3));
    await turn();
    expect(io.rings.output.length).toBe(0);
    expect(io.opened).toEqual([]);
    expect(io.terminal.raw).toBe(false);
    io.tell({ kind: 'finish' });
    await io.ended;
  });
});
