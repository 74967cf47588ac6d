/** What an exit to the hypervisor's core costs: processor time of a guest that does nothing but exit, per exit. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../tasks/run.ts';
import { EXIT_GUESTS, type ExitGuestName, exitGuest, MARK } from './exit-guest.ts';
import { type GuestProcess, startGuest } from './guest-process.ts';
import { processorSeconds } from './process-group.ts';

/** Exits measured, and before that exits until V8 has optimized what serves them. */
const EXITS = 1_000_000;
const WARM = 200_000;
const SECONDS = 120;

async function withGuest<T>(
  name: ExitGuestName,
  rounds: number,
  use: (guest: GuestProcess, run: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-bench-'));
  const image = join(folder, 'guest.bin');
  writeFileSync(image, exitGuest(name, Math.ceil(WARM / EXIT_GUESTS[name].exits), rounds));
  const run = `bench-${process.pid}-${name}`;
  const guest = startGuest(['--name', run, '--kernel', image, '--memory', '16', '--debug-exit', '--no-reboot']);
  try {
    await guest.until(MARK.warm, SECONDS);
    return await use(guest, run);
  } finally {
    guest.kill();
    await guest.ended();
    rmSync(folder, { recursive: true });
  }
}

/** Microseconds of one exit and what follows up to the next instruction of the guest. */
export function exitCost(name: ExitGuestName): Promise<number> {
  const rounds = Math.ceil(EXITS / EXIT_GUESTS[name].exits);
  return withGuest(name, rounds, async (guest) => {
    const before = processorSeconds(guest.group);
    await guest.until(MARK.done, SECONDS);
    return ((processorSeconds(guest.group) - before) * 1e6) / (rounds * EXIT_GUESTS[name].exits);
  });
}

/** What waiting in HLT adds to an interrupt, where the interrupt is there already: the exit, and finding that it wakes. */
export async function wakeCost(): Promise<number> {
  const without = await exitCost('no-wake');
  return (await exitCost('wake')) - without;
}

function exitsOf(run: string): number {
  const { status, stdout } = spawnSync(join(root, 'build/cli/rootmode'), ['stat', '--json', '--kstat', run], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`rootmode stat ended with ${status}`);
  const exits = /"exits":\s*\[?(\d+)/.exec(stdout)?.[1];
  if (exits === undefined) throw new Error(`rootmode stat told no exits: ${stdout.slice(0, 200)}`);
  return Number(exits);
}

/** Exits in a second of a guest that reads the paravirtual clock all the time. */
export function clockExits(): Promise<number> {
  return withGuest('clock', 0xffff_ffff, async (_guest, run) => {
    const before = exitsOf(run);
    await sleep(1000);
    return exitsOf(run) - before;
  });
}
