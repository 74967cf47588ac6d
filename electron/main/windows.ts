/** Windows, and the port of each to the manager and the engines. */
import type { BrowserWindow, BrowserWindowConstructorOptions, IpcMain, IpcMainEvent, MessageChannelMain } from 'electron';
import type { Dispatcher } from '../../engine/contract/serve.ts';
import { maximumRequestBytes } from '../../engine/contract/wire.ts';
import { WindowPeer } from '../../engine/servers/window-peer.ts';
import { isOurPage, START_PAGE, webPreferences } from './security.ts';

export interface WindowsOptions {
  readonly create: (options: BrowserWindowConstructorOptions) => BrowserWindow;
  readonly channel: () => MessageChannelMain;
  readonly ipc: IpcMain;
  readonly preload: string;
  readonly manager: Dispatcher;
}

export class Windows {
  readonly #options: WindowsOptions;
  readonly #open = new Set<BrowserWindow>();
  /** By the page's contents: what sends to its port, and what ends it. */
  readonly #ports = new Map<number, { send(message: unknown): void; close(): void }>();

  constructor(options: WindowsOptions) {
    this.#options = options;
    options.ipc.on('window-connect', (event) => this.#connect(event));
  }

  /** Show the library, or one machine. */
  open(machine?: string): BrowserWindow {
    const window = this.#options.create({
      width: 1100,
      height: 720,
      minWidth: 480,
      minHeight: 360,
      show: false,
      title: 'Rootmode',
      webPreferences: webPreferences(this.#options.preload),
    });
    this.#open.add(window);
    const { id } = window.webContents;
    window.once('ready-to-show', () => window.show());
    window.on('closed', () => {
      this.#open.delete(window);
      this.#disconnect(id);
    });
    void window.loadURL(machine === undefined ? START_PAGE : `${START_PAGE}#/machine/${encodeURIComponent(machine)}`);
    return window;
  }

  /** To the front, or a new one when there is none. */
  show(machine?: string): void {
    const [first] = this.#open;
    if (first === undefined || machine !== undefined) {
      this.open(machine);
      return;
    }
    if (first.isMinimized()) first.restore();
    first.focus();
  }

  /** Tell every page. */
  announce(event: string, data: Readonly<Record<string, unknown>>): void {
    for (const { send } of this.#ports.values()) send({ event, data });
  }

  /** A page asks for its port; a page that is reloaded asks again. Anybody else gets nothing. */
  #connect(event: IpcMainEvent): void {
    const frame = event.senderFrame;
    if (frame === null || frame !== event.sender.mainFrame || !isOurPage(frame.url)) return;
    const { id } = event.sender;
    this.#disconnect(id);
    const { port1, port2 } = this.#options.channel();
    const send = (message: unknown): void => port1.postMessage(JSON.stringify(message));
    const sendRecord = (stream: number, record: Uint8Array): void => port1.postMessage({ stream, record });
    const peer = new WindowPeer({ manager: this.#options.manager, send, sendRecord });
    port1.on('message', ({ data }) => {
      const fits = typeof data === 'string' && Buffer.byteLength(data) <= maximumRequestBytes;
      if (!fits || !peer.receive(data)) this.#disconnect(id);
    });
    port1.start();
    this.#ports.set(id, {
      send,
      close: () => {
        peer.close();
        port1.close();
      },
    });
    event.sender.postMessage('window-port', null, [port2]);
  }

  #disconnect(contents: number): void {
    this.#ports.get(contents)?.close();
    this.#ports.delete(contents);
  }
}
