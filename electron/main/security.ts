/**
 * What pages may do: nothing but show our own files and talk over the port they are given. The points are those of Electron's security
 * documentation; `security.test.ts` asserts each.
 */
import type { Session, WebContents, WebPreferences } from 'electron';

/** The scheme of our pages. Privileges: electron/main/pages.ts. */
export const SCHEME = 'rootmode-app';
const ORIGIN = `${SCHEME}://window`;
export const START_PAGE = `${ORIGIN}/index.html`;
/** An empty page that a page of ours may open in a window of its own, and fills. */
const POPOUT_PAGE = `${ORIGIN}/popout.html`;

export function webPreferences(preload: string): WebPreferences {
  return {
    preload,
    sandbox: true,
    contextIsolation: true,
    nodeIntegration: false,
    nodeIntegrationInWorker: false,
    nodeIntegrationInSubFrames: false,
    webSecurity: true,
    allowRunningInsecureContent: false,
    experimentalFeatures: false,
    webviewTag: false,
    navigateOnDragDrop: false,
    spellcheck: false,
  };
}

/** Whether a frame shows one of our own pages: whoever sends a message is asked this first. */
export function isOurPage(url: string | undefined): boolean {
  return url !== undefined && URL.canParse(url) && `${new URL(url).protocol}//${new URL(url).host}` === ORIGIN;
}

/** What a guest's screen needs of its window: the mouse, all of the keyboard and the whole screen while a person uses it; text to type. */
const NEEDED: readonly string[] = ['pointerLock', 'keyboardLock', 'fullscreen', 'clipboard-read'];

/** Nothing but what the screen of a guest needs is granted, and that to our own pages only. */
export function denyPermissions(session: Session): void {
  session.setPermissionRequestHandler((_contents, permission, callback, { requestingUrl, isMainFrame }) => {
    callback(NEEDED.includes(permission) && isMainFrame && isOurPage(requestingUrl));
  });
  session.setPermissionCheckHandler((_contents, permission, origin, { isMainFrame }) => {
    return NEEDED.includes(permission) && isMainFrame && isOurPage(origin);
  });
  session.setDevicePermissionHandler(() => false);
}

/** Pages stay where they are and embed nothing. They open no window but one for a panel, as confined as they are themselves. */
export function confine(contents: WebContents, preload: string): void {
  contents.on('will-navigate', (event) => {
    if (!isOurPage(event.url)) event.preventDefault();
  });
  contents.on('will-redirect', (event) => event.preventDefault());
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    if (url !== POPOUT_PAGE || contents.getURL() === POPOUT_PAGE) return { action: 'deny' };
    const options = { title: 'Rootmode', autoHideMenuBar: true, webPreferences: webPreferences(preload) };
    return { action: 'allow', overrideBrowserWindowOptions: options };
  });
}
