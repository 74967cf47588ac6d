import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createClient } from './client.ts';
import { command, methodName } from './command.ts';
import { engineCommands, machineRegisters } from './commands.ts';
import { EngineError } from './errors.ts';
import { ImageName } from './image-commands.ts';
import { createDispatcher, describeCommand, serve } from './serve.ts';
import { MachineName, MachineSettings } from './settings.ts';

const add = command({
  name: 'test-add-one',
  since: '0.1',
  doc: 'Adds one.',
  allowedIn: ['running'],
  params: z.strictObject({ value: z.int().max(100) }),
  result: z.strictObject({ value: z.int() }),
  errors: [],
});
const fail = command({ ...add, name: 'test-fail', allowedIn: ['starting', 'running'] });
const broken = command({ ...fail, name: 'test-broken' });

function dispatcher(status: 'starting' | 'running' = 'running') {
  return createDispatcher({
    context: { step: 1 },
    status: () => status,
    served: [
      serve(add, ({ value }, context: { step: number }) => ({ value: value + context.step })),
      serve(fail, () => {
        throw new EngineError('vcpu-unknown', { vcpu: 7, vcpus: 2 });
      }),
      serve(broken, () => ({ value: 'text' as unknown as number })),
    ],
  });
}

describe('dispatcher', () => {
  it('answers a command with its result and the request id', async () => {
    expect(await dispatcher().dispatch({ execute: 'test-add-one', arguments: { value: 41 }, id: 'a' })).toEqual({
      return: { value: 42 },
      id: 'a',
    });
  });

  it.each([
    ['null', null, 'message-invalid'],
    ['an array', [1], 'message-invalid'],
    ['a member nobody knows', { execute: 'test-add-one', arguments: { value: 1 }, extra: 1 }, 'message-invalid'],
    ['an unknown command', { execute: 'format-disk' }, 'command-unknown'],
    ['a name of the object prototype', { execute: 'constructor' }, 'command-unknown'],
    ['arguments left out', { execute: 'test-add-one' }, 'arguments-invalid'],
    ['an argument out of range', { execute: 'test-add-one', arguments: { value: 101 } }, 'arguments-invalid'],
    ['an argument nobody knows', { execute: 'test-add-one', arguments: { value: 1, other: 2 } }, 'arguments-invalid'],
    ['a failing handler', { execute: 'test-fail', arguments: { value: 1 } }, 'vcpu-unknown'],
    ['a handler that breaks its own promise', { execute: 'test-broken', arguments: { value: 1 } }, 'internal'],
  ])('refuses %s', async (_what, message, code) => {
    expect(await dispatcher().dispatch(message)).toMatchObject({ error: { class: code } });
  });

  it('refuses a command in a status that does not allow it', async () => {
    const answer = await dispatcher('starting').dispatch({ execute: 'test-add-one', arguments: { value: 1 } });
    expect(answer).toMatchObject({ error: { class: 'command-not-allowed', data: { status: 'starting' } } });
  });

  it('prints no control characters of a hostile name', async () => {
    const answer = await dispatcher().dispatch({ execute: '\u001b[2J\u009b' });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect((answer as { error: { desc: string } }).error.desc).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect((answer as { error: { desc: string } }).error.desc).toContain('\\u001b[2J?');
  });
});

describe('client', () => {
  const client = createClient([add, fail], { request: (message) => dispatcher().dispatch(message) });

  it('has a method for each command', async () => {
    expect(methodName('machine-power-button')).toBe('machinePowerButton');
    expect(await client.testAddOne({ value: 1 })).toEqual({ value: 2 });
  });

  it('rejects with the error the engine answered', async () => {
    await expect(client.testFail({ value: 1 })).rejects.toMatchObject({ code: 'vcpu-unknown', data: { vcpu: 7, vcpus: 2 } });
  });

  it.each([
    ['another result', { return: { value: 'x' } }],
    ['neither result nor error', { id: 1 }],
    ['no object', 'hello'],
  ])('refuses an answer that is %s', async (_what, answer) => {
    const odd = createClient([add], { request: async () => answer });
    await expect(odd.testAddOne({ value: 1 })).rejects.toMatchObject({ code: 'answer-invalid' });
  });
});

describe('engine commands', () => {
  it('have distinct names and a JSON Schema each', () => {
    expect(new Set(engineCommands.map(({ name }) => name)).size).toBe(engineCommands.length);
    expect(describeCommand(machineRegisters).params).toMatchObject({
      type: 'object',
      properties: { vcpu: { type: 'integer', minimum: 0 } },
      additionalProperties: false,
    });
    for (const one of engineCommands) expect(describeCommand(one).result).toMatchObject({ type: 'object' });
  });
});

describe('machine settings', () => {
  it('fills in what was not said', () => {
    expect(MachineSettings.parse({ name: 'a', kernel: 'k' })).toMatchObject({
      memoryKiB: 512 * 1024,
      cpus: 1,
      cpu: 'x86-64-v2',
      accel: 'software',
      serial: 'stdio',
      noReboot: false,
    });
  });

  it.each([
    ['a name that leaves its folder', { name: '../a' }],
    ['a hidden name', { name: '.a' }],
    ['a name that looks like an option', { name: '-a' }],
    ['memory below 1 MiB', { memoryKiB: 1023 }],
    ['memory above 3.5 GiB', { memoryKiB: 3584 * 1024 + 1 }],
    ['half a KiB', { memoryKiB: 2048.5 }],
    ['no vCPU', { cpus: 0 }],
    ['a processor nobody made', { cpu: 'z80' }],
    ['a serial file without a name', { serial: 'file:' }],
    ['a member nobody knows', { colour: 'red' }],
  ])('refuses %s', (_what, change) => {
    expect(MachineSettings.safeParse({ name: 'a', kernel: 'k', ...change }).success).toBe(false);
  });
});

describe('names that become files', () => {
  const hostile = ['..', '../up', 'a/b', 'a\\b', '.hidden', '-option', '', 'a\0b', 'a\nb', 'x'.repeat(200), 'ü', '<img>', 'a b'];
  it.each(hostile)('%j is none', (name) => {
    expect([MachineName.safeParse(name).success, ImageName.safeParse(name).success]).toEqual([false, false]);
  });
});
