/** What Linux knows of a process group: processor time and resident memory, the group's children included. */
import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = 100; // USER_HZ, fixed in Linux's interface for every architecture we run on

function members(group: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => statFields(pid)?.[2] === String(group));
}

/** Fields of /proc/PID/stat from the third on (state first), or `undefined` when the process is gone. */
function statFields(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Processor time that the living members of the group have used so far, in seconds; a resolution of 10 ms. */
export function processorSeconds(group: number): number {
  let ticks = 0;
  for (const pid of members(group)) {
    const fields = statFields(pid);
    ticks += Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0);
  }
  return ticks / ticksPerSecond;
}

export interface Memory {
  /** Resident memory of the group now, KiB. */
  readonly resident: number;
  /** Highest resident memory of each member so far, summed, KiB. */
  readonly peak: number;
  /** Resident part of the largest single mapping, KiB: the guest's memory. */
  readonly largest: number;
}

function kib(text: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
}

/** Memory of the group. A member that ends meanwhile counts as nothing. */
export function memoryOf(group: number): Memory {
  let resident = 0;
  let peak = 0;
  let largest = 0;
  for (const pid of members(group)) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      resident += kib(status, 'VmRSS');
      peak += kib(status, 'VmHWM');
      const mappings = readFileSync(`/proc/${pid}/smaps`, 'latin1').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
      const bySize = mappings.map((mapping) => ({ size: kib(mapping, 'Size'), rss: kib(mapping, 'Rss') }));
      largest = Math.max(largest, bySize.sort((one, other) => other.rss - one.rss)[0]?.rss ?? 0);
    } catch {
      // Gone between the listing and the reading.
    }
  }
  return { resident, peak, largest };
}
