/**
 * Who may talk to the web server. Everything a browser sends by itself is checked: the Host header against DNS rebinding, the Origin
 * against pages of other sites, and the token, which only who started the server knows, against everybody else on this computer.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface Admission {
  /** `HOST:PORT` as browsers send it, one for each way to name this server. */
  readonly hosts: readonly string[];
  readonly scheme: 'http' | 'https';
  readonly token: string;
}

/** The WebSocket subprotocol both ends speak; the token follows as a second one, since pages cannot set headers. */
export const SUBPROTOCOL = 'rootmode.1';

/** A request for files: any page of this server, by its own name. */
export function admitsHost({ hosts }: Admission, request: IncomingMessage): boolean {
  return request.headers.host !== undefined && hosts.includes(request.headers.host);
}

/** A WebSocket: by this server's own pages, with the token. */
export function admitsSocket(admission: Admission, request: IncomingMessage): boolean {
  const { host, origin } = request.headers;
  if (!admitsHost(admission, request) || origin !== `${admission.scheme}://${host}`) return false;
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((word) => word.trim());
  return offered[0] === SUBPROTOCOL && sameToken(offered[1] ?? '', admission.token);
}

/** A request for a machine's stream or picture: from this server's own pages, with the token as a bearer's (RFC 6750). */
export function admitsRequest(admission: Admission, request: IncomingMessage): boolean {
  const { host, origin, authorization } = request.headers;
  if (!admitsHost(admission, request)) return false;
  if (origin !== undefined && origin !== `${admission.scheme}://${host}`) return false;
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  return sameToken(authorization ?? '', `Bearer ${admission.token}`);
}

function sameToken(offered: string, token: string): boolean {
  const [a, b] = [Buffer.from(offered), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
