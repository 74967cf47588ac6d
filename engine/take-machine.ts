/** A machine of the library for the process that runs it. Part of the composition root run-command.ts. */
import type { MachineSettings } from './contract/settings.ts';
import { variablesInFolder } from './firmware-variables.ts';
import { lockFolder } from './manager/folder-lock.ts';
import { readMachineFile, runnableSettings } from './manager/machine-folder.ts';

/** Settings of the machine in a folder, which stays locked until this process ends. */
export function takeMachine(folder: string): { readonly settings: MachineSettings; release(): void } {
  const settings = variablesInFolder(runnableSettings(folder, readMachineFile(folder)), folder);
  const release = lockFolder(folder, settings.name);
  return { settings, release: () => release(folder) };
}
