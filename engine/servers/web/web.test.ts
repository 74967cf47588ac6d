import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { libraryForget, libraryList } from '../../contract/library-commands.ts';
import { createDispatcher, serve } from '../../contract/serve.ts';
import { maximumRequestBytes } from '../../contract/wire.ts';
import { admitsRequest } from './admission.ts';
import { readPages } from './pages.ts';
import { serveWeb, type WebServer } from './server.ts';

const token = 'the-right-token';
let folder: string;
let server: WebServer;
let runtime: string | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-web-'));
  runtime = process.env.XDG_RUNTIME_DIR;
  process.env.XDG_RUNTIME_DIR = folder;
  mkdirSync(join(folder, 'pages/assets'), { recursive: true });
  writeFileSync(join(folder, 'pages/index.html'), '<p>page</p>');
  writeFileSync(join(folder, 'pages/assets/a.js'), 'let a;');
  writeFileSync(join(folder, 'pages/secret.key'), 'no page');
  writeFileSync(join(folder, 'outside.html'), 'outside');
  const manager = createDispatcher({
    context: undefined,
    status: () => 'running' as const,
    served: [serve(libraryList, () => ({ folder: '/f', machines: [] })), serve(libraryForget, () => ({}))],
  });
  server = await serveWeb({ port: 0, token, pages: readPages(join(folder, 'pages')), manager });
});
afterEach(async () => {
  await server.close();
  if (runtime === undefined) delete process.env.XDG_RUNTIME_DIR;
  else process.env.XDG_RUNTIME_DIR = runtime;
  rmSync(folder, { recursive: true });
});

function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.port, path, method, headers }, (answer) => {
      let body = '';
      answer.on('data', (part) => {
        body += part;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

function open(headers: { origin?: string; host?: string; protocols?: string[] } = {}) {
  const { origin = `http://127.0.0.1:${server.port}`, protocols = ['rootmode.1', token], host } = headers;
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`, protocols, { origin, ...(host && { headers: { host } }) });
  return new Promise<WebSocket | number>((resolve) => {
    socket.on('open', () => resolve(socket));
    socket.on('unexpected-response', (_request, response) => {
      resolve(response.statusCode ?? 0);
      socket.terminate();
    });
    socket.on('error', () => undefined);
  });
}

async function ask(socket: WebSocket, text: string): Promise<unknown> {
  const answered = new Promise((resolve) => socket.once('message', (data) => resolve(JSON.parse(String(data)))));
  socket.send(text);
  return answered;
}

describe('the web server', () => {
  it('serves its pages, with headers that keep other pages out', async () => {
    const page = await get('/');
    expect(page).toMatchObject({ status: 200, body: '<p>page</p>', headers: { 'content-type': 'text/html; charset=utf-8' } });
    const policy = Object.fromEntries(
      String(page.headers['content-security-policy'])
        .split('; ')
        .map((directive) => directive.split(/ (.*)/s).slice(0, 2) as [string, string]),
    );
    expect(policy).toEqual({
      ...{ 'default-src': "'none'", 'script-src': "'self'", 'style-src': "'self' 'unsafe-inline'", 'font-src': "'self'" },
      ...{ 'img-src': "'self' blob: data:", 'connect-src': "'self'", 'base-uri': "'none'", 'form-action': "'none'" },
      'frame-ancestors': "'none'",
    });
    expect(page.headers).toMatchObject({ 'cross-origin-opener-policy': 'same-origin', 'x-content-type-options': 'nosniff' });
    expect(await get('/assets/a.js?x=1')).toMatchObject({ status: 200, body: 'let a;' });
  });

  it.each([
    ['../outside.html', '/../outside.html', 404],
    ['an encoded way out', '/..%2foutside.html', 404],
    ['a file that is no page', '/secret.key', 404],
    ['a folder', '/assets', 404],
    ['a name of the object prototype', '/constructor', 404],
    ['zeros', '/%00', 404],
  ])('gives no %s', async (_what, path, status) => {
    expect(await get(path)).toMatchObject({ status, body: '' });
  });

  it('takes no other method', async () => {
    expect((await get('/', {}, 'POST')).status).toBe(405);
  });

  it.each(['evil.example', 'evil.example:80', '127.0.0.1', `127.0.0.1.evil.example`, `[::1]`])(
    'answers nobody who calls it %s (DNS rebinding)',
    async (host) => {
      expect((await get('/', { host })).status).toBe(403);
      expect(await open({ host, origin: `http://${host}` })).toBe(403);
    },
  );

  it('does not follow a link out of its folder', () => {
    symlinkSync(folder, join(folder, 'pages/up'));
    expect([...readPages(join(folder, 'pages')).keys()].sort()).toEqual(['/', '/assets/a.js', '/index.html']);
  });
});

