/**
 * Not Electron: a folder in the shape of its distribution, for machines where the real one cannot be had. What is packed with it tests the
 * packaging and cannot run; its name and its program say so.
 */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPackage } from '@electron/asar';

/**
 * Electron's fuse wire as @electron/fuses finds it: sentinel, version 1, number of fuses, and one character for each: 0 off, 1 on
 * (https://www.electronjs.org/docs/latest/tutorial/fuses). The defaults of a release.
 */
const fuses = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX\x01\x09101100011';

const program = `#!/bin/sh
echo "This package was built for tests, with a stand-in for Electron. It cannot run." >&2
exit 1
# ${fuses}
`;

export async function makeStandInElectron(folder: string, version: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'resources'), { recursive: true });
  mkdirSync(join(folder, 'locales'), { recursive: true });
  writeFileSync(join(folder, 'electron'), program, 'latin1');
  chmodSync(join(folder, 'electron'), 0o755);
  writeFileSync(join(folder, 'version'), version);
  for (const file of [
    'LICENSE',
    'LICENSES.chromium.html',
    'resources.pak',
    'icudtl.dat',
    'locales/en-US.pak',
    'locales/de.pak',
  ]) {
    writeFileSync(join(folder, file), 'stand-in\n');
  }
  const content = `${folder}.asar-content`;
  mkdirSync(content, { recursive: true });
  writeFileSync(join(content, 'package.json'), '{"name":"stand-in","main":"main.js"}\n');
  writeFileSync(join(content, 'main.js'), '');
  await createPackage(content, join(folder, 'resources/default_app.asar'));
  rmSync(content, { recursive: true });
}
