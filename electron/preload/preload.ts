/** The one bridge between page and main process: ask for a port, hand over the port that comes, say which language menus are to have. Bundled as one CommonJS file. */
import { contextBridge, ipcRenderer } from 'electron';

contextBridge.exposeInMainWorld('rootmodeShell', {
  connect: () => ipcRenderer.send('window-connect'),
  speak: (language: string) => ipcRenderer.send('window-language', language),
});

// A port cannot cross the bridge as a value; it is posted to the page, which takes it only from its own window.
ipcRenderer.on('window-port', (event) => {
  window.postMessage('rootmode-port', location.origin, [...event.ports]);
});
