/** The menu bar. Every item has a label: Electron's own are English everywhere. */
import type { MenuItemConstructorOptions } from 'electron';
import type { ShellTexts } from './texts.ts';

export interface MenuActs {
  newWindow(): void;
  openLibraryFolder(): void;
}

export function menuTemplate(
  text: ShellTexts['menu'],
  { newWindow, openLibraryFolder }: MenuActs,
  platform: NodeJS.Platform,
): MenuItemConstructorOptions[] {
  const separator: MenuItemConstructorOptions = { type: 'separator' };
  const isMac = platform === 'darwin';
  const mac: MenuItemConstructorOptions = {
    label: 'Rootmode',
    submenu: [
      { role: 'about', label: text.about },
      separator,
      { role: 'services', label: text.services, submenu: [] },
      separator,
      { role: 'hide', label: text.hide },
      { role: 'hideOthers', label: text.hideOthers },
      { role: 'unhide', label: text.showAll },
      separator,
      { role: 'quit', label: text.quit },
    ],
  };
  const windows: MenuItemConstructorOptions[] = isMac
    ? [
        { role: 'minimize', label: text.minimize },
        { role: 'zoom', label: text.zoom },
        separator,
        { role: 'front', label: text.front },
      ]
    : [{ role: 'close', label: text.close }];
  return [
    ...(isMac ? [mac] : []),
    {
      label: text.file,
      submenu: [
        { label: text.newWindow, accelerator: 'CmdOrCtrl+Shift+N', click: newWindow },
        { label: text.openFolder, click: openLibraryFolder },
        separator,
        isMac ? { role: 'close', label: text.close } : { role: 'quit', label: text.quit },
      ],
    },
    {
      label: text.edit,
      submenu: [
        { role: 'undo', label: text.undo },
        { role: 'redo', label: text.redo },
        separator,
        { role: 'cut', label: text.cut },
        { role: 'copy', label: text.copy },
        { role: 'paste', label: text.paste },
        { role: 'delete', label: text.delete },
        separator,
        { role: 'selectAll', label: text.selectAll },
      ],
    },
    {
      label: text.view,
      submenu: [
        { role: 'reload', label: text.reload },
        separator,
        { role: 'resetZoom', label: text.resetZoom },
        { role: 'zoomIn', label: text.zoomIn },
        { role: 'zoomOut', label: text.zoomOut },
        separator,
        { role: 'togglefullscreen', label: text.fullScreen },
      ],
    },
    { label: text.window, submenu: windows },
  ];
}
