/** Counters of machines, sampled once a second, and the rates between samples. */

/** One look at a machine. */
export interface Sample {
  /** Host time in seconds since 1970, for the axis. */
  readonly at: number;
  /** Machine time in seconds: a paused machine has no time to divide by. */
  readonly guestSeconds: number;
  /** Totals since power on; null where the back end does not count. By counter, and by vCPU where it is counted so. */
  readonly counters: ReadonlyMap<string, Counter>;
  readonly instructions: number;
  /** CPU time of the process, seconds. */
  readonly hostCpuSeconds: number;
  readonly residentBytes: number;
}

export interface Counter {
  readonly group: string;
  readonly total: number | null;
  readonly each: readonly (number | null)[];
}

/** A second of a machine in figures that charts draw. */
export interface Rates {
  readonly at: number;
  /** Events each second of machine time, by counter. */
  readonly counters: ReadonlyMap<string, number>;
  readonly mips: number;
  /** Of the instructions, what compiled regions did, in percent; absent where nobody tells tiers apart. */
  readonly compiledPercent: number | undefined;
  /** Share of one host processor, in percent; several threads make more than 100. */
  readonly cpuPercent: number;
  readonly residentBytes: number;
}

interface CounterSets {
  readonly groups: readonly {
    readonly group: string;
    readonly sets: readonly { readonly counters: Readonly<Record<string, number | null>> }[];
  }[];
}

export function countersOf({ groups }: CounterSets): Map<string, Counter> {
  const counters = new Map<string, Counter>();
  for (const { group, sets } of groups) {
    for (const name of Object.keys(sets[0]?.counters ?? {})) {
      const each = sets.map((set) => set.counters[name] ?? null);
      const known = each.filter((value) => value !== null);
      counters.set(name, { group, each, total: known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) });
    }
  }
  return counters;
}

/** `undefined` when the second sample is of another run of the machine. */
export function ratesBetween(before: Sample, after: Sample): Rates | undefined {
  const seconds = after.at - before.at;
  if (seconds <= 0 || after.guestSeconds < before.guestSeconds) return undefined;
  const guestSeconds = after.guestSeconds - before.guestSeconds;
  const rate = (now: number, then: number): number => (guestSeconds <= 0 ? 0 : Math.max(0, (now - then) / guestSeconds));
  const counters = new Map<string, number>();
  for (const [name, { total }] of after.counters) {
    const then = before.counters.get(name)?.total;
    if (total !== null && then !== null && then !== undefined) counters.set(name, rate(total, then));
  }
  return {
    ...{ at: after.at, counters, residentBytes: after.residentBytes },
    compiledPercent: compiledShare(before, after),
    mips: Math.max(0, (after.instructions - before.instructions) / seconds / 1e6),
    cpuPercent: Math.max(0, (100 * (after.hostCpuSeconds - before.hostCpuSeconds)) / seconds),
  };
}

function compiledShare(before: Sample, after: Sample): number | undefined {
  const grown = (name: string): number | undefined => {
    const [now, then] = [after.counters.get(name)?.total, before.counters.get(name)?.total];
    return now == null || then == null ? undefined : now - then;
  };
  const [compiled, all] = [grown('jit-retired'), grown('jit-all-retired')];
  if (compiled === undefined || all === undefined) return undefined;
  return all <= 0 ? 0 : Math.min(100, Math.max(0, (100 * compiled) / all));
}

/** All of these machines in one: sums, and of tiers the share in all instructions. */
export function sumOf(machines: readonly Rates[]): Rates | undefined {
  const [first] = machines;
  if (first === undefined) return undefined;
  const sum = (of: (one: Rates) => number): number => machines.reduce((all, one) => all + of(one), 0);
  const names = new Set(machines.flatMap(({ counters }) => [...counters.keys()]));
  const told = machines.filter(({ compiledPercent }) => compiledPercent !== undefined);
  const toldMips = told.reduce((all, { mips }) => all + mips, 0);
  const compiled = told.reduce((all, { mips, compiledPercent = 0 }) => all + mips * compiledPercent, 0);
  return {
    at: Math.max(...machines.map(({ at }) => at)),
    counters: new Map([...names].map((name) => [name, sum(({ counters }) => counters.get(name) ?? 0)])),
    mips: sum(({ mips }) => mips),
    compiledPercent: told.length === 0 ? undefined : toldMips === 0 ? 0 : compiled / toldMips,
    cpuPercent: sum(({ cpuPercent }) => cpuPercent),
    residentBytes: sum(({ residentBytes }) => residentBytes),
  };
}

/** Rows of figures as CSV; the first line names the columns. */
export function ratesAsCsv(machines: ReadonlyMap<string, readonly Rates[]>): string {
  const names = [...new Set([...machines.values()].flatMap((all) => all.flatMap(({ counters }) => [...counters.keys()])))];
  const lines = [['time', 'machine', 'mips', 'compiled-percent', 'cpu-percent', 'resident-bytes', ...names].join(',')];
  for (const [machine, all] of machines) {
    for (const { at, mips, compiledPercent, cpuPercent, residentBytes, counters } of all) {
      const figures = [mips, compiledPercent, cpuPercent, residentBytes, ...names.map((name) => counters.get(name))];
      const cells = figures.map((value) => (value === undefined ? '' : +value.toFixed(3)));
      lines.push([new Date(at * 1000).toISOString(), machine, ...cells].join(','));
    }
  }
  return `${lines.join('\n')}\n`;
}

export function ratesAsJson(machines: ReadonlyMap<string, readonly Rates[]>): string {
  const plain = Object.fromEntries(
    [...machines].map(([machine, all]) => [machine, all.map((one) => ({ ...one, counters: Object.fromEntries(one.counters) }))]),
  );
  return `${JSON.stringify(plain, undefined, 1)}\n`;
}
