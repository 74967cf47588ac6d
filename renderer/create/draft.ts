/** A machine as it is being made: what a person filled in, the settings that follow, and what is still wrong. */

import { StoredSettings } from '../../engine/contract/machine-file.ts';
import { firstProblem, problemText } from '../../engine/contract/problem-text.ts';
import { MachineName } from '../../engine/contract/settings.ts';
import { type PresetId, presets, type Source } from './presets.ts';

export interface Draft {
  name: string;
  preset: PresetId;
  source: Source;
  file: string;
  initrd: string;
  append: string;
  memoryMiB: number;
  cpus: number;
  diskGiB: number;
  /** The empty disk takes all of its room at once. */
  preallocate: boolean;
  order: ('disk' | 'cdrom' | 'floppy')[];
  bootMenu: boolean;
  cpu: StoredSettings['cpu'];
  accel: StoredSettings['accel'];
  jit: StoredSettings['jit'];
  threads: StoredSettings['threads'];
  vga: StoredSettings['vga'];
  keyboardLayout: StoredSettings['keyboardLayout'];
  rtc: StoredSettings['rtc'];
  noReboot: boolean;
  title: string;
  group: string;
  tags: string;
  notes: string;
}

export type Field = keyof Draft;
/** A key of `create.problem`, or the sentence of a schema. */
export type Problems = Partial<Record<Field, { readonly key?: string; readonly text?: string }>>;

export interface Limits {
  readonly maximumMiB: number;
  readonly taken: (name: string) => boolean;
}

const EMPTY_DISK = 'disk.img';

const defaults = StoredSettings.parse({});

export function newDraft(preset: PresetId): Draft {
  const { cpu, accel, jit, threads, vga, keyboardLayout, rtc, noReboot } = defaults;
  return {
    ...{ name: '', preset, file: '', initrd: '', title: '', group: '', tags: '', notes: '', bootMenu: false, preallocate: false },
    ...{ cpu, accel, jit, threads, vga, keyboardLayout, rtc, noReboot },
    ...fromPreset(preset),
  };
}

type FromPreset = Pick<Draft, 'source' | 'append' | 'memoryMiB' | 'cpus' | 'diskGiB' | 'order'>;

/** What choosing a preset changes; what a person named stays. */
export function fromPreset(preset: PresetId): FromPreset {
  const { source, append, memoryMiB, cpus, diskGiB, order } = presets[preset];
  return { source, append, memoryMiB, cpus, diskGiB, order: [...order] };
}

/** The settings that would be stored; they may still be refused. */
export function settingsOf(draft: Draft): Record<string, unknown> {
  const { source, file, initrd, append, memoryMiB, cpus, order, bootMenu } = draft;
  const { cpu, accel, jit, threads, vga, keyboardLayout, rtc, noReboot } = draft;
  const own = draft.diskGiB > 0 ? [{ file: EMPTY_DISK, format: 'raw' }] : [];
  const given = source === 'disk' ? [{ file }] : source === 'bootSector' ? [{ file, format: 'raw', snapshot: true }] : [];
  return {
    ...{ memoryKiB: Math.round(memoryMiB * 1024), cpus, cpu, accel, jit, threads, vga, keyboardLayout, rtc, noReboot },
    boot: { order, menu: bootMenu },
    ...(source === 'kernel' && { kernel: file, append, modules: initrd === '' ? [] : [{ file: initrd, text: '' }] }),
    disks: [...given, ...own],
    cdroms: source === 'iso' ? [{ file }] : [],
    floppies: source === 'floppy' ? [{ file }] : [],
  };
}

const tagsOf = (text: string): string[] => [
  ...new Set(
    text
      .split(',')
      .map((tag) => tag.trim())
      .filter(Boolean),
  ),
];

/** What `library-create` takes. */
export function requestOf(draft: Draft) {
  const { name, title, group, tags, notes, diskGiB, preallocate } = draft;
  return {
    ...{ name, tags: tagsOf(tags), notes, settings: StoredSettings.parse(settingsOf(draft)) },
    ...(title.trim() !== '' && { title: title.trim() }),
    ...(group.trim() !== '' && { group: group.trim() }),
    emptyDisks: diskGiB > 0 ? [{ file: EMPTY_DISK, bytes: Math.round(diskGiB * 2 ** 21) * 512, preallocate }] : [],
  };
}

const FIELD_OF_SETTING: Readonly<Record<string, Field>> = {
  memoryKiB: 'memoryMiB',
  kernel: 'file',
  disks: 'file',
  cdroms: 'file',
  floppies: 'file',
  modules: 'initrd',
};

/** What is wrong now, by field; an empty field that is needed counts only when `all` is asked for. */
export function problemsOf(draft: Draft, { maximumMiB, taken }: Limits, all: boolean): Problems {
  const found: Problems = {};
  const name = MachineName.safeParse(draft.name);
  if (draft.name === '') {
    if (all) found.name = { key: 'needed' };
  } else if (!name.success) found.name = { text: firstProblem(name.error) };
  else if (taken(draft.name)) found.name = { key: 'taken' };
  if (draft.file === '' && all) found.file = { key: 'needed' };
  const parsed = StoredSettings.safeParse(settingsOf({ ...draft, file: draft.file || '-' }));
  for (const issue of parsed.error?.issues ?? []) {
    const setting = String(issue.path[0]);
    found[FIELD_OF_SETTING[setting] ?? (setting as Field)] ??= { text: problemText(issue) };
  }
  if (draft.memoryMiB > maximumMiB) found.memoryMiB ??= { key: 'tooMuch' };
  if (!(draft.diskGiB >= 0 && draft.diskGiB <= 2048)) found.diskGiB = { key: 'diskSize' };
  return found;
}

/** Options of the command line for settings that are named when they are not the usual ones. */
const CHOICES = {
  cpu: '--cpu',
  accel: '--accel',
  jit: '--jit',
  threads: '--threads',
  vga: '--vga',
  keyboardLayout: '--keyboard-layout',
  rtc: '--rtc',
} as const;

/** The same machine as a command. */
export function commandOf(draft: Draft): string {
  const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
  const { name, source, file, initrd, append, memoryMiB, cpus } = draft;
  const words = ['rootmode create', word(name || 'NAME')];
  const path = word(file || 'FILE');
  if (source === 'kernel') words.push('--kernel', path);
  if (source === 'kernel' && initrd !== '') words.push('--initrd', word(initrd));
  if (source === 'kernel' && append !== '') words.push('--append', word(append));
  if (source === 'iso') words.push('--cdrom', path);
  if (source === 'disk') words.push('--disk', path);
  if (source === 'bootSector') words.push('--disk', `${path},format=raw,snapshot`);
  if (source === 'floppy') words.push('--floppy', path);
  words.push('--memory', String(memoryMiB), '--cpus', String(cpus));
  for (const [setting, option] of Object.entries(CHOICES)) {
    const value = draft[setting as keyof typeof CHOICES];
    if (value !== defaults[setting as keyof typeof CHOICES]) words.push(option, value);
  }
  if (draft.noReboot) words.push('--no-reboot');
  return words.join(' ');
}
