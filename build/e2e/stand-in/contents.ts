/** `webContents` and `BrowserWindow` of the stand-in: a page of Chromium with a preload in an isolated world. */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import type { CDPSession, Page } from 'playwright-core';
import { pages } from './chromium.ts';
import { fromStandIn, pageHandler, toStandIn } from './scheme.ts';
import { isolatedWorld, PAGE_WORLD } from './worlds.ts';

const WORLD = 'stand-in preload';

/** One end of a channel in the main process; the other is in a page. */
export class MessagePortMain extends EventEmitter {
  /** Set when the other end has been given to a page. */
  deliver: ((data: unknown) => void) | undefined;
  shut: (() => void) | undefined;
  other: MessagePortMain | undefined;
  #early: unknown[] | undefined = [];

  postMessage(data: unknown): void {
    this.other?.deliver?.(data);
  }

  /** From the page. */
  arrive(data: unknown): void {
    if (this.#early === undefined) this.emit('message', { data });
    else this.#early.push(data);
  }

  start(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const data of early) this.emit('message', { data });
  }

  close(): void {
    this.other?.shut?.();
  }
}

export class MessageChannelMain {
  readonly port1 = new MessagePortMain();
  readonly port2 = new MessagePortMain();

  constructor() {
    this.port1.other = this.port2;
    this.port2.other = this.port1;
  }
}

/** Messages cross as JSON here, where Electron clones them: bytes become text, which the page's half makes bytes again. */
function bytesAsText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? { standInBytes: Buffer.from(value).toString('base64') } : value;
}

let nextId = 1;
const all = new Map<number, WebContents>();

export class WebContents extends EventEmitter {
  readonly id = nextId++;
  readonly #preload: string;
  readonly #toMain: (event: unknown, channel: string, args: unknown[]) => void;
  readonly #ports = new Map<number, MessagePortMain>();
  #page: Page | undefined;
  #session: CDPSession | undefined;
  #world: number | undefined;
  #nextPort = 1;
  #openHandler: (details: { url: string }) => { action: string } = () => ({ action: 'allow' });
  readonly mainFrame: { readonly url: string };

  constructor(preload: string, toMain: (event: unknown, channel: string, args: unknown[]) => void) {
    super();
    this.#preload = preload;
    this.#toMain = toMain;
    const contents = this;
    this.mainFrame = {
      get url() {
        return fromStandIn(contents.#page?.url() ?? 'about:blank');
      },
    };
    all.set(this.id, this);
  }

  static find(accept: (contents: WebContents) => boolean): WebContents | undefined {
    return [...all.values()].find(accept);
  }

  setWindowOpenHandler(handler: (details: { url: string }) => { action: string }): void {
    this.#openHandler = handler;
  }

  async load(url: string): Promise<void> {
    const page = await pages().newPage();
    this.#page = page;
    page.on('close', () => {
      all.delete(this.id);
      this.emit('destroyed');
    });
    page.on('popup', (popup) => {
      if (this.#openHandler({ url: popup.url() }).action === 'deny') void popup.close();
    });
    await page.route('**/*', (route) => this.#route(route));
    const session = await pages().newCDPSession(page);
    this.#session = session;
    session.on('Runtime.executionContextCreated', ({ context }) => {
      if (context.name === WORLD) this.#world = context.id;
    });
    session.on('Runtime.bindingCalled', ({ name, payload }) => {
      if (name === 'standInSend') this.#arrived(JSON.parse(payload));
    });
    await session.send('Runtime.enable');
    await session.send('Page.enable');
    await session.send('Runtime.addBinding', { name: 'standInSend', executionContextName: WORLD });
    await session.send('Page.addScriptToEvaluateOnNewDocument', { source: PAGE_WORLD });
    const source = isolatedWorld(readFileSync(this.#preload, 'utf8'));
    await session.send('Page.addScriptToEvaluateOnNewDocument', { source, worldName: WORLD });
    await page.goto(toStandIn(url));
    this.emit('did-finish-load');
  }

  postMessage(channel: string, message: unknown, transfer: readonly MessagePortMain[] = []): void {
    const ids = transfer.map((port) => {
      const id = this.#nextPort++;
      this.#ports.set(id, port);
      port.deliver = (data) => this.#evaluate('port', [id, data]);
      port.shut = () => this.#evaluate('closePort', [id]);
      return id;
    });
    this.#evaluate('receive', [channel, [message], ids]);
  }

  getURL(): string {
    return this.mainFrame.url;
  }

  isDestroyed(): boolean {
    return !all.has(this.id);
  }

  /** Asked by Playwright, which knows pages by their targets. */
  async close(): Promise<void> {
    await this.#page?.close();
  }

  #evaluate(name: string, args: readonly unknown[]): void {
    const expression = `standIn.${name}(...${JSON.stringify(args, bytesAsText)})`;
    const contextId = this.#world;
    if (contextId !== undefined) this.#session?.send('Runtime.evaluate', { expression, contextId }).catch(() => undefined);
  }

  #arrived(message: { kind: 'send'; channel: string; args: unknown[] } | { kind: 'port'; id: number; data: unknown }): void {
    if (message.kind === 'port') this.#ports.get(message.id)?.other?.arrive(message.data);
    else this.#toMain({ sender: this, senderFrame: this.mainFrame }, message.channel, message.args);
  }

  async #route(route: Parameters<Parameters<Page['route']>[1]>[0]): Promise<void> {
    const request = route.request();
    const url = fromStandIn(request.url());
    if (request.isNavigationRequest() && request.frame() === this.#page?.mainFrame() && this.#page.url() !== 'about:blank') {
      let stays = true;
      const preventDefault = (): void => {
        stays = false;
      };
      this.emit('will-navigate', { url, preventDefault });
      if (!stays) return route.abort('aborted');
    }
    const answer = await pageHandler(url)?.(new Request(url.replace(/^[a-z-]+:/, 'https:'), { method: request.method() }), url);
    if (answer === undefined) return route.abort('blockedbyclient');
    await route.fulfill({
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: Buffer.from(await answer.arrayBuffer()),
    });
  }
}
