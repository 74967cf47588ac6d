/** Folders of the host, for choosing a file in a window that has no file dialog of its own. */
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { codeOf, reasonOf } from '../host/files.ts';

/** Most entries that are told of one folder. */
const MOST = 2000;

export function listFolder(asked: string | undefined) {
  const path = resolve(asked ?? homedir());
  let found: Dirent[];
  try {
    found = readdirSync(path, { withFileTypes: true });
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') throw new EngineError('file-missing', { what: 'folder', path }, { cause });
    throw new EngineError('file-unreadable', { what: 'folder', path, reason: reasonOf(cause) }, { cause });
  }
  const entries = found
    .filter(({ name }) => !name.startsWith('.'))
    .map(({ name }) => {
      // Links are followed: what they lead to is what would be opened.
      const there = statSync(join(path, name), { throwIfNoEntry: false });
      return {
        name,
        path: join(path, name),
        folder: there?.isDirectory() ?? false,
        file: there?.isFile() ?? false,
        bytes: there?.size ?? 0,
      };
    })
    .filter(({ folder, file }) => folder || file)
    .sort((a, b) => Number(b.folder) - Number(a.folder) || a.name.localeCompare(b.name, 'en', { numeric: true }));
  const parent = dirname(path);
  return {
    path,
    ...(parent !== path && { parent }),
    entries: entries.slice(0, MOST).map(({ file: _file, ...entry }) => ({ ...entry, bytes: entry.folder ? 0 : entry.bytes })),
    more: entries.length > MOST,
  };
}
