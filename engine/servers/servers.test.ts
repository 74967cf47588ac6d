import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../contract/client.ts';
import {
  commandList,
  engineCommands,
  machinePowerButton,
  machineQuit,
  machineRegisters,
  machineReset,
  machineStatus,
} from '../contract/commands.ts';
import { EngineError } from '../contract/errors.ts';
import { eventsSubscribe } from '../contract/events.ts';
import { createDispatcher, describeCommand, serve } from '../contract/serve.ts';
import { maximumRequestBytes } from '../contract/wire.ts';
import type { OwnedSocket } from '../host/owned-socket.ts';
import { socketPath } from '../host/runtime-directory.ts';
import { serveCommandSocket } from './command-door.ts';
import { connectEngine, runningMachines } from './engine-connection.ts';
import { LineSplitter } from './lines.ts';
import { createMonitor } from './monitor.ts';
import { createMonitorConsole } from './monitor-console.ts';
import { registerText } from './register-text.ts';

const registers = {
  vcpus: [
    {
      vcpu: 0,
      registers: [
        { group: 'kvm_regs', name: 'rax', value: '0x0000000000000001' },
        { group: 'kvm_regs', name: 'rip', value: '0xffffffff81000000' },
        { group: 'kvm_sregs', name: 'cr0', value: '0x0000000080050033' },
      ],
    },
  ],
};

let pressed = 0;
const dispatcher = createDispatcher({
  context: undefined,
  status: () => 'running' as const,
  served: [
    serve(machineStatus, () => {
      throw new EngineError('machine-not-answering', { name: 'one', seconds: 2 });
    }),
    serve(machineRegisters, ({ vcpu = 0 }) => {
      if (vcpu > 0) throw new EngineError('vcpu-unknown', { vcpu, vcpus: 1 });
      return registers;
    }),
    serve(machinePowerButton, () => {
      pressed++;
      return {};
    }),
    serve(machineReset, () => ({})),
    serve(machineQuit, () => ({})),
    serve(eventsSubscribe, () => ({})),
    serve(commandList, () => ({ commands: engineCommands.map(describeCommand) })),
  ],
});

let told: ((data: Record<string, unknown>) => void) | undefined;
const subscribe = (_event: string, tell: (data: Record<string, unknown>) => void) => {
  told = tell;
  return () => {
    told = undefined;
  };
};

let folder: string;
let before: string | undefined;
let socket: OwnedSocket;

beforeEach(async () => {
  pressed = 0;
  folder = mkdtempSync(join(tmpdir(), 'rootmode-servers-'));
  before = process.env.XDG_RUNTIME_DIR;
  process.env.XDG_RUNTIME_DIR = folder;
  socket = await serveCommandSocket({
    name: 'one',
    version: '0.0.0',
    dispatcher: async () => dispatcher,
    subscribe,
    viewScreen: async () => () => undefined,
  });
});
afterEach(async () => {
  await socket.close();
  expect(readdirSync(folder)).toEqual([]);
  if (before === undefined) delete process.env.XDG_RUNTIME_DIR;
  else process.env.XDG_RUNTIME_DIR = before;
  rmSync(folder, { recursive: true });
});

/** Sends bytes as they are and gives everything that came back by the time the server closed, or after `lines` lines. */
function raw(bytes: string | Uint8Array, lines = Number.POSITIVE_INFINITY): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const peer: Socket = createConnection(socketPath('one'), () => peer.write(bytes));
    peer.on('data', (chunk) => {
      text += chunk.toString();
      if (text.split('\n').length > lines) peer.destroy();
    });
    peer.on('error', () => undefined);
    peer.on('close', () => resolve(text));
  });
}

