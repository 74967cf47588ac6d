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

/** Exits of a part; the first parts go by until V8 has optimized what serves them. */
const EXITS = 200_000;
const WARM = 2;
const PARTS = 8;
const SECONDS = 120;

async function withGuest<T>(
  name: ExitGuestName,
  rounds: number,
  use: (guest: GuestProcess, run: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-bench-'));
  const image = join(folder, 'guest.bin');
  writeFileSync(image, exitGuest(name, WARM + PARTS, rounds));
  const run = `bench-${process.pid}-${name}`;
  const guest = startGuest(['--name', run, '--kernel', image, '--memory', '16', '--debug-exit', '--no-reboot']);
  try {
    return await use(guest, run);
  } finally {
    guest.kill();
    await guest.ended();
    rmSync(folder, { recursive: true });
  }
}

/**
 * Microseconds of one exit and what follows up to the next instruction of the guest. The fastest part counts: a processor shared with
 * others runs slower, which is not ours.
 */
export function exitCost(name: ExitGuestName): Promise<number> {
  const rounds = Math.ceil(EXITS / EXIT_GUESTS[name].exits);
  return withGuest(name, rounds, async (guest) => {
    let best = Number.POSITIVE_INFINITY;
    let before = 0;
    for (let part = 0; part < WARM + PARTS; part++) {
      await guest.until(MARK, SECONDS);
      const now = processorSeconds(guest.group);
      if (part >= WARM) best = Math.min(best, now - before);
      before = now;
    }
    return (best * 1e6) / (rounds * EXIT_GUESTS[name].exits);
  });
}

/** What touching a page adds that the extended page tables do not have. */
export async function violationCost(): Promise<number> {
  const moves = await exitCost('moves');
  return (await exitCost('ept-violation')) - moves;
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
  return withGuest('clock', 0x200_0000, async (guest, run) => {
    await guest.until(MARK, SECONDS);
    const before = exitsOf(run);
    await sleep(1000);
    return exitsOf(run) - before;
  });
}
