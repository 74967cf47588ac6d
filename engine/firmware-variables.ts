/** Files that firmware keeps its variables in: a fresh one comes with the firmware, a machine has a copy of its own. */
import { basename, dirname, join } from 'node:path';
import { EngineError } from './base/errors.ts';
import type { MachineSettings } from './contract/settings.ts';
import { copyIfMissing, isRegularFile } from './host/files.ts';

const WHAT = 'file of variables';

/** Fresh variables beside the code, as distributions name them: OVMF_CODE_4M.fd, OVMF_VARS_4M.fd. */
function variablesBeside(firmware: string): string | undefined {
  const name = basename(firmware).replace('CODE', 'VARS');
  const path = join(dirname(firmware), name);
  return name !== basename(firmware) && isRegularFile(path) ? path : undefined;
}

/** In a machine's own folder its firmware keeps variables without being told, where it comes with some. */
export function variablesInFolder<S extends MachineSettings>(settings: S, folder: string): S {
  const { kernel, firmware, variables } = settings;
  if (kernel !== undefined || firmware === undefined || variables !== undefined) return settings;
  return variablesBeside(firmware) === undefined ? settings : { ...settings, variables: join(folder, 'variables.fd') };
}

/** Make the file that the settings name, if it is missing. Fails with `file-missing` where there is nothing to make it of. */
export function provideVariables({ firmware, variables }: MachineSettings): void {
  if (firmware === undefined || variables === undefined || isRegularFile(variables)) return;
  const fresh = variablesBeside(firmware);
  if (fresh === undefined) throw new EngineError('file-missing', { what: WHAT, path: variables });
  copyIfMissing(fresh, variables, WHAT);
}