describe('command socket', () => {
  it('serves the derived client', async () => {
    const connection = await connectEngine('one');
    const client = createClient(engineCommands, connection);
    expect(await client.machineRegisters({})).toEqual(registers);
    await expect(client.machineRegisters({ vcpu: 3 })).rejects.toThrow(
      'There is no vCPU 3; this machine has 1, numbered from 0.',
    );
    await expect(client.machineStatus({})).rejects.toMatchObject({ code: 'machine-not-answering' });
    expect((await client.commandList({})).commands.map(({ name }) => name)).toContain('machine-power-button');
    connection.close();
    await expect(client.machineRegisters({})).rejects.toMatchObject({ code: 'connection-closed' });
  });

  it('keeps the order of requests written at once, and their ids', async () => {
    const requests = ['{"execute":"machine-power-button","id":"a"}', 'not json', '{"execute":"machine-registers","id":7}', ''];
    const [greeting, ...answers] = (await raw(requests.join('\r\n'), 4))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(greeting).toEqual({ rootmode: { version: '0.0.0', machine: 'one' } });
    expect(answers).toMatchObject([
      { return: {}, id: 'a' },
      { error: { class: 'message-invalid' } },
      { return: registers, id: 7 },
    ]);
    expect(pressed).toBe(1);
  });

  it('cuts off a line that does not end, and nobody else', async () => {
    const answer = await raw('x'.repeat(maximumRequestBytes + 1));
    expect(answer.trim().split('\n').at(-1)).toContain('"class":"message-too-long"');
    expect(await runningMachines()).toEqual(['one']);
  });

  it('cuts off a peer that sends without reading answers', async () => {
    expect((await raw('{"execute":"machine-registers"}\n'.repeat(100_000))).length).toBeLessThan(1_000_000);
    expect(await runningMachines()).toEqual(['one']);
  });

  it.each([
    ['deep nesting', `${'['.repeat(30_000)}\n`],
    ['invalid UTF-8', Uint8Array.of(0xff, 0xfe, 0x80, 0x0a)],
    ['numbers beyond double', '{"execute":"machine-registers","arguments":{"vcpu":1e999}}\n'],
    ['zeros', new Uint8Array(100).fill(0, 0, 99).fill(10, 99)],
  ])('answers %s with an error and serves on', async (_what, bytes) => {
    expect(await raw(bytes, 2)).toMatch(/"class":"(message|arguments)-invalid"/);
    expect(await raw('{"execute":"machine-registers"}\n', 2)).toContain('"return"');
  });
});

