/** One function per budget. Each runs the installed command from outside and returns a figure, or the reason why it cannot be measured here. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { obtainGuests } from '../tasks/guests.ts';
import { userSpaceMark } from '../tasks/initramfs.ts';
import { root } from '../tasks/run.ts';
import { bootRatio } from './boot-ratio.ts';
import { bootSectorTimes } from './boot-sector.ts';
import { clockExits, exitCost, violationCost, wakeCost } from './exits.ts';
import { type GuestProcess, startGuest } from './guest-process.ts';
import { ideTimes } from './ide.ts';
import { exitList, inspectorCost } from './inspector.ts';
import { interruptLatency } from './latency.ts';
import { instructionsPerRound, loopGuest } from './loop-guest.ts';
import { memoryOf, processorSeconds } from './process-group.ts';
import { redraw, scroll } from './screen.ts';
import { keyToPicture, largeLibrary, motion } from './window.ts';

type Measurement = () => Promise<number | string>;

const bootLimit = 120;
const idleSeconds = 10;
const settleSeconds = 3;

/** Nanoseconds per instruction as the slope between a short and a long run: what starting costs does not count. */
async function interpreterLoop(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-bench-'));
  try {
    const seconds = async (rounds: number) => {
      const image = join(folder, `${rounds}.bin`);
      writeFileSync(image, loopGuest(rounds));
      const guest = startGuest([
        '--kernel',
        image,
        '--memory',
        '16',
        '--serial',
        'none',
        '--debug-exit',
        '--no-reboot',
        '--jit',
        'off',
      ]);
      const { status, at } = await guest.ended();
      if (status !== 1) throw new Error(`the loop guest ended with ${status}`);
      return (at - guest.started) / 1000;
    };
    const short = 2_000_000;
    const long = 42_000_000;
    const first = await seconds(short);
    const second = await seconds(long);
    return ((second - first) * 1e9) / ((long - short) * instructionsPerRound);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A Debian guest up to the start of user space, and how long that took. */
async function booted<Result>(use: (guest: GuestProcess, seconds: number) => Promise<Result>): Promise<Result | string> {
  const guests = obtainGuests();
  if (typeof guests === 'string') return guests;
  const append = 'console=ttyS0 quiet panic=-1';
  const guest = startGuest(['--kernel', guests.kernel, '--initrd', guests.initrd, '--append', append, '--memory', '512']);
  try {
    const at = await guest.until(userSpaceMark, bootLimit);
    return await use(guest, (at - guest.started) / 1000);
  } finally {
    guest.kill();
    await guest.ended();
  }
}

/** Milliseconds of `rootmode --version`; the best of five, because what other processes take is not ours. */
const commandStart: Measurement = async () => {
  const times = Array.from({ length: 5 }, () => {
    const started = performance.now();
    const { status } = spawnSync(join(root, 'node_modules/.bin/rootmode'), ['--version']);
    if (status !== 0) throw new Error(`the command ended with ${status}`);
    return performance.now() - started;
  });
  return Math.min(...times);
};

const onlyLinux =
  process.platform === 'linux' ? undefined : 'processor time and memory are read from /proc, which only Linux has';

const boot: Measurement = () => booted(async (_guest, seconds) => seconds);

const idle: Measurement = async () =>
  onlyLinux ??
  booted(async (guest) => {
    await guest.until('guest# ', bootLimit);
    await sleep(settleSeconds * 1000);
    const before = processorSeconds(guest.group);
    await sleep(idleSeconds * 1000);
    return ((processorSeconds(guest.group) - before) / idleSeconds) * 100;
  });

const memory: Measurement = async () =>
  onlyLinux ??
  booted(async (guest) => {
    await guest.until('guest# ', bootLimit);
    guest.type('dd if=/dev/zero of=/tmp/zeros bs=1M count=64 2>/dev/null; sha256sum /tmp/zeros; echo all-$((1+1))\n');
    await guest.until('all-2', bootLimit);
    const { peak, largest } = memoryOf(guest.group);
    return (peak - largest) / 1024;
  });

const onLinux =
  (measure: () => Promise<number | string>): Measurement =>
  async () =>
    onlyLinux ?? measure();

async function ide(stream: 'long' | 'first', way: 'read' | 'write'): Promise<number | string> {
  const times = await ideTimes(stream);
  return typeof times === 'string' ? times : times[way];
}

/** By the names of build/budgets.json. */
export const measurements: Readonly<Record<string, Measurement>> = {
  'interpreter-loop': interpreterLoop,
  'command-start': commandStart,
  'window-key': keyToPicture,
  'window-motion': motion,
  'window-library': largeLibrary,
  'exit-list': exitList,
  'inspector-cost': inspectorCost,
  boot,
  idle,
  memory,
  'boot-sector': async () => (await bootSectorTimes()).first,
  'power-on': async () => (await bootSectorTimes()).again,
  'exit-cpuid': onLinux(() => exitCost('cpuid')),
  'exit-pio': onLinux(() => exitCost('pio')),
  'exit-mmio': onLinux(() => exitCost('mmio')),
  'exit-ept-violation': onLinux(violationCost),
  'exit-vmcall': onLinux(() => exitCost('vmcall')),
  'exit-hlt-wake': onLinux(wakeCost),
  'clock-exits': clockExits,
  'interrupt-median': () => interruptLatency(0.5),
  'interrupt-p99': () => interruptLatency(0.99),
  'boot-ratio': onLinux(bootRatio),
  'ide-read': () => ide('long', 'read'),
  'ide-read-first': () => ide('first', 'read'),
  'ide-write': () => ide('long', 'write'),
  'screen-redraw': async () => redraw(),
  'screen-scroll': async () => scroll(),
};
