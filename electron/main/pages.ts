/** Our pages by a scheme of our own, so that they have an origin, a content security policy and no access to files. */
import type { Protocol } from 'electron';
import { HEADERS, type Page } from '../../engine/servers/web/pages.ts';
import { isOurPage, SCHEME } from './security.ts';

/** Before the program is ready. */
export function registerScheme(protocol: Protocol): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true, stream: true, codeCache: true } },
  ]);
}

export function servePages(protocol: Protocol, pages: ReadonlyMap<string, Page>): void {
  protocol.handle(SCHEME, (request) => {
    const page = isOurPage(request.url) ? pages.get(new URL(request.url).pathname) : undefined;
    if (request.method !== 'GET' || page === undefined) return new Response(null, { status: 404, headers: HEADERS });
    return new Response(page.bytes, { status: 200, headers: { ...HEADERS, 'Content-Type': page.type } });
  });
}
