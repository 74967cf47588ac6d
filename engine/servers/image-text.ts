/** What `rootmode image` reads and prints. */
import { EngineError } from '../contract/errors.ts';
import { printable } from '../contract/problem-text.ts';
import { monotonicOrigin, monotonicSince } from '../host/clock.ts';

const UNITS: Record<string, number> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/** `20G`, `1.5T`, `512`: bytes unless a unit follows; `+10G` and `-1G` count from `from`. Whole sectors come out. */
export function bytesOf(setting: string, text: string, from?: number): number {
  const match = /^([+-]?)(\d{1,15}(?:\.\d{1,9})?)([bkmgtp]?)(?:i?b)?$/i.exec(text);
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

/** Bytes for a person. */
function shortSize(bytes: number): string {
  const unit = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = bytes < 1024 ? 0 : Math.min(5, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} bytes` : `${Number((bytes / 1024 ** power).toFixed(2))} ${unit[power]}`;
}

/** The same, with the exact number behind. */
const sizeText = (bytes: number): string => (bytes < 1024 ? shortSize(bytes) : `${shortSize(bytes)} (${bytes} bytes)`);

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

/** Between two looks at the speed, in nanoseconds. */
const LOOK = 500_000_000;
/** Longest text after the bar: ` 100 %, 1023.9 MiB/s, 99 min left`. */
const ROOM = 40;

/** A bar on standard error while something takes long, where a person watches; as `json` a line for each step, for programs. */
export function startProgress(verb: string, form: 'bar' | 'json' = 'bar'): Progress {
  if (form === 'json')
    return { show: ({ done, of }) => void process.stderr.write(`{"done":${done},"of":${of}}\n`), end: () => undefined };
  if (!process.stderr.isTTY) return { show: () => undefined, end: () => undefined };
  let shown = '';
  let speed = '';
  const now = monotonicSince(monotonicOrigin());
  let before = { at: 0, done: 0 };
  return {
    show: ({ done, of }) => {
      const percent = of === 0 ? 100 : Math.floor((done / of) * 100);
      const at = now();
      if (at - before.at >= LOOK) {
        speed = speedText({ done, of, rate: ((done - before.done) * 1e9) / (at - before.at) });
        before = { at, done };
      }
      const full = Math.floor((percent / 100) * BAR);
      const text = `${verb} [${'#'.repeat(full)}${' '.repeat(BAR - full)}] ${String(percent).padStart(3)} %${speed}`;
      if (text === shown) return;
      process.stderr.write(`\r${text.padEnd(verb.length + BAR + ROOM)}`);
      shown = text;
    },
    end: () => {
      if (shown !== '') process.stderr.write(`\r${' '.repeat(verb.length + BAR + ROOM)}\r`);
      shown = '';
    },
  };
}

/** `, 120.0 MiB/s, 12 s left`; `rate` in bytes each second. */
function speedText({ done, of, rate }: { readonly done: number; readonly of: number; readonly rate: number }): string {
  if (rate <= 0) return '';
  const seconds = Math.ceil((of - done) / rate);
  return `, ${shortSize(Math.round(rate))}/s, ${seconds < 90 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`} left`;
}