describe('events', () => {
  it('are told to those who subscribed, until they leave', async () => {
    const connection = await connectEngine('one');
    const heard: unknown[] = [];
    connection.onEvent((event) => heard.push(event));
    expect(told).toBeUndefined();
    await createClient(engineCommands, connection).eventsSubscribe({ events: ['serial-output'] });
    told?.({ port: 0, bytes: 'aGk=', history: false });
    await createClient(engineCommands, connection).machineRegisters({});
    expect(heard).toEqual([{ event: 'serial-output', data: { port: 0, bytes: 'aGk=', history: false } }]);
    const closed = new Promise<void>((resolve) => connection.onClose(resolve));
    connection.close();
    await closed;
    while (told !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('that do not exist are refused', async () => {
    const answer = await raw('{"execute":"events-subscribe","arguments":{"events":["all"]}}\n', 2);
    expect(answer).toContain('"class":"arguments-invalid"');
    expect(told).toBeUndefined();
  });
});

describe('a request that was damaged', () => {
  it('gets exactly one answer, whatever the damage', async () => {
    // A linear congruential sequence with a kept seed: the same damage in every run.
    let seed = 0x7a1ce5;
    const next = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const good = ['{"execute":"machine-registers","arguments":{"vcpu":0},"id":1}', '{"execute":"command-list","id":"x"}'];
    for (let round = 0; round < 20; round++) {
      const lines = Array.from({ length: 50 }, () => {
        const bytes = Buffer.from(good[next(2)] ?? '');
        for (let damage = 1 + next(4); damage > 0; damage--) bytes[next(bytes.length)] = 32 + next(224);
        return Buffer.concat([bytes.subarray(0, 1 + next(bytes.length * 2)), Buffer.from('\n')]);
      }).filter((line) => line.toString().trim() !== '');
      const answers = (await raw(Buffer.concat(lines), lines.length + 1)).trim().split('\n').slice(1);
      expect(answers).toHaveLength(lines.length);
      for (const answer of answers) expect(Object.keys(JSON.parse(answer))[0]).toMatch(/^(return|error)$/);
      for (const answer of answers) expect(answer).not.toContain('"class":"internal"');
    }
  });
});

describe('a prototype among the arguments', () => {
  it('is dropped before it reaches anybody', async () => {
    const hostile = '{"execute":"machine-registers","arguments":{"__proto__":{"vcpu":3}}}\n';
    expect(await raw(hostile, 2)).toContain('"return"');
    expect(Object.hasOwn(Object.prototype, 'vcpu')).toBe(false);
  });
});

describe('connecting', () => {
  it('says which machines run when the wanted one does not', async () => {
    await expect(connectEngine('two')).rejects.toThrow('No machine named two is running; name one that runs: one.');
  });
});

describe('lines', () => {
  it('are put together whatever the cuts are', () => {
    const seen: string[] = [];
    const lines = new LineSplitter({ maximum: 8, onLine: (line) => seen.push(line), onOverflow: () => seen.push('overflow') });
    const bytes = Buffer.from('grün\r\n\nab\n123456789\nafter\n');
    for (const byte of bytes) lines.push(Uint8Array.of(byte));
    expect(seen).toEqual(['grün', '', 'ab', 'overflow']);
  });
});

describe('monitor', () => {
  async function typed(...lines: string[]): Promise<string> {
    let text = '';
    const monitor = createMonitor({
      dispatcher,
      print: (more) => {
        text += more;
      },
      leave: () => {
        text += '<left>';
      },
    });
    monitor.enter();
    for (const line of lines) await monitor.line(line);
    return text;
  }

  it('carries out commands by their short names', async () => {
    expect(await typed('registers', 'power-button')).toContain('rip 0xffffffff81000000');
    expect(pressed).toBe(1);
  });

  it('passes arguments on and prints refusals', async () => {
    expect(await typed('registers vcpu=3')).toContain('There is no vCPU 3');
    expect(await typed('registers vcpu=x')).toContain('The arguments of machine-registers are wrong (vcpu: ');
    expect(await typed('registers 3')).toContain('3 is not name=value');
    expect(await typed('frobnicate')).toContain('There is no command frobnicate');
  });

  it('lists every command and goes back to the guest', async () => {
    const text = await typed('help', 'continue');
    const lines = engineCommands.filter(({ name }) => name !== 'monitor-line');
    for (const { name } of lines) expect(text).toContain(name.replace('machine-', ''));
    // A line within a line says nothing new.
    expect(text).not.toContain('monitor-line');
    expect(text.endsWith('<left>')).toBe(true);
  });
});

describe('monitor on a terminal', () => {
  function terminal() {
    const seen = { printed: '', guest: '' };
    const console = createMonitorConsole({
      dispatcher,
      print: (text) => {
        seen.printed += text;
      },
      leave: (rest) => {
        seen.guest += Buffer.from(rest).toString();
      },
    });
    return { seen, console, settled: () => new Promise((resolve) => setTimeout(resolve, 20)) };
  }

  it('takes lines whatever the cuts are, and gives back what follows `continue`', async () => {
    const { seen, console, settled } = terminal();
    console.feed(Buffer.from('power-but'), true);
    console.feed(Buffer.from('ton\rcontinue\nls\n'), false);
    await settled();
    console.feed(Buffer.from('more'), false);
    expect(pressed).toBe(1);
    expect(seen.guest).toBe('ls\nmore');
    expect(seen.printed.match(/\(rootmode\) /g)).toHaveLength(2);
  });

  it('forgets a line without end', async () => {
    const { seen, console, settled } = terminal();
    console.feed(Buffer.from('x'.repeat(5000)), true);
    await settled();
    console.feed(Buffer.from('\npower-button\n'), false);
    await settled();
    expect(pressed).toBe(1);
    expect(seen.guest).toBe('');
  });
});

describe('register text', () => {
  it('sets groups apart and loses no register', () => {
    expect(registerText(registers)).toBe(
      [
        'vCPU 0',
        '  kvm_regs',
        '    rax 0x0000000000000001    rip 0xffffffff81000000',
        '  kvm_sregs',
        '    cr0 0x0000000080050033',
        '',
      ].join('\n'),
    );
  });
});
