/** `--disk`, `--cdrom` and `--floppy` as typed. */
import { EngineError } from '../contract/errors.ts';
import { printable } from '../contract/problem-text.ts';
import type { MachineSettingsInput } from '../contract/settings.ts';
import { checkRegularFile } from '../host/files.ts';

export interface DriveWords {
  readonly disk?: readonly string[] | undefined;
  readonly cdrom?: readonly string[] | undefined;
  readonly floppy?: readonly string[] | undefined;
  /** Of all disks and floppies. */
  readonly snapshot?: boolean | undefined;
}

type DriveInput = { [K in 'disks' | 'cdroms' | 'floppies']: NonNullable<MachineSettingsInput[K]> };

/** IDE places for disks and CD drives together. */
const PLACES = 4;

/** Files are looked for here, so that a refusal names the option; what is in them is looked at when the machine is made. */
export function driveSettings({ disk = [], cdrom = [], floppy = [], snapshot = false }: DriveWords): DriveInput {
  if (disk.length + cdrom.length > PLACES)
    refuse('--disk', disk.at(-1) ?? '', `finds no place: ${PLACES} disks and CD drives is all that two IDE channels have`);
  return {
    disks: disk.map((word) => diskWords(word, snapshot)),
    cdroms: cdrom.map((word) => removable('--cdrom', word)),
    floppies: floppy.map((word) => ({ ...removable('--floppy', word), ...(snapshot && { snapshot }) })),
  };
}

/** `FILE,option,option=value`; `,,` stands for a comma in the file's name. */
function parts(word: string): string[] {
  return word
    .replaceAll(',,', '\0')
    .split(',')
    .map((part) => part.replaceAll('\0', ','));
}

function diskWords(word: string, snapshot: boolean): DriveInput['disks'][number] {
  const [file = '', ...options] = parts(word);
  if (file === '') refuse('--disk', word || 'empty', 'names no file');
  checkRegularFile(file, 'image');
  const disk: { file: string; format?: 'raw' | 'qcow2'; readonly?: boolean; snapshot?: boolean } = {
    file,
    ...(snapshot && { snapshot }),
  };
  for (const option of options) {
    const [name, value] = option.split('=', 2) as [string, string?];
    const flag = value === undefined || value === 'on';
    if (name === 'format' && (value === 'raw' || value === 'qcow2')) disk.format = value;
    else if ((name === 'readonly' || name === 'snapshot') && (flag || value === 'off')) disk[name] = flag;
    else if (!(name === 'bus' && value === 'ide'))
      refuse(
        '--disk',
        word,
        `has the option ${printable(option)}; those there are: format=raw|qcow2, bus=ide, readonly, snapshot`,
      );
  }
  return disk;
}

function removable(option: string, word: string): { file?: string; readonly?: boolean } {
  if (word === 'none') return {};
  const [file = '', ...options] = parts(word);
  if (file === '') refuse(option, word || 'empty', 'names no file; `none` is an empty drive');
  checkRegularFile(file, 'image');
  for (const one of options)
    if (one !== 'readonly') refuse(option, word, `has the option ${printable(one)}; there is only readonly`);
  return { file, readonly: options.includes('readonly') };
}

function refuse(setting: string, value: string, reason: string): never {
  throw new EngineError('setting-invalid', { setting, value: printable(value), reason });
}
