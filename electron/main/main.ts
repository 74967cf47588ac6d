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
import { Jobs } from '../../engine/manager/jobs.ts';
import { Library, libraryFolder } from '../../engine/manager/library.ts';
import { watchLibrary } from '../../engine/manager/library-watch.ts';
import { nameOfFolder } from '../../engine/manager/machine-folder.ts';
import { createManagerDispatcher } from '../../engine/manager/manager-commands.ts';
import type { OutsideFile } from '../../engine/manager/outside-files.ts';
import { welcome } from '../../engine/manager/welcome.ts';
import { guestRuns } from '../../engine/servers/engine-connection.ts';
import { readPages } from '../../engine/servers/web/pages.ts';
import { LINK_SCHEME, machineOfLink } from './deep-link.ts';
import { createEngines, forkedTool, outsideArchive } from './engines.ts';
import { followLanguage, type Speech } from './language.ts';
import { menuTemplate } from './menu.ts';
import { machineFileOf, takeIn } from './opened.ts';
import { registerScheme, servePages } from './pages.ts';
import { confine, denyPermissions } from './security.ts';
import type { ShellTexts } from './texts.ts';
import { trayTemplate } from './tray.ts';
import { lookForUpdates } from './updates.ts';
import { Windows } from './windows.ts';

const here = (url: URL): string => fileURLToPath(url);

function main(): void {
  const library = new Library(libraryFolder(), () => new Date());
  welcome(library, here(new URL('../../assets/guests/welcome.bin', import.meta.url)));
  const program = outsideArchive(here(new URL('../../engine/cli.ts', import.meta.url)));
  const engines = createEngines({
    fork: utilityProcess.fork,
    program: outsideArchive(here(new URL('../../engine/run.ts', import.meta.url))),
    onFailure: (folder) => {
      const { title, body } = speech.texts().ended;
      new Notification({ title: title(nameOfFolder(folder) ?? basename(folder)), body }).show();
    },
  });
  const jobs = new Jobs((job) => windows.announce('job-changed', job));
  const manager = createManagerDispatcher(
    library,
    { launch: engines.launch, isRunning: guestRuns, sleep: (milliseconds) => sleep(milliseconds) },
    { jobs, tool: forkedTool(utilityProcess.fork, program) },
  );
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
    tray.setContextMenu(Menu.buildFromTemplate(trayTemplate(speech.texts().tray, names, trayActs)));
  };
  tray.setToolTip('Rootmode');
  tray.on('click', () => windows.show());
  const newWindow = (): void => void windows.open();
  const menuActs = { newWindow, openLibraryFolder: () => void shell.openPath(library.root) };
  const lookAtMenu = (): void =>
    Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(speech.texts().menu, menuActs, process.platform)));
  const speech = followLanguage(ipcMain, {
    system: app.getLocale(),
    onChange: () => {
      lookAtTray();
      lookAtMenu();
    },
  });
  lookAtTray();
  lookAtMenu();
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
    takeIn({ library, manager, trusts: (files) => asksToTrust(speech.texts().opened, files) }, path).then(
      (name) => windows.show(name),
      (problem: Error) => {
        windows.show();
        dialog.showErrorBox(speech.texts().opened.failed, speech.said(problem));
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
  askBeforeQuitting(engines.running, speech);
  app.setAsDefaultProtocolClient(LINK_SCHEME);
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
function askBeforeQuitting(running: () => readonly string[], speech: Speech): void {
  app.on('before-quit', (event) => {
    const names = running().map((folder) => nameOfFolder(folder) ?? basename(folder));
    if (names.length === 0) return;
    const text = speech.texts().quit;
    const answer = dialog.showMessageBoxSync({
      type: 'question',
      message: (names.length === 1 ? text.one : text.many)(names.join(', ')),
      detail: text.detail,
      buttons: [text.turnOff, text.cancel],
      defaultId: 1,
      cancelId: 1,
    });
    if (answer === 1) event.preventDefault();
  });
}

/** A machine that names files of this computer is a matter of trust. */
function asksToTrust(text: ShellTexts['opened'], files: readonly OutsideFile[]): boolean {
  const shown = files.slice(0, 20).map(({ by, path }) => `${path} (${by})`);
  if (files.length > shown.length) shown.push('…');
  const answer = dialog.showMessageBoxSync({
    type: 'warning',
    message: text.outside,
    detail: text.outsideDetail(shown.join('\n')),
    buttons: [text.take, text.leave],
    defaultId: 1,
    cancelId: 1,
  });
  return answer === 0;
}

app.enableSandbox();
registerScheme(protocol);
if (app.requestSingleInstanceLock()) await app.whenReady().then(main);
else app.quit();
