/** The one bridge between page and main process: ask for a port, and hand over the port that comes. Bundled as one CommonJS file. */
import { contextBridge, ipcRenderer } from 'electron';

contextBridge.exposeInMainWorld('rootmodeShell', {
  connect: () => ipcRenderer.send('window-connect'),
});

// A port cannot cross the bridge as a value; it is posted to the page, which takes it only from its own window.
ipcRenderer.on('window-port', (event) => {
  window.postMessage('rootmode-port', location.origin, [...event.ports]);
});
