/** The library as a table for people. */
import type { MachineSummary } from '../contract/library-commands.ts';

export function libraryText(machines: readonly MachineSummary[]): string {
  if (machines.length === 0) return 'The library is empty; `rootmode create NAME --kernel FILE` makes a machine.\n';
  const rows = machines.map((machine) => [
    machine.name,
    stateOf(machine),
    sizeOf(machine),
    machine.problem ?? machine.title ?? '',
  ]);
  const all = [['name', 'state', 'size', ''], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => (row[column] as string).length)));
  return all
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function stateOf({ pid, problem }: MachineSummary): string {
  if (problem !== undefined) return 'damaged';
  return pid === undefined ? 'stopped' : `running (${pid})`;
}

function sizeOf({ settings }: MachineSummary): string {
  if (settings === undefined) return '';
  return `${settings.cpus} vCPU${settings.cpus === 1 ? '' : 's'}, ${settings.memoryKiB / 1024} MiB`;
}
