import { expect, it } from 'vitest';
import { StoredSettings } from './machine-file.ts';
import { mapPaths } from './setting-paths.ts';

it('finds every file that settings can name', () => {
  const settings = StoredSettings.parse({
    kernel: 'PATH',
    modules: [{ file: 'PATH', text: 'not a file' }],
    disks: [{ file: 'PATH' }],
    cdroms: [{ file: 'PATH' }, {}],
    floppies: [{ file: 'PATH' }],
    serial: 'file:PATH',
    serialLog: 'file:PATH',
    serial2: 'file:PATH',
    serial2Log: 'file:PATH',
  });
  const moved = JSON.stringify(mapPaths(settings, () => 'moved'));
  expect(moved).not.toContain('PATH');
  expect(moved.match(/moved/g)).toHaveLength(9);
  const asked: string[] = [];
  mapPaths(settings, (path, setting) => {
    asked.push(setting);
    return path;
  });
  expect(asked.sort()).toEqual([
    'cdroms',
    'disks',
    'floppies',
    'kernel',
    'modules',
    'serial',
    'serial2',
    'serial2Log',
    'serialLog',
  ]);
});