describe('the stream of a screen', () => {
  const path = '/machine/one/screen';
  const bearer = { authorization: `Bearer ${token}` };
  it.each([
    ['without a token', path, {}],
    ['with a wrong token', path, { authorization: 'Bearer the-wrong-token' }],
    ['with a token that begins right', path, { authorization: 'Bearer the-right' }],
    ['to a page of another site', path, { ...bearer, origin: 'http://evil.example' }],
    ['to another site that asks through a page', path, { ...bearer, 'sec-fetch-site': 'cross-site' }],
    ['to another port of this computer', path, { ...bearer, 'sec-fetch-site': 'same-site' }],
    ['under another name', path, { ...bearer, host: 'evil.example' }],
    ['of a machine whose name begins with a dot', '/machine/..%2f..%2fx/screen', bearer],
    ['of a machine named ..', '/machine/../screen', bearer],
  ])('is not given %s', async (_what, where, headers) => {
    expect([403, 404]).toContain((await get(where, headers)).status);
  });

  it('ends at once where no such machine runs', async () => {
    expect(await get(path, bearer)).toMatchObject({ status: 200, body: '' });
  });

  it('is not to be had over the WebSocket, which goes on', async () => {
    const socket = (await open()) as WebSocket;
    const wrong = await ask(socket, '{"to":"one","execute":"screen-stream","id":4}');
    expect(wrong).toMatchObject({ error: { class: 'message-invalid' }, id: 4 });
    expect(await ask(socket, '{"close":4}')).toEqual({ return: {} });
    socket.close();
  });
});

describe('a request for a stream', () => {
  it('is judged by itself, whoever looked before', () => {
    const admission = { hosts: ['127.0.0.1:1'], scheme: 'http' as const, token };
    const asked = (host: string) =>
      admitsRequest(admission, { headers: { host, authorization: `Bearer ${token}` } } as IncomingMessage);
    expect([asked('127.0.0.1:1'), asked('evil.example')]).toEqual([true, false]);
  });
});

describe('the WebSocket', () => {
  it.each([
    ['another site', { origin: 'http://evil.example' }],
    ['the same host on another port', { origin: 'http://127.0.0.1:1' }],
    ['a page without an origin', { origin: 'null' }],
    ['no token', { protocols: ['rootmode.1'] }],
    ['a wrong token', { protocols: ['rootmode.1', 'the-wrong-token'] }],
    ['a token that begins right', { protocols: ['rootmode.1', 'the-right'] }],
    ['another protocol', { protocols: ['rootmode.2', token] }],
    ['the token in the wrong place', { protocols: [token, 'rootmode.1'] }],
  ])('is closed to %s', async (_what, headers) => {
    expect(await open(headers)).toBe(403);
  });

  it('carries requests to the manager and tells events', async () => {
    const socket = (await open()) as WebSocket;
    expect(await ask(socket, '{"execute":"library-list","id":3}')).toEqual({ return: { folder: '/f', machines: [] }, id: 3 });
    const told = new Promise((resolve) => socket.once('message', (data) => resolve(JSON.parse(String(data)))));
    server.announce('library-changed', {});
    expect(await told).toEqual({ event: 'library-changed', data: {} });
    socket.close();
  });

  it.each([
    ['no JSON', '{', 'message-invalid'],
    ['a machine that does not run', '{"to":"none","execute":"machine-status","id":1}', 'machine-not-running'],
    ['a machine with the name of a path', '{"to":"../../x","execute":"machine-status","id":1}', 'message-invalid'],
    ['a machine that is an object', '{"to":{},"execute":"machine-status","id":1}', 'message-invalid'],
    ['a command nobody has', '{"execute":"__proto__","id":1}', 'command-unknown'],
    ['an array', '[]', 'message-invalid'],
    ['a token that is a path', '{"execute":"library-forget","arguments":{"token":7}}', 'arguments-invalid'],
  ])('answers %s with an error and serves on', async (_what, text, code) => {
    const socket = (await open()) as WebSocket;
    expect(await ask(socket, text)).toMatchObject({ error: { class: code } });
    expect(await ask(socket, '{"execute":"library-list","id":2}')).toMatchObject({ id: 2 });
    socket.close();
  });

  it.each([
    ['an oversized message', 'x'.repeat(maximumRequestBytes + 1), 1009],
    ['a binary message', Buffer.from('{}'), 1008],
  ])('is closed on %s', async (_what, message, code) => {
    const socket = (await open()) as WebSocket;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.send(message);
    expect(await closed).toBe(code);
    expect(await open()).toBeInstanceOf(WebSocket);
  });

  it('survives peers that vanish in the middle of a handshake', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`);
      socket.resetAndDestroy();
    }
    expect((await get('/')).status).toBe(200);
  });
});
