/** The files that settings name, all in one place: whoever moves settings to another folder must not forget one. */
import type { StoredSettings } from './machine-file.ts';

/** The same settings with every path replaced by `at(path, setting)`. */
export function mapPaths(settings: StoredSettings, at: (path: string, setting: keyof StoredSettings) => string): StoredSettings {
  const media = <M extends { readonly file?: string | undefined }>(setting: keyof StoredSettings, all: readonly M[]): M[] =>
    all.map((one) => (one.file === undefined ? one : { ...one, file: at(one.file, setting) }));
  const target = <T extends string>(setting: keyof StoredSettings, one: T): T =>
    one.startsWith('file:') ? (`file:${at(one.slice('file:'.length), setting)}` as T) : one;
  return {
    ...settings,
    ...(settings.kernel !== undefined && { kernel: at(settings.kernel, 'kernel') }),
    ...(settings.firmware !== undefined && { firmware: at(settings.firmware, 'firmware') }),
    ...(settings.variables !== undefined && { variables: at(settings.variables, 'variables') }),
    modules: media('modules', settings.modules),
    disks: media('disks', settings.disks),
    cdroms: media('cdroms', settings.cdroms),
    floppies: media('floppies', settings.floppies),
    serial: target('serial', settings.serial),
    serialLog: target('serialLog', settings.serialLog),
    serial2: target('serial2', settings.serial2),
    serial2Log: target('serial2Log', settings.serial2Log),
    parallel: target('parallel', settings.parallel),
  };
}
