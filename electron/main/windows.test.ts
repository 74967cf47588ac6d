import { EventEmitter } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { BrowserWindow, IpcMain, MessageChannelMain } from 'electron';
import { beforeEach, describe, expect, it } from 'vitest';
import { libraryList } from '../../engine/contract/library-commands.ts';
import { createDispatcher, serve } from '../../engine/contract/serve.ts';
import { START_PAGE } from './security.ts';
import { Windows } from './windows.ts';

const manager = createDispatcher({
  context: undefined,
  status: () => 'running' as const,
  served: [serve(libraryList, () => ({ folder: '/f', machines: [] }))],
});

/** Node's channel behind the names that Electron's has. */
function channel(): MessageChannelMain {
  const { port1, port2 } = new MessageChannel();
  const main = Object.assign(new EventEmitter(), {
    postMessage: (data: unknown) => port1.postMessage(data),
    start: () => port1.on('message', (data) => main.emit('message', { data })),
    close: () => port1.close(),
  });
  return { port1: main, port2 } as unknown as MessageChannelMain;
}

let ipc: EventEmitter;
let windows: Windows;
let given: MessagePort[];
const mainFrame = { url: START_PAGE };

beforeEach(() => {
  ipc = new EventEmitter();
  given = [];
  windows = new Windows({
    create: () => ({}) as BrowserWindow,
    channel,
    ipc: ipc as unknown as IpcMain,
    preload: '/preload.cjs',
    manager,
  });
});

function connect(frame: { url: string } | null, main = mainFrame): void {
  const sender = { id: 1, mainFrame: main, postMessage: (_name: string, _data: null, [port]: [MessagePort]) => given.push(port) };
  ipc.emit('window-connect', { sender, senderFrame: frame });
}

function ask(port: MessagePort, message: unknown): Promise<unknown> {
  const answer = new Promise((resolve) => port.once('message', (text) => resolve(JSON.parse(text))));
  port.postMessage(message);
  return answer;
}

describe('a port', () => {
  it('is given to our page and carries its requests', async () => {
    connect(mainFrame);
    expect(await ask(given[0] as MessagePort, '{"execute":"library-list","id":1}')).toEqual({
      return: { folder: '/f', machines: [] },
      id: 1,
    });
    given[0]?.close();
  });

  it.each([
    ['a frame inside the page', { url: START_PAGE }],
    ['a page from elsewhere', { url: 'https://evil.example/' }],
    ['a frame that is gone', null],
  ])('is not given to %s', (_what, frame) => {
    connect(frame);
    expect(given).toEqual([]);
  });

  it('is not given to a page from elsewhere that fills its window', () => {
    const evil = { url: 'https://evil.example/' };
    connect(evil, evil);
    expect(given).toEqual([]);
  });

  it('tells events, and an old one of the same page is closed when it asks again', async () => {
    connect(mainFrame);
    const closed = new Promise((resolve) => given[0]?.once('close', () => resolve('closed')));
    connect(mainFrame);
    expect(await closed).toBe('closed');
    const told = new Promise((resolve) => given[1]?.once('message', (text) => resolve(JSON.parse(text))));
    windows.announce('library-changed', {});
    expect(await told).toEqual({ event: 'library-changed', data: {} });
    given[1]?.close();
  });

  it.each([
    ['something that is no text', { execute: 'library-list' }],
    ['a message that is too long', 'x'.repeat(65537)],
  ])('is closed on %s', async (_what, message) => {
    connect(mainFrame);
    const closed = new Promise((resolve) => given[0]?.once('close', () => resolve('closed')));
    given[0]?.postMessage(message);
    expect(await closed).toBe('closed');
  });
});
