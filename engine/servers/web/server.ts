/**
 * The web mode: the renderer's files and one WebSocket per window, on this computer unless somebody gives a certificate. A message that names a machine goes to its
 * engine, any other to the manager; answers and events come back on the same socket.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { EngineError } from '../../contract/errors.ts';
import type { Dispatcher } from '../../contract/serve.ts';
import { MachineName } from '../../contract/settings.ts';
import { maximumRequestBytes } from '../../contract/wire.ts';
import { reasonOf } from '../../host/files.ts';
import { openScreenStream, type ScreenStream } from '../screen-stream.ts';
import { WindowPeer } from '../window-peer.ts';
import { type Admission, admitsHost, admitsRequest, admitsSocket, SUBPROTOCOL } from './admission.ts';
import type { Outside } from './outside.ts';
import { HEADERS, type Page } from './pages.ts';

const HOST = '127.0.0.1';
const USUAL_PORT = { http: 80, https: 443 } as const;
const maximumWindows = 32;

interface Window {
  readonly peer: WindowPeer;
  send(message: unknown): void;
  close(): void;
}

export interface WebServerOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  readonly token: string;
  readonly pages: ReadonlyMap<string, Page>;
  readonly manager: Dispatcher;
  /** Listen there in place of 127.0.0.1, under TLS. */
  readonly outside?: Outside | undefined;
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
export async function serveWeb({ port, token, pages, manager, outside }: WebServerOptions): Promise<WebServer> {
  const windows = new Set<Window>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (!admitsHost(admission, request)) return refuse(response, 403);
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405);
    const machine = SCREEN_PATH.exec(request.url ?? '')?.[1];
    if (machine !== undefined) return serveScreen(machine, admission, request, response);
    const page = pages.get((request.url ?? '').split(/[?#]/, 1)[0] as string);
    if (page === undefined) return refuse(response, 404);
    response.writeHead(200, { ...HEADERS, 'Content-Type': page.type, 'Content-Length': page.bytes.length });
    response.end(request.method === 'HEAD' ? undefined : page.bytes);
  };
  const { cert, key } = outside ?? {};
  const server =
    cert === undefined || key === undefined
      ? createServer(answer)
      : createTlsServer({ cert, key, minVersion: 'TLSv1.2' }, answer);
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
      const send = (message: unknown): void => {
        if (open.readyState === open.OPEN) open.send(JSON.stringify(message));
      };
      const window: Window = { send, peer: new WindowPeer({ manager, send }), close: () => open.close(1001) };
      windows.add(window);
      open.on('error', () => undefined);
      open.on('message', (bytes, binary) => {
        if (binary || !window.peer.receive(String(bytes))) open.close(1008);
      });
      open.on('close', () => {
        window.peer.close();
        windows.delete(window);
      });
    });
  });
  const actual = await listen(server, { port, address: outside?.address ?? HOST });
  const scheme = outside === undefined ? 'http' : 'https';
  const names = outside?.names ?? [HOST, 'localhost'];
  // Browsers leave out a port that goes without saying.
  const ports = actual === USUAL_PORT[scheme] ? [`:${actual}`, ''] : [`:${actual}`];
  const admission: Admission = { hosts: names.flatMap((name) => ports.map((end) => name + end)), scheme, token };
  return {
    port: actual,
    url: `${scheme}://${names[0]}:${actual}/#token=${token}`,
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

/** A machine's screen as it changes, until either end closes. */
const SCREEN_PATH = /^\/machine\/([A-Za-z0-9._-]{1,48})\/screen$/;

function serveScreen(name: string, admission: Admission, request: IncomingMessage, response: ServerResponse): void {
  if (!admitsRequest(admission, request) || request.method !== 'GET' || !MachineName.safeParse(name).success) {
    refuse(response, 403);
    return;
  }
  let stream: ScreenStream | undefined;
  let closed = false;
  response.on('close', () => {
    closed = true;
    stream?.close();
  });
  const listener = { onBytes: (bytes: Uint8Array) => void response.write(bytes), onClose: () => void response.end() };
  // Ends with the connection: chunks of their own would cost as much again as the bytes.
  response.useChunkedEncodingByDefault = false;
  response.shouldKeepAlive = false;
  response.writeHead(200, { ...HEADERS, 'Content-Type': 'application/octet-stream' });
  response.flushHeaders();
  openScreenStream(name, listener).then(
    (opened) => {
      stream = opened;
      if (closed) opened.close();
    },
    // What is wrong with the machine its commands say.
    () => response.end(),
  );
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { ...HEADERS, 'Content-Length': 0 });
  response.end();
}

function listen(server: Server, { port, address }: { readonly port: number; readonly address: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new EngineError('port-taken', { port, reason: reasonOf(cause) }, { cause })));
    server.listen(port, address, () => resolve((server.address() as AddressInfo).port));
  });
}
