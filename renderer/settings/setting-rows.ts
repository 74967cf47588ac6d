/** Settings that a person changes one by one, with the control for each. What is not here is changed in the text beside them. */
import { accelerators, displayAdapters, keyboardLayouts } from '../../engine/contract/settings.ts';

export interface SettingRow {
  readonly key: string;
  readonly kind: 'number' | 'select' | 'text' | 'check';
  readonly options?: readonly string[];
  /** Options have words of their own in `setting`. */
  readonly named?: boolean;
  /** What is stored is this many times what is shown. */
  readonly factor?: number;
  /** Empty text means that there is none. */
  readonly optional?: boolean;
}

export function settingRows(cpuModels: readonly string[]): readonly SettingRow[] {
  return [
    { key: 'memoryKiB', kind: 'number', factor: 1024 },
    { key: 'cpus', kind: 'number' },
    { key: 'cpu', kind: 'select', options: cpuModels },
    { key: 'accel', kind: 'select', options: accelerators },
    { key: 'jit', kind: 'select', options: ['off', 'on'], named: true },
    { key: 'threads', kind: 'select', options: ['per-vcpu', 'round-robin'], named: true },
    { key: 'vga', kind: 'select', options: displayAdapters, named: true },
    { key: 'keyboardLayout', kind: 'select', options: keyboardLayouts },
    { key: 'rtc', kind: 'select', options: ['utc', 'local'], named: true },
    { key: 'kernel', kind: 'text', optional: true },
    { key: 'append', kind: 'text' },
    { key: 'firmware', kind: 'text', optional: true },
    { key: 'variables', kind: 'text', optional: true },
    { key: 'serial', kind: 'text' },
    { key: 'serialLog', kind: 'text' },
    { key: 'serial2', kind: 'text' },
    { key: 'serial2Log', kind: 'text' },
    { key: 'parallel', kind: 'text' },
    { key: 'hpet', kind: 'check' },
    { key: 'noReboot', kind: 'check' },
    { key: 'debugExit', kind: 'check' },
  ];
}

/** Settings that are lists of files. */
export const fileLists = ['modules', 'disks', 'cdroms', 'floppies'] as const;
export type FileListKind = (typeof fileLists)[number];
/** One of them: its file, absent for an empty drive, and what else is said of it. */
export type FileEntry = { readonly file?: string | undefined } & { readonly [option: string]: unknown };

interface FileOption {
  readonly key: 'format' | 'readonly' | 'snapshot' | 'text';
  readonly kind: 'check' | 'select' | 'text';
  readonly options?: readonly string[];
}

/** What can be said about a file of each kind. CDs are never written. */
export const fileOptions: Readonly<Record<FileListKind, readonly FileOption[]>> = {
  modules: [{ key: 'text', kind: 'text' }],
  disks: [
    { key: 'format', kind: 'select', options: ['auto', 'raw', 'qcow2'] },
    { key: 'readonly', kind: 'check' },
    { key: 'snapshot', kind: 'check' },
  ],
  cdroms: [],
  floppies: [{ key: 'readonly', kind: 'check' }],
};
