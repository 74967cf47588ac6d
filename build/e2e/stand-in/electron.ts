/**
 * A stand-in for the `electron` module on Node and Debian's Chromium: NOT Electron. It has what our main process uses and nothing else;
 * what it cannot show (the sandbox of the system, native menus, fuses, asar, windows that pages open) is for the real one, which the same tests take as ELECTRON_BIN.
 */
import { fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { stopChromium } from './chromium.ts';
import { MessageChannelMain, WebContents } from './contents.ts';
import { handleScheme } from './scheme.ts';

export { MessageChannelMain };

export const ipcMain = new EventEmitter();

class App extends EventEmitter {
  readonly commandLine = { appendSwitch: () => undefined };
  readonly #ready = Promise.withResolvers<void>();
  /** Electron tells nobody. */
  sandboxed = false;
  #quitting = false;

  becomeReady(): void {
    this.#ready.resolve();
    this.emit('ready');
  }

  whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  requestSingleInstanceLock(): boolean {
    return true;
  }

  enableSandbox(): void {
    this.sandboxed = true;
  }

  getLocale(): string {
    return 'en-US';
  }

  setAsDefaultProtocolClient(): boolean {
    return true;
  }

  quit(): void {
    if (this.#quitting) return;
    let prevented = false;
    this.emit('before-quit', {
      preventDefault: () => {
        prevented = true;
      },
    });
    if (prevented) return;
    this.#quitting = true;
    this.emit('will-quit');
    for (const child of children) child.kill('SIGKILL');
    void stopChromium().then(() => process.exit(0));
  }
}

export const app = new App();
process.on('SIGTERM', () => app.quit());

const windows = new Set<BrowserWindow>();

export class BrowserWindow extends EventEmitter {
  readonly webContents: WebContents;

  constructor(options: {
    webPreferences: { preload: string; sandbox: boolean; contextIsolation: boolean; nodeIntegration: boolean };
  }) {
    super();
    const { preload, sandbox, contextIsolation, nodeIntegration } = options.webPreferences;
    if (!sandbox || !contextIsolation || nodeIntegration)
      throw new Error('the stand-in has only sandboxed, isolated pages without Node');
    this.webContents = new WebContents(preload, (event, channel, args) => void ipcMain.emit(channel, event, ...args));
    windows.add(this);
    this.webContents.on('destroyed', () => {
      windows.delete(this);
      this.emit('closed');
      if (windows.size === 0) app.emit('window-all-closed');
    });
    app.emit('web-contents-created', {}, this.webContents);
  }

  static fromWebContents(contents: WebContents): BrowserWindow | undefined {
    return [...windows].find((window) => window.webContents === contents);
  }

  static getAllWindows(): BrowserWindow[] {
    return [...windows];
  }

  async loadURL(url: string): Promise<void> {
    await this.webContents.load(url);
    this.emit('ready-to-show');
  }

  show(): void {}

  focus(): void {}

  restore(): void {}

  isMinimized(): boolean {
    return false;
  }
}

export const webContents = { fromId: (id: number) => WebContents.find((contents) => contents.id === id) };

export const schemes: { readonly scheme: string; readonly privileges: object }[] = [];
export const protocol = {
  registerSchemesAsPrivileged: (list: typeof schemes) => void schemes.push(...list),
  handle: handleScheme,
};

const setters = ['setPermissionRequestHandler', 'setPermissionCheckHandler', 'setDevicePermissionHandler'];
/** What was set, by the setter's name: a test asks it. */
const handlers: Record<string, unknown> = {};
const setterOf = (name: string) => (handler: unknown) => {
  handlers[name] = handler;
};
export const session = { defaultSession: { handlers, ...Object.fromEntries(setters.map((name) => [name, setterOf(name)])) } };

interface Item {
  readonly label?: string;
  readonly role?: string;
  readonly submenu?: readonly Item[];
  readonly click?: () => void;
}

let menu: { readonly items: readonly Item[] } | null = null;
export const Menu = {
  buildFromTemplate: (items: readonly Item[]) => ({ items }),
  setApplicationMenu: (next: typeof menu) => {
    menu = next;
  },
  getApplicationMenu: () => menu,
};

/** Nobody answers a dialog here: a test replaces this, otherwise the answer is to cancel. */
export const dialog = { showMessageBoxSync: ({ cancelId }: { cancelId: number }): number => cancelId };
export const shell = { openPath: async () => '' };

const blockers = new Set<number>();
export const powerSaveBlocker = {
  start: (): number => {
    const id = blockers.size + 1;
    blockers.add(id);
    return id;
  },
  stop: (id: number) => blockers.delete(id),
  isStarted: (id: number) => blockers.has(id),
};

export const shown: { readonly title: string; readonly body: string }[] = [];
export class Notification {
  readonly #content: { readonly title: string; readonly body: string };

  constructor(content: { readonly title: string; readonly body: string }) {
    this.#content = content;
  }

  show(): void {
    shown.push(this.#content);
  }
}

/** Seen by nobody: a test asks for its menu. */
export class Tray extends EventEmitter {
  static menu: { readonly items: readonly Item[] } | undefined;

  setToolTip(): void {}

  setContextMenu(next: { readonly items: readonly Item[] }): void {
    Tray.menu = next;
  }
}

const children = new Set<ReturnType<typeof fork>>();
export const utilityProcess = {
  fork: (file: string, args: readonly string[], { cwd, env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) => {
    // Without the debugger's words of this process.
    const child = fork(file, [...args], { cwd, env, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    children.add(child);
    child.once('exit', () => children.delete(child));
    return child;
  },
};
