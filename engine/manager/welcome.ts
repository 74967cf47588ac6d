/** The machine that waits for a person who starts the window for the first time. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { StoredSettings } from '../contract/machine-file.ts';
import { codeOf } from '../host/files.ts';
import type { Library } from './library.ts';

/** Stands in the library once a person was welcomed: a Welcome machine that was deleted does not come back. */
export const WELCOMED = '.welcomed';
const GUEST = 'welcome.bin';

/** Make it where no window was ever shown and there is no machine yet. `guest`: the built file in assets/guests. */
export function welcome(library: Library, guest: string): void {
  try {
    closeSync(openSync(join(library.root, WELCOMED), 'wx', 0o644));
  } catch (failure) {
    if (codeOf(failure) === 'EEXIST') return;
    throw failure;
  }
  if (library.list().length > 0) return;
  library.create({
    name: 'welcome',
    title: 'Welcome',
    notes:
      'A small 64-bit guest. Start it and press the keys 1 to 9 on its screen: each makes the processor leave the guest in another way.',
    settings: StoredSettings.parse({ kernel: GUEST, memoryKiB: 128 * 1024, serial: 'console' }),
    files: { [GUEST]: guest },
  });
}
