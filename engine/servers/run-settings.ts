/** The options of `rootmode run`, as typed, checked and turned into the settings of a machine. */
import { resolve } from 'node:path';
import { EngineError, maximumRamBytes } from '../contract/errors.ts';
import { bootKinds } from '../contract/firmware-settings.ts';
import type { StoredSettings } from '../contract/machine-file.ts';
import { firstProblem, printable } from '../contract/problem-text.ts';
import { mapPaths } from '../contract/setting-paths.ts';
import {
  accelerators,
  cpuModels,
  displayAdapters,
  keyboardLayouts,
  MachineSettings,
  type MachineSettingsInput,
  maximumVcpus,
} from '../contract/settings.ts';
import { checkRegularFile, isRegularFile } from '../host/files.ts';
import { checkOutputFile } from '../host/streams.ts';
import { driveSettings } from './drive-settings.ts';

export interface RunWords {
  readonly kernel?: string | undefined;
  readonly firmware?: string | undefined;
  readonly firmwareVariables?: string | undefined;
  readonly boot?: string | undefined;
  readonly initrd?: string | undefined;
  readonly append?: string | undefined;
  readonly memory: string;
  readonly cpus: string;
  readonly cpu: string;
  readonly accel: string;
  readonly threads: string;
  readonly jit: string;
  readonly serial: string;
  readonly serial2?: string | undefined;
  readonly serialLog?: string | undefined;
  readonly serial2Log?: string | undefined;
  readonly parallel?: string | undefined;
  readonly disk?: readonly string[] | undefined;
  readonly cdrom?: readonly string[] | undefined;
  readonly floppy?: readonly string[] | undefined;
  readonly snapshot?: boolean | undefined;
  readonly vga?: string | undefined;
  readonly keyboardLayout?: string | undefined;
  readonly rtc?: string | undefined;
  readonly name?: string | undefined;
  /** False after `--no-reboot`. */
  readonly reboot: boolean;
  readonly hpet?: boolean | undefined;
  readonly debugExit?: boolean | undefined;
  /** Names a machine that was given no name. */
  readonly processId: number;
}

/**
 * Check everything that can be checked before a machine is made, files included, so that a refusal leaves nothing behind.
 * Fails with an `EngineError` that names the option, or the file, and the remedy.
 */
export function runSettings(words: RunWords): MachineSettings {
  const input: MachineSettingsInput = {
    name: words.name ?? `machine-${words.processId}`,
    ...(words.kernel !== undefined && { kernel: words.kernel }),
    ...(words.firmware !== undefined && { firmware: words.firmware }),
    ...(words.firmwareVariables !== undefined && { variables: words.firmwareVariables }),
    ...(words.boot !== undefined && { boot: bootWords(words.boot) }),
    modules: words.initrd === undefined ? [] : moduleWords(words.initrd),
    append: words.append ?? '',
    memoryKiB: memoryKiB(words.memory),
    cpus: wholeNumber('--cpus', words.cpus, maximumVcpus),
    cpu: oneOf('--cpu', words.cpu, cpuModels),
    accel: oneOf('--accel', words.accel, accelerators, '; `rootmode capabilities` shows why no other'),
    threads: oneOf('--threads', words.threads, ['per-vcpu', 'round-robin']),
    jit: oneOf('--jit', words.jit, ['off', 'on', 'force']),
    serial: words.serial as MachineSettingsInput['serial'],
    serialLog: outputTarget('--serial-log', words.serialLog),
    serial2: words.serial2 === 'console' ? 'console' : outputTarget('--serial2', words.serial2),
    serial2Log: outputTarget('--serial2-log', words.serial2Log),
    parallel: outputTarget('--parallel', words.parallel),
    ...driveSettings(words),
    vga: oneOf('--vga', words.vga ?? 'std', displayAdapters),
    keyboardLayout: oneOf('--keyboard-layout', words.keyboardLayout ?? 'us', keyboardLayouts),
    rtc: oneOf('--rtc', words.rtc ?? 'utc', ['utc', 'local']),
    noReboot: !words.reboot,
    hpet: words.hpet ?? false,
    debugExit: words.debugExit ?? false,
  };
  if (!/^(stdio|console|none|file:.+)$/s.test(words.serial))
    refuse('--serial', words.serial, 'must be stdio, console, none or file:PATH');
  // Once in a process: not worth a function made for it.
  const parsed = MachineSettings.safeParse(input, { jitless: true });
  if (!parsed.success) {
    const option = String(parsed.error.issues[0]?.path[0] ?? 'settings');
    const value = String((input as unknown as Record<string, unknown>)[option]);
    refuse(`--${option}`, value, firstProblem(parsed.error).replace(`${option}: `, ''));
  }
  const ramBytes = parsed.data.memoryKiB * 1024;
  checkStart(words, ramBytes);
  for (const { file } of parsed.data.modules) checkImage('initrd', file, ramBytes);
  if (words.serial.startsWith('file:')) checkOutputFile(words.serial.slice('file:'.length), 'serial file');
  return parsed.data;
}

