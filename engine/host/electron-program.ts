/** Electron's own program, where it is installed beside this one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const NAMES: Partial<Record<NodeJS.Platform, string>> = {
  darwin: 'Electron.app/Contents/MacOS/Electron',
  win32: 'electron.exe',
};

/** Where the environment says, or where its package unpacks it below `root`; undefined where there is none. */
export function electronProgram(root: string): string | undefined {
  const folders = [process.env.ELECTRON_OVERRIDE_DIST_PATH, join(root, 'node_modules/electron/dist')];
  const paths = folders.flatMap((folder) => (folder ? [join(folder, NAMES[process.platform] ?? 'electron')] : []));
  return paths.find((path) => existsSync(path));
}
