/** Device files of the host. */
import { accessSync, constants } from 'node:fs';
import { codeOf } from './files.ts';

/** Whether a device can be opened for reading and writing by this user. */
export function deviceState(path: string): 'absent' | 'forbidden' | 'usable' {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return 'usable';
  } catch (failure) {
    return codeOf(failure) === 'ENOENT' ? 'absent' : 'forbidden';
  }
}
