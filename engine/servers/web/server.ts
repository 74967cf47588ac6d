/**
 * The web mode: the renderer's files and one WebSocket per window, on this computer only. A message that names a machine goes to its
 * engine, any other to the manager; answers and events come back on the same socket.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { EngineError } from '../../contract/errors.ts';
import { type Dispatcher, toWire } from '../../contract/serve.ts';
import { MachineName } from '../../contract/settings.ts';
import { maximumRequestBytes, WireRequest } from '../../contract/wire.ts';
import { reasonOf } from '../../host/files.ts';
import { connectEngine, type EngineConnection } from '../engine-connection.ts';
import { type Admission, admitsHost, admitsSocket, SUBPROTOCOL } from './admission.ts';
import { HEADERS, type Page } from './pages.ts';

const HOST = '127.0.0.1';
const maximumWindows = 32;
/** Requests of one window that may wait for their answers. */
const maximumPending = 256;

export interface WebServerOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  readonly token: string;
  readonly pages: ReadonlyMap<string, Page>;
  readonly manager: Dispatcher;
}

export interface WebServer {
  readonly port: number;
  /** Where a browser finds it, the token included (in the fragment, which is sent to nobody). */
  readonly url: string;
  /** Tell every window. */
  announce(event: string, data: Readonly<Record<string, unknown>>): void;
  close(): Promise<void>;
}

/** Serve until closed. Fails with `port-taken`. */
export async function serveWeb({ port, token, pages, manager }: WebServerOptions): Promise<WebServer> {
  const windows = new Set<Window>();
  const server = createServer((request, response) => {
    if (!admitsHost(admission, request)) return refuse(response, 403);
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405);
    const page = pages.get((request.url ?? '').split(/[?#]/, 1)[0] as string);
    if (page === undefined) return refuse(response, 404);
    response.writeHead(200, { ...HEADERS, 'Content-Type': page.type, 'Content-Length': page.bytes.length });
    response.end(request.method === 'HEAD' ? undefined : page.bytes);
  });
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maximumRequestBytes,
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => undefined);
    if (!admitsSocket(admission, request) || windows.size >= maximumWindows) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (open) => {
      const window = new Window(open, manager);
      windows.add(window);
      open.on('close', () => windows.delete(window));
    });
  });
  const actual = await listen(server, port);
  const admission: Admission = { hosts: [`${HOST}:${actual}`, `localhost:${actual}`], scheme: 'http', token };
  return {
    port: actual,
    url: `http://${HOST}:${actual}/#token=${token}`,
    announce: (event, data) => {
      for (const window of windows) window.send({ event, data });
    },
    close: async () => {
      for (const window of windows) window.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { ...HEADERS, 'Content-Length': 0 });
  response.end();
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new EngineError('port-taken', { port, reason: reasonOf(cause) }, { cause })));
    server.listen(port, HOST, () => resolve((server.address() as AddressInfo).port));
  });
}

/** One browser window: its requests in flight and the engines it talks to. */
class Window {
  readonly #socket: WebSocket;
  readonly #manager: Dispatcher;
  readonly #engines = new Map<string, Promise<EngineConnection>>();
  #pending = 0;

  constructor(socket: WebSocket, manager: Dispatcher) {
    this.#socket = socket;
    this.#manager = manager;
    socket.on('error', () => undefined);
    socket.on('message', (bytes, binary) => {
      if (binary || ++this.#pending > maximumPending) return socket.close(1008);
      void this.#serve(String(bytes)).then((answer) => {
        this.#pending--;
        this.send(answer);
      });
    });
    socket.on('close', () => this.#drop());
  }

  send(message: unknown): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  close(): void {
    this.#socket.close(1001);
    this.#drop();
  }

  async #serve(text: string): Promise<unknown> {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return { error: toWire(new EngineError('message-invalid', { reason: 'it is not JSON' })) };
    }
    const { to, ...request } = (typeof message === 'object' && message !== null ? message : {}) as { to?: unknown };
    if (to === undefined) return this.#manager.dispatch(message);
    const id = (request as { id?: unknown }).id;
    const tag = typeof id === 'number' || typeof id === 'string' ? { id } : {};
    try {
      const name = MachineName.safeParse(to);
      const parsed = WireRequest.safeParse(request);
      if (!name.success || !parsed.success) throw new EngineError('message-invalid', { reason: 'it is no request to a machine' });
      const { id: _id, ...forEngine } = parsed.data;
      const engine = await this.#engine(name.data);
      return { ...((await engine.request(forEngine)) as object), ...tag };
    } catch (error) {
      return { error: toWire(error), ...tag };
    }
  }

  /** The connection to a machine's engine, made once; one that failed or closed is forgotten, so that the next request tries again. */
  async #engine(name: string): Promise<EngineConnection> {
    const known = this.#engines.get(name);
    if (known !== undefined) return known;
    const made = connectEngine(name);
    this.#engines.set(name, made);
    const forget = (): void => {
      if (this.#engines.get(name) === made) this.#engines.delete(name);
    };
    made.then((engine) => {
      engine.onClose(forget);
      engine.onEvent((event) => this.send({ ...event, from: name }));
    }, forget);
    return made;
  }

  #drop(): void {
    for (const engine of this.#engines.values())
      engine.then(
        (connection) => connection.close(),
        () => undefined,
      );
    this.#engines.clear();
  }
}
