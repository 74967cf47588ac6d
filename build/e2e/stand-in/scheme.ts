/**
 * Schemes of the program's own. Chromium from outside knows none, so `scheme://host/path` is carried as
 * `https://host.scheme.stand-in.invalid/path`; the main process sees the addresses as they are under Electron.
 */
type Handler = (request: Request, url: string) => Promise<Response> | Response;

const handlers = new Map<string, Handler>();
const SUFFIX = '.stand-in.invalid';

export function handleScheme(scheme: string, handler: (request: Request) => Promise<Response> | Response): void {
  handlers.set(scheme, (request, url) => handler(Object.defineProperty(request, 'url', { value: url })));
}

export function pageHandler(url: string): Handler | undefined {
  return handlers.get(new URL(url).protocol.slice(0, -1));
}

export function toStandIn(url: string): string {
  const match = /^([a-z][a-z0-9-]*):\/\/([^/]*)(.*)$/.exec(url);
  return match !== null && handlers.has(match[1] as string) ? `https://${match[2]}.${match[1]}${SUFFIX}${match[3]}` : url;
}

export function fromStandIn(url: string): string {
  const { hostname, pathname, search, hash } = new URL(url);
  if (!hostname.endsWith(SUFFIX)) return url;
  const [, host, scheme] = /^(.*)\.([^.]+)$/.exec(hostname.slice(0, -SUFFIX.length)) ?? [];
  return `${scheme}://${host}${pathname}${search}${hash}`;
}