/** The same for a machine that is kept: paths count from where the command was typed, whatever folder the machine gets. */
export function storedSettings(words: RunWords): StoredSettings {
  const { name: _name, ...settings } = runSettings(words);
  return mapPaths(settings, (path) => resolve(path));
}

/** A kernel and firmware exclude each other, and what belongs to a kernel needs one. */
function checkStart({ kernel, firmware, firmwareVariables, initrd, append }: RunWords, ramBytes: number): void {
  if (firmwareVariables !== undefined && firmware === undefined)
    refuse('--firmware-variables', firmwareVariables, 'belongs to firmware; name it with --firmware');
  if (kernel !== undefined) {
    if (firmware !== undefined) refuse('--firmware', firmware, 'starts a machine without --kernel; leave one of the two out');
    checkImage('kernel', kernel, ramBytes);
    return;
  }
  if (initrd !== undefined) refuse('--initrd', initrd, 'belongs to a kernel; name one with --kernel');
  if (append !== undefined) refuse('--append', append, 'belongs to a kernel; name one with --kernel');
  if (firmware !== undefined) checkRegularFile(firmware, 'firmware');
}

/** `order=cdrom+disk,menu=on`: either part, in any order. */
function bootWords(text: string): MachineSettings['boot'] {
  let order: MachineSettings['boot']['order'] = [...bootKinds];
  let menu = false;
  for (const part of text.split(',')) {
    const [key, value = ''] = part.split('=', 2);
    const kinds = value.split('+');
    if (key === 'order' && kinds.every((kind): kind is (typeof bootKinds)[number] => bootKinds.some((one) => one === kind)))
      order = [...new Set(kinds as (typeof bootKinds)[number][])];
    else if (key === 'menu' && (value === 'on' || value === 'off')) menu = value === 'on';
    else refuse('--boot', text, 'must be order=KIND+KIND... of disk, floppy and cdrom, menu=on or menu=off, separated by commas');
  }
  return { order, menu };
}

/**
 * The modules `--initrd` names, with the text that multiboot tells each. A file whose whole name this is counts as one; otherwise it is
 * `FILE ARGUMENTS,FILE ARGUMENTS`, as other machines' command lines have it.
 */
function moduleWords(initrd: string): { file: string; text: string }[] {
  if (isRegularFile(initrd)) return [{ file: initrd, text: initrd }];
  return initrd.split(',').map((part) => {
    const blank = part.indexOf(' ');
    return { file: blank < 0 ? part : part.slice(0, blank), text: part };
  });
}

/** A file that is larger than the guest's memory is refused before anybody reads it. */
function checkImage(what: string, path: string, ramBytes: number): void {
  const bytes = checkRegularFile(path, what);
  if (bytes > ramBytes) throw new EngineError('boot-room', { what, bytes, ramBytes, neededBytes: bytes });
}

/** Where a port that only writes goes. */
function outputTarget(option: string, text = 'none'): 'none' | `file:${string}` {
  if (!/^(none|file:.+)$/s.test(text))
    return refuse(option, text, `must be none${option === '--serial2' ? ', console' : ''} or file:PATH`);
  if (text.startsWith('file:')) checkOutputFile(text.slice('file:'.length), `${option.slice(2)} file`);
  return text as 'none' | `file:${string}`;
}

/** `512`, `512M`, `1.5G`: MiB unless a unit follows. */
function memoryKiB(text: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)([KMG]?)(?:i?B)?$/i.exec(text);
  if (match === null) return refuse('--memory', text, 'must be a number of MiB, such as 512');
  const kib = Number(match[1]) * { k: 1, m: 1024, g: 1024 * 1024 }[(match[2] || 'm').toLowerCase() as 'k' | 'm' | 'g'];
  if (kib < 1024 || kib > maximumRamBytes / 1024) return refuse('--memory', text, 'must be between 1 (MiB) and 3584 (3.5 GiB)');
  if (kib % 4 !== 0) return refuse('--memory', text, 'must be whole pages of 4 KiB');
  return kib;
}

function wholeNumber(option: string, text: string, maximum: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= maximum ? value : refuse(option, text, `must be a whole number between 1 and ${maximum}`);
}

function oneOf<const T extends string>(option: string, text: string, allowed: readonly T[], more = ''): T {
  const found = allowed.find((one) => one === text);
  const names = [allowed.slice(0, -1).join(', '), ...allowed.slice(-1)].join(' or ');
  return found ?? refuse(option, text, `must be ${names}${more}`);
}

function refuse(setting: string, value: string, reason: string): never {
  throw new EngineError('setting-invalid', { setting, value: value === '' ? 'empty' : printable(value), reason });
}
