/** The main process. Composition root: Electron's parts meet the library and its engines here. */
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  app,
  BrowserWindow,
  dialog,
  ipcMain,
  Menu,
  MessageChannelMain,
  Notification,
  powerSaveBlocker,
  protocol,
  session,
  shell,
  Tray,
  utilityProcess,
} from 'electron';
import { Library, libraryFolder } from '../../engine/manager/library.ts';
import { watchLibrary } from '../../engine/manager/library-watch.ts';
import { nameOfFolder } from '../../engine/manager/machine-folder.ts';
import { createManagerDispatcher } from '../../engine/manager/manager-commands.ts';
import { welcome } from '../../engine/manager/welcome.ts';
import { guestRuns } from '../../engine/servers/engine-connection.ts';
import { readPages } from '../../engine/servers/web/pages.ts';
import { LINK_SCHEME, machineOfLink } from './deep-link.ts';
import { createEngines, outsideArchive } from './engines.ts';
import { menuTemplate } from './menu.ts';
import { machineFileOf, takeIn } from './opened.ts';
import { registerScheme, servePages } from './pages.ts';
import { confine, denyPermissions } from './security.ts';
import { trayTemplate } from './tray.ts';
import { lookForUpdates } from './updates.ts';
import { Windows } from './windows.ts';

const here = (url: URL): string => fileURLToPath(url);

function main(): void {
  const library = new Library(libraryFolder(), () => new Date());
  welcome(library, here(new URL('../../assets/guests/welcome.bin', import.meta.url)));
  const engines = createEngines({
    fork: utilityProcess.fork,
    program: outsideArchive(here(new URL('../../engine/cli.ts', import.meta.url))),
    onFailure: (folder) => {
      const machine = nameOfFolder(folder) ?? basename(folder);
      new Notification({ title: `${machine} ended`, body: 'Its window shows the reason and the last lines of its log.' }).show();
    },
  });
  const manager = createManagerDispatcher(library, {
    launch: engines.launch,
    isRunning: guestRuns,
    sleep: (milliseconds) => sleep(milliseconds),
  });
  const preload = here(new URL('../preload/preload.ts', import.meta.url));
  const windows = new Windows({
    create: (options) => new BrowserWindow(options),
    channel: () => new MessageChannelMain(),
    ipc: ipcMain,
    preload,
    manager,
  });
  const tray = new Tray(here(new URL('../../assets/icons/32x32.png', import.meta.url)));
  const trayActs = { show: (machine?: string) => windows.show(machine), quit: () => app.quit() };
  const lookAtTray = (): void => {
    const names = engines.running().map((folder) => nameOfFolder(folder) ?? basename(folder));
    tray.setContextMenu(Menu.buildFromTemplate(trayTemplate(names, trayActs)));
  };
  tray.setToolTip('Rootmode');
  tray.on('click', () => windows.show());
  lookAtTray();
  const lookAtRunning = keepAwake(engines.running);
  watchLibrary(library, () => {
    windows.announce('library-changed', {});
    lookAtRunning();
    lookAtTray();
  });

  servePages(protocol, readPages(here(new URL('../../.out/renderer', import.meta.url))));
  denyPermissions(session.defaultSession);
  app.on('web-contents-created', (_event, contents) => confine(contents, preload));
  const take = (path: string): Promise<void> =>
    takeIn(library, path).then(
      (name) => windows.show(name),
      (problem: Error) => {
        windows.show();
        dialog.showErrorBox('The machine was not taken in', problem.message);
      },
    );
  const showWhatIsNamed = (words: readonly string[], folder: string): void => {
    const path = words.map((word) => machineFileOf(word, folder)).find((found) => found !== undefined);
    if (path === undefined) windows.show(words.map(machineOfLink).find((name) => name !== undefined));
    else void take(path);
  };
  app.on('second-instance', (_event, words, folder) => showWhatIsNamed(words, folder));
  app.on('open-file', (event, path) => {
    event.preventDefault();
    void take(path);
  });
  app.on('open-url', (event, link) => {
    event.preventDefault();
    windows.show(machineOfLink(link));
  });
  app.on('activate', () => windows.show());
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });
  askBeforeQuitting(engines.running);
  app.setAsDefaultProtocolClient(LINK_SCHEME);
  const newWindow = (): void => void windows.open();
  const template = menuTemplate({ newWindow, openLibraryFolder: () => void shell.openPath(library.root) }, process.platform);
  Menu.setApplicationMenu(Menu.buildFromTemplate(template));
  showWhatIsNamed(process.argv, process.cwd());
  if (app.isPackaged) void lookForUpdates(process.resourcesPath, (reason) => console.error(`No news of updates: ${reason}`));
}

/** While machines run, the computer does not fall asleep. Returns what looks again. */
function keepAwake(running: () => readonly string[]): () => void {
  let blocker: number | undefined;
  return () => {
    if (running().length > 0) blocker ??= powerSaveBlocker.start('prevent-app-suspension');
    else if (blocker !== undefined) {
      powerSaveBlocker.stop(blocker);
      blocker = undefined;
    }
  };
}

/** Engines end with the program: running machines are named, and ended only when that is what is wanted. */
function askBeforeQuitting(running: () => readonly string[]): void {
  app.on('before-quit', (event) => {
    const names = running().map((folder) => nameOfFolder(folder) ?? basename(folder));
    if (names.length === 0) return;
    const answer = dialog.showMessageBoxSync({
      type: 'question',
      message: `${names.join(', ')} still ${names.length === 1 ? 'runs' : 'run'}`,
      detail: 'Quitting turns running machines off without asking their guests.',
      buttons: ['Turn off and quit', 'Cancel'],
      defaultId: 1,
      cancelId: 1,
    });
    if (answer === 1) event.preventDefault();
  });
}

registerScheme(protocol);
if (app.requestSingleInstanceLock()) await app.whenReady().then(main);
else app.quit();
