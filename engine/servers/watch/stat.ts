/** `rootmode stat`: kvmstat's table over all running machines, or all counters of one. */

import { KVMSTAT } from '../../base/kvmstat.ts';
import { createClient } from '../../contract/client.ts';
import type { ResultOf } from '../../contract/command.ts';
import { engineCommands } from '../../contract/commands.ts';
import { EngineError } from '../../contract/errors.ts';
import type { machineCounters } from '../../contract/observe.ts';
import { connectEngine, type EngineConnection, runningMachines } from '../engine-connection.ts';
import { hasEnded, machineName, type WatchOutput } from './session.ts';

type Counted = ResultOf<typeof machineCounters>;

export interface StatOptions {
  /** Seconds between two samples; absent: one sample since power on. */
  readonly interval?: number;
  /** How many samples; absent: until interrupted. */
  readonly count?: number;
  /** All counters of this machine instead of the table. */
  readonly kstat?: string;
  /** What became of hot code instead of exits. */
  readonly jit: boolean;
  readonly json: boolean;
}

/** One machine at one moment. */
export interface Sample {
  readonly name: string;
  readonly counted: Counted;
}

/** One vCPU over one interval; null: not a fact of its back end. */
export interface Row {
  readonly pid: number;
  readonly vcpu: number;
  readonly name: string;
  readonly values: Readonly<Record<string, number | null>>;
}

const LINES_BETWEEN_HEADINGS = 20;

/** Print samples until the count is reached, whoever watches has had enough, or no machine is left. */
export async function stat(options: StatOptions, output: WatchOutput): Promise<void> {
  const machines = new Machines(options.kstat === undefined ? undefined : machineName(options.kstat));
  try {
    await sampling(machines, options, output);
  } finally {
    machines.close();
  }
}

