/** What `rootmode image` reads and prints. */
import { EngineError } from '../contract/errors.ts';
import { printable } from '../contract/serve.ts';

const UNITS: Record<string, number> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `20G`, `1.5T`, `512`: bytes unless a unit follows; `+10G` and `-1G` count from `from`. Whole sectors come out. */
export function bytesOf(setting: string, text: string, from?: number): number {
  const match = /^([+-]?)(\d{1,15}(?:\.\d{1,9})?)([bkmgt]?)(?:i?b)?$/i.exec(text);
  const sign = match?.[1] ?? '';
  if (match === null || (sign !== '' && from === undefined)) return refuse(setting, text, 'must be a size, such as 20G');
  const amount = Math.round(Number(match[2]) * (UNITS[(match[3] || 'b').toLowerCase()] ?? 1));
  const bytes = sign === '' ? amount : (from ?? 0) + (sign === '+' ? amount : -amount);
  if (bytes < 0 || bytes > 2 ** 53 - 1024) return refuse(setting, text, 'must be between 0 and 8 PiB');
  return Math.ceil(bytes / 512) * 512;
}

export function clusterBytesOf(text: string): number {
  const bytes = bytesOf('--cluster-size', text);
  return Number.isInteger(Math.log2(bytes)) && bytes <= 2 ** 21
    ? bytes
    : refuse('--cluster-size', text, 'must be a power of two from 512 to 2M');
}

export function oneOf<const T extends string>(option: string, text: string, allowed: readonly T[]): T {
  return allowed.find((one) => one === text) ?? refuse(option, text, `must be ${allowed.join(' or ')}`);
}

function refuse(setting: string, value: string, reason: string): never {
  throw new EngineError('setting-invalid', { setting, value: value === '' ? 'empty' : printable(value), reason });
}

/** Bytes for a person, with the exact number behind. */
function sizeText(bytes: number): string {
  const unit = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = bytes < 1024 ? 0 : Math.min(5, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** power;
  return power === 0 ? `${bytes} bytes` : `${Number(amount.toFixed(2))} ${unit[power]} (${bytes} bytes)`;
}

const LABELS: Record<string, string> = {
  diskBytes: 'disk size',
  hostBytes: 'on this host',
  clusterBytes: 'cluster size',
  lazyRefcounts: 'lazy reference counts',
  allocatedBytes: 'allocated',
  backing: 'backing file',
  backingFormat: 'backing format',
};

export function infoText(facts: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(facts).flatMap(([name, value]): [string, string][] => {
    if (value === undefined || name === 'snapshots') return [];
    const text =
      typeof value === 'boolean'
        ? value
          ? 'yes'
          : 'no'
        : name.endsWith('Bytes')
          ? sizeText(value as number)
          : printable(String(value));
    return [[LABELS[name] ?? name, text]];
  });
  const width = Math.max(...rows.map(([label]) => label.length));
  const snapshots = (facts.snapshots ?? []) as Parameters<typeof snapshotText>[0];
  return (
    rows.map(([label, text]) => `${label.padEnd(width)}  ${text}\n`).join('') +
    (snapshots.length > 0 ? `snapshots\n${snapshotText(snapshots)}` : '')
  );
}

export function snapshotText(
  snapshots: readonly { readonly id: string; readonly name: string; readonly seconds: number }[],
): string {
  if (snapshots.length === 0) return 'no snapshots\n';
  return snapshots
    .map(
      ({ id, name, seconds }) => `${printable(id).padStart(4)}  ${new Date(seconds * 1000).toISOString()}  ${printable(name)}\n`,
    )
    .join('');
}

export interface Progress {
  show(step: { readonly done: number; readonly of: number }): void;
  end(): void;
}

const BAR = 40;

/** A bar on standard error while something takes long, where a person watches. */
export function startProgress(verb: string): Progress {
  if (!process.stderr.isTTY) return { show: () => undefined, end: () => undefined };
  let shown = -1;
  return {
    show: ({ done, of }) => {
      const percent = of === 0 ? 100 : Math.floor((done / of) * 100);
      if (percent === shown) return;
      shown = percent;
      const full = Math.floor((percent / 100) * BAR);
      process.stderr.write(`\r${verb} [${'#'.repeat(full)}${' '.repeat(BAR - full)}] ${String(percent).padStart(3)} %`);
    },
    end: () => {
      if (shown >= 0) process.stderr.write(`\r${' '.repeat(verb.length + BAR + 9)}\r`);
      shown = -1;
    },
  };
}
