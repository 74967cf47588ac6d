/** The renderer's files, as built: read once when the server starts, so that no request reaches the file system. */
import { type Dirent, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { EngineError } from '../../contract/errors.ts';

export interface Page {
  readonly type: string;
  readonly bytes: Uint8Array;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** Every file below `folder` by its path in a URL; `/` is index.html. Fails with `build-missing` where the renderer was not built. */
export function readPages(folder: string): ReadonlyMap<string, Page> {
  const pages = new Map<string, Page>();
  addPages(pages, { folder, at: '/' });
  const start = pages.get('/index.html');
  if (start === undefined) throw new EngineError('build-missing', { file: join(folder, 'index.html') });
  return pages.set('/', start);
}

/** Links are not followed: a page lies in the folder. */
function addPages(pages: Map<string, Page>, { folder, at }: { folder: string; at: string }): void {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    throw new EngineError('build-missing', { file: folder }, { cause });
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) addPages(pages, { folder: path, at: `${at}${entry.name}/` });
    const type = TYPES[extname(entry.name)];
    if (entry.isFile() && type !== undefined) pages.set(at + entry.name, { type, bytes: readFileSync(path) });
  }
}

/** Nothing but this server's own files, no frames around it, and the isolation that shared memory and exact timers ask for. */
export const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; font-src 'self'; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};