async function sampling(machines: Machines, options: StatOptions, output: WatchOutput): Promise<void> {
  const { interval, count = interval === undefined ? 1 : Number.POSITIVE_INFINITY, json } = options;
  let before = await machines.sample();
  if (before.length === 0) throw new EngineError('machines-none', {});
  let sinceHeading = LINES_BETWEEN_HEADINGS;
  for (let printed = 0; printed < count; printed++) {
    let after = before;
    if (interval !== undefined) {
      if (!(await output.pause(interval * 1000))) return;
      after = await machines.sample();
      if (after.length === 0) {
        output.note(options.kstat === undefined ? 'No machine is left.' : `The machine ${options.kstat} has ended.`);
        return;
      }
    }
    let text: string;
    if (options.kstat !== undefined) text = after.map((sample) => (json ? line(sample) : kstatText(sample))).join('');
    else {
      const rows = options.jit ? jitRows(after) : rowsOf(interval === undefined ? [] : before, after);
      const heading = sinceHeading >= LINES_BETWEEN_HEADINGS;
      const earlier = options.jit ? jitRows(interval === undefined ? [] : before) : [];
      const used = (row: Row): string =>
        jitLine(
          row,
          earlier.find(({ pid, vcpu }) => pid === row.pid && vcpu === row.vcpu),
        );
      const [title, each] = options.jit ? [jitHeading, used] : [statHeading, statLine];
      text = json ? rows.map(line).join('') : `${heading ? title() : ''}${rows.map(each).join('')}`;
      sinceHeading = heading ? rows.length : sinceHeading + rows.length;
    }
    if (!(await output.write(text))) return;
    before = after;
  }
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** Rates per second between two samples; of a machine without an earlier one, what was counted since power on. */
export function rowsOf(before: readonly Sample[], after: readonly Sample[]): Row[] {
  const earlier = new Map(before.map((sample) => [sample.counted.pid, sample.counted]));
  return after.flatMap(({ name, counted }) => {
    const past = earlier.get(counted.pid);
    const seconds = past === undefined ? 1 : (counted.guestNanoseconds - past.guestNanoseconds) / 1e9;
    return vcpuSets(counted, 'vcpu').map(({ vcpu, counters }): Row => {
      const then = past && vcpuSets(past, 'vcpu').find((set) => set.vcpu === vcpu)?.counters;
      const values = Object.entries(KVMSTAT).map(([column, counter]): [string, number | null] => {
        const now = counters[counter] ?? null;
        if (now === null) return [column, null];
        // A machine that stands still has no time to divide by, and nothing to divide.
        return [column, seconds > 0 ? Math.round((now - (then?.[counter] ?? 0)) / seconds) : 0];
      });
      return { pid: counted.pid, vcpu, name, values: Object.fromEntries(values) };
    });
  });
}

function vcpuSets({ groups }: Counted, name: string): readonly { readonly vcpu: number; readonly counters: Counters }[] {
  const sets = groups.find(({ group }) => group === name)?.sets ?? [];
  return sets.flatMap(({ vcpu, counters }) => (vcpu === null ? [] : [{ vcpu, counters }]));
}

type Counters = Readonly<Record<string, number | null>>;

/** kvmstat's columns: exits, then what caused them, then what was done about it. */
const PARTS = [['exits'], ['haltx', 'irqx', 'irqwx', 'iox', 'mmiox'], ['irqs', 'emul', 'eptv']] as const;

export function statHeading(): string {
  const [exits, causes, done] = PARTS.map((columns) => columns.map((column) => column.padStart(6)).join(' '));
  return `   pid vcpu | ${exits} : ${causes} | ${done} | name\n`;
}

export function statLine({ pid, vcpu, name, values }: Row): string {
  const cell = (column: string): string => String(values[column] ?? '-').padStart(6);
  const [exits, causes, done] = PARTS.map((columns) => columns.map(cell).join(' '));
  return `${String(pid).padStart(6)} ${String(vcpu).padStart(4)} | ${exits} : ${causes} | ${done} | ${name}\n`;
}

/** What the compiler of hot code has done since power on. */
export function jitRows(samples: readonly Sample[]): Row[] {
  return samples.flatMap(({ name, counted }) =>
    vcpuSets(counted, 'jit').map(({ vcpu, counters }) => ({ pid: counted.pid, vcpu, name, values: counters })),
  );
}

/** Columns of `stat --jit` about what was made: their counters and by how much these are divided. */
const JIT_COLUMNS: readonly (readonly [title: string, counter: string, unit: number])[] = [
  ['regions', 'jit-regions', 1],
  ['in use', 'jit-live', 1],
  ['modules', 'jit-modules', 1],
  ['KiB', 'jit-bytes', 1024],
  ['refused', 'jit-refused', 1],
  ['code', 'jit-instructions', 1],
  ['ms', 'jit-microseconds', 1000],
];

/** Those with code of several pages: in use, their WebAssembly and entries; then, in thousands, how often other pages were elsewhere. */
const FAR_COLUMNS: readonly (readonly [title: string, counter: string, unit: number])[] = [
  ['far', 'jit-far-live', 1],
  ['KiB', 'jit-far-live-bytes', 1024],
  ['entries', 'jit-far-entries', 1],
  ['away/k', 'jit-far-elsewhere', 1000],
];

/** Why they went, or did not come. */
const FAR_LOST: readonly (readonly [title: string, counter: string, unit: number])[] = [
  ['written', 'jit-far-written', 1],
  ['anew', 'jit-far-anew', 1],
  ['reset', 'jit-far-reset', 1],
  ['failed', 'jit-far-failed', 1],
  ['crowded', 'jit-far-crowded', 1],
];

/** Why regions were left for the interpreter. What no counter tells is left by the end of a turn. */
const LEFT_BY: readonly (readonly [title: string, counter: string])[] = [
  ['none', 'jit-missing'],
  ['asked', 'jit-asked'],
  ['slow', 'jit-stopped'],
  ['fault', 'jit-faulted'],
];

export function jitHeading(): string {
  const made = JIT_COLUMNS.map(([title]) => title.padStart(8)).join(' ');
  const left = [...LEFT_BY.map(([title]) => title), 'turn'].map((title) => title.padStart(5)).join(' ');
  const [far, lost] = [FAR_COLUMNS, FAR_LOST].map((columns) => columns.map(([title]) => title.padStart(7)).join(' '));
  return `   pid vcpu | ${made} | share% entered/k chained/k | left%: ${left} | ${far} | lost: ${lost} | name\n`;
}

/** What was made since power on; how it was used since an earlier row of the same vCPU, or since power on. */
export function jitLine({ pid, vcpu, name, values }: Row, earlier?: Row): string {
  const cells = (columns: typeof JIT_COLUMNS, width: number): string =>
    columns
      .map(([, counter, unit]) => {
        const value = values[counter] ?? null;
        return (value === null ? '-' : String(Math.round(value / unit))).padStart(width);
      })
      .join(' ');
  const made = cells(JIT_COLUMNS, 8);
  const since = (counter: string): number => (values[counter] ?? 0) - (earlier?.values[counter] ?? 0);
  const percent = (part: number, whole: number): string => (whole === 0 ? '-' : ((100 * part) / whole).toFixed(0));
  const entries = since('jit-entries');
  const causes = LEFT_BY.map(([, counter]) => since(counter));
  const turns = Math.max(0, entries - causes.reduce((sum, cause) => sum + cause, 0));
  const left = [...causes, turns].map((cause) => percent(cause, entries).padStart(5)).join(' ');
  const share = percent(since('jit-retired'), since('jit-all-retired')).padStart(6);
  const [entered, chained] = [entries, since('jit-chains')].map((times) => String(Math.round(times / 1000)).padStart(9));
  const far = `${cells(FAR_COLUMNS, 7)} |       ${cells(FAR_LOST, 7)}`;
  return `${String(pid).padStart(6)} ${String(vcpu).padStart(4)} | ${made} | ${share} ${entered} ${chained} |        ${left} | ${far} | ${name}\n`;
}

/** Every counter of a machine by its kstat name. */
export function kstatText({ name, counted }: Sample): string {
  const { pid, accel, groups } = counted;
  const lines = [`${name}: pid ${pid}, ${accel}, ${(counted.guestNanoseconds / 1e9).toFixed(3)} s since power on`];
  for (const { group, sets } of groups) {
    for (const { vcpu, counters } of sets) {
      lines.push(vcpu === null ? group : `${group} ${vcpu}`);
      for (const [counter, value] of Object.entries(counters)) {
        lines.push(`  ${counter.padEnd(20)} ${value === null ? `not on ${accel}`.padStart(15) : String(value).padStart(15)}`);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Connections to the machines that run, kept from one sample to the next. */
class Machines {
  readonly #only: string | undefined;
  readonly #connections = new Map<string, EngineConnection>();

  constructor(only: string | undefined) {
    this.#only = only;
  }

  /** All of them now, in the order of their names; those that just end are left out. */
  async sample(): Promise<Sample[]> {
    const first = this.#connections.size === 0;
    const names = this.#only === undefined ? await runningMachines() : [this.#only];
    const samples = await Promise.all(names.map((name) => this.#one(name, first && this.#only !== undefined)));
    return samples.filter((sample) => sample !== undefined);
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
  }

  async #one(name: string, mustRun: boolean): Promise<Sample | undefined> {
    try {
      let connection = this.#connections.get(name);
      if (connection === undefined) {
        connection = await connectEngine(name);
        this.#connections.set(name, connection);
        connection.onClose(() => this.#connections.delete(name));
      }
      return { name, counted: await createClient(engineCommands, connection).machineCounters({}) };
    } catch (failure) {
      this.#connections.delete(name);
      if (mustRun || !(hasEnded(failure) || isGone(failure))) throw failure;
      return undefined;
    }
  }
}

const isGone = (failure: unknown): boolean => failure instanceof EngineError && failure.code === 'machine-not-running';
