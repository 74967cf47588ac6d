/** The files that settings name, all in one place: whoever moves settings to another folder must not forget one. */
import type { StoredSettings } from './machine-file.ts';

/** The same settings with every path replaced by `at(path)`. */
export function mapPaths(settings: StoredSettings, at: (path: string) => string): StoredSettings {
  const medium = <M extends { readonly file?: string | undefined }>(one: M): M =>
    one.file === undefined ? one : { ...one, file: at(one.file) };
  const target = <T extends string>(one: T): T =>
    one.startsWith('file:') ? (`file:${at(one.slice('file:'.length))}` as T) : one;
  return {
    ...settings,
    ...(settings.kernel !== undefined && { kernel: at(settings.kernel) }),
    ...(settings.firmware !== undefined && { firmware: at(settings.firmware) }),
    ...(settings.variables !== undefined && { variables: at(settings.variables) }),
    modules: settings.modules.map(medium),
    disks: settings.disks.map(medium),
    cdroms: settings.cdroms.map(medium),
    floppies: settings.floppies.map(medium),
    serial: target(settings.serial),
    serial2: target(settings.serial2),
    parallel: target(settings.parallel),
  };
}
