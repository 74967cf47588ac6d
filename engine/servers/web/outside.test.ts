import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createDispatcher } from '../../contract/serve.ts';
import { outsideOf } from './outside.ts';
import { serveWeb, type WebServer } from './server.ts';

let folder: string;
let cert: string;
let key: string;
let server: WebServer | undefined;
const noTool = spawnSync('openssl', ['version']).error !== undefined;

beforeEach(({ skip }) => {
  if (noTool) return skip('there is no openssl, which makes the certificates of these tests');
  folder = mkdtempSync(join(tmpdir(), 'rootmode-tls-'));
  [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  make(cert, key, 'DNS:box.example,DNS:*.wild.example,IP:127.0.0.1');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

function make(to: string, keyTo: string, names: string): void {
  const words = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=box',
  ];
  const { status } = spawnSync('openssl', [...words, '-addext', `subjectAltName=${names}`, '-out', to, '-keyout', keyTo]);
  expect(status).toBe(0);
}

const refusalOf = (words: Parameters<typeof outsideOf>[0]): string => {
  try {
    outsideOf(words);
  } catch (failure) {
    return String((failure as Error).message);
  }
  return '';
};

describe('serving beyond this computer', () => {
  it('needs an address, a certificate and its key, or none of them', () => {
    expect(outsideOf({})).toBeUndefined();
    expect(refusalOf({ listen: '0.0.0.0' })).toMatch(/--listen, --tls-cert and --tls-key/);
    expect(refusalOf({ tlsCert: cert, tlsKey: key })).toMatch(/--listen, --tls-cert and --tls-key/);
    expect(refusalOf({ listen: '0.0.0.0', tlsCert: cert, tlsKey: join(folder, 'none') })).toMatch(/--tls-key .*cannot be read/);
    expect(refusalOf({ listen: '0.0.0.0', tlsCert: key, tlsKey: key })).toMatch(/cannot be used/);
    const [other, otherKey] = [join(folder, 'o.pem'), join(folder, 'ok.pem')];
    make(other, otherKey, 'DNS:other.example');
    expect(refusalOf({ listen: '0.0.0.0', tlsCert: cert, tlsKey: otherKey })).toMatch(/cannot be used/);
    writeFileSync(other, 'no certificate');
    expect(refusalOf({ listen: '0.0.0.0', tlsCert: other, tlsKey: otherKey })).toMatch(/cannot be used/);
  });

  it('speaks TLS only, to the hosts of the certificate only, and asks for the token still', async () => {
    const outside = outsideOf({ listen: '127.0.0.1', tlsCert: cert, tlsKey: key });
    expect(outside?.names).toEqual(['box.example', '127.0.0.1']);
    const pages = new Map([['/', { type: 'text/html', bytes: Buffer.from('page') }]]);
    const manager = createDispatcher({ context: undefined, status: () => 'running' as const, served: [] });
    server = await serveWeb({ port: 0, token: 'right', pages, manager, outside });
    const { port } = server;
    expect(server.url).toBe(`https://box.example:${port}/#token=right`);
    const get = (host: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const options = { host: '127.0.0.1', port, path: '/', rejectUnauthorized: false, headers: { host } };
        request(options, (answer) => resolve(answer.resume().statusCode ?? 0))
          .on('error', reject)
          .end();
      });
    expect(await get(`box.example:${port}`)).toBe(200);
    expect(await get(`evil.example:${port}`)).toBe(403);
    expect(await get(`localhost:${port}`)).toBe(403);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();

    const open = (origin: string, token: string): Promise<string> =>
      new Promise((resolve) => {
        const options = { origin, rejectUnauthorized: false, headers: { host: `box.example:${port}` } };
        const socket = new WebSocket(`wss://127.0.0.1:${port}/`, ['rootmode.1', token], options);
        const end = (how: string): void => {
          socket.terminate();
          resolve(how);
        };
        socket.on('open', () => end('open'));
        socket.on('unexpected-response', (_request, response) => end(String(response.statusCode)));
        socket.on('error', () => undefined);
      });
    expect(await open(`https://box.example:${port}`, 'right')).toBe('open');
    expect(await open(`https://box.example:${port}`, 'wrong')).toBe('403');
    expect(await open(`http://box.example:${port}`, 'right')).toBe('403');
  });
});
