/**
 * The page's two halves, as scripts: the isolated world, where the preload runs with `electron`, and the page's own world, where what the
 * preload exposes appears. They share the document only, so calls cross it as events with cloned details.
 */

/** Runs first in the page's own world: builds what the preload exposes. */
export const PAGE_WORLD = `
document.addEventListener('stand-in-expose', ({ detail: { key, names } }) => {
  const call = (name) => (...args) => void document.dispatchEvent(new CustomEvent('stand-in-call', { detail: { key, name, args } }));
  globalThis[key] = Object.freeze(Object.fromEntries(names.map((name) => [name, call(name)])));
});`;

/** The preload with its `electron`; \`standInSend\` is the binding to the main process. Only what our preload uses exists. */
export function isolatedWorld(preload: string): string {
  return `(() => {
const listeners = new Map();
const ports = new Map();
const send = (message) => standInSend(JSON.stringify(message));
const withBytes = (value) => {
  if (typeof value !== 'object' || value === null) return value;
  if ('standInBytes' in value) return Uint8Array.from(atob(value.standInBytes), (letter) => letter.charCodeAt(0));
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withBytes(part)]));
};
globalThis.standIn = {
  receive(channel, args, portIds) {
    const handed = portIds.map((id) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => send({ kind: 'port', id, data });
      ports.set(id, port1);
      return port2;
    });
    for (const listener of listeners.get(channel) ?? []) listener({ ports: handed }, ...args);
  },
  port: (id, data) => ports.get(id)?.postMessage(withBytes(data)),
  closePort: (id) => ports.get(id)?.close(),
};
const electron = {
  contextBridge: {
    exposeInMainWorld(key, api) {
      document.addEventListener('stand-in-call', ({ detail }) => { if (detail.key === key) api[detail.name](...detail.args); });
      document.dispatchEvent(new CustomEvent('stand-in-expose', { detail: { key, names: Object.keys(api) } }));
    },
  },
  ipcRenderer: {
    send: (channel, ...args) => send({ kind: 'send', channel, args }),
    on: (channel, listener) => listeners.set(channel, [...(listeners.get(channel) ?? []), listener]),
  },
};
const require = (name) => { if (name !== 'electron') throw new Error('a sandboxed preload cannot require ' + name); return electron; };
${preload}
})();`;
}
