/** What the inspector costs: the person who scrolls a million exits, and the guest that is looked at. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { connectTo, type EngineClient } from '../e2e/engine-client.ts';
import type { Bench } from '../e2e/session.ts';
import { inWindow } from './in-window.ts';
import { endlessGuest } from './loop-guest.ts';

const EXITS = 1_000_000;
const PORTION = 50_000;
const SCROLL_SECONDS = 8;
/** One part of a comparison, and how many of each. */
const PART_SECONDS = 2;
const PAIRS = 4;
const REASONS = ['CPUID', 'IO_INSTRUCTION', 'HLT', 'MSR_READ', 'EPT_VIOLATION', 'EXTERNAL_INTERRUPT'];

/** A guest that computes without end, however fast the host, in a machine of this name, with the inspector open on it. */
async function computing(page: Page, bench: Bench, url: string): Promise<void> {
  const image = join(bench.data, 'loop.bin');
  writeFileSync(image, endlessGuest());
  await bench.run('create', 'loop', '--kernel', image, '--memory', '16', '--jit', 'on', '--serial', 'console');
  await bench.run('start', 'loop');
  await page.goto(url);
  await page.evaluate("location.hash = '#/machine/loop/inspector'");
  await page.getByText('guestRip', { exact: true }).waitFor();
}

/** Answers of the engine about exits, as if the guest had made them: `from` counts them. */
function exitsFrom(from: number): readonly unknown[] {
  return Array.from({ length: Math.min(PORTION, EXITS - from) }, (_, i) => {
    const at = from + i;
    const rip = `0x${(0xffff_8000_0000 + at * 16).toString(16)}`;
    return {
      ...{ nanoseconds: at * 3000, probe: 'exit', vcpu: 0 },
      args: { reason: REASONS[at % REASONS.length], rip, qualification: `0x${at.toString(16)}`, info: '0x0' },
      fields: {
        guestLinearAddress: rip,
        guestPhysicalAddress: '0x1000',
        guestCr3: '0x5000',
        guestRsp: '0x8000',
        exitInstructionLength: '0x2',
      },
    };
  });
}

/** The longest time between two frames of the window in milliseconds, while a million exits scroll past from the first to the last. */
export function exitList(): Promise<number | string> {
  return inWindow(async (page, bench, url) => {
    let told = 0;
    await page.routeWebSocket(/^ws:/, (socket) => {
      const server = socket.connectToServer();
      socket.onMessage((message) => {
        const { execute, id } = JSON.parse(String(message)) as { execute?: string; id?: number };
        if (execute !== 'machine-trace-read') return server.send(message);
        const events = exitsFrom(told);
        told += events.length;
        socket.send(JSON.stringify({ return: { events, dropped: 0 }, id }));
      });
    });
    await computing(page, bench, url);
    await page.getByRole('button', { name: 'Record' }).click();
    await page.getByText('1,000,000 exits').waitFor({ timeout: 120_000 });
    await page.getByRole('button', { name: 'Stop recording' }).click();
    await sleep(500);
    return (await page.evaluate(`(async () => {
      const list = document.querySelector('.exits[role="grid"]');
      const last = () => document.querySelector('.exits .tall .row:last-child')?.textContent ?? '';
      const frame = () => new Promise(requestAnimationFrame);
      const start = await frame();
      let before = start;
      let longest = 0;
      for (let now = start; now < start + ${SCROLL_SECONDS * 1000}; ) {
        list.scrollTop = ((now - start) / ${SCROLL_SECONDS * 1000}) * (list.scrollHeight - list.clientHeight);
        now = await frame();
        longest = Math.max(longest, now - before);
        before = now;
      }
      list.scrollTop = list.scrollHeight;
      await frame();
      await frame();
      if (!last().startsWith('1,000,000')) throw new Error('the list ends with ' + last());
      return longest;
    })()`)) as number;
  });
}

/** Instructions for each microsecond of processor time of the machine's process: what other processes take meanwhile does not count. */
async function speed({ engine }: EngineClient): Promise<number> {
  const look = async (): Promise<readonly [instructions: number, microseconds: number]> => {
    const { vcpus, hostCpuMicroseconds } = await engine.machineStatus({});
    return [vcpus.reduce((sum, { instructions }) => sum + instructions, 0), hostCpuMicroseconds];
  };
  const [from, start] = await look();
  await sleep(PART_SECONDS * 1000);
  const [to, end] = await look();
  return (to - from) / (end - start);
}

/** Percent of a guest's speed that an inspector costs it which is open and live, against a window elsewhere; the median of pairs in turn. */
export function inspectorCost(): Promise<number | string> {
  return inWindow(async (page, bench, url) => {
    await computing(page, bench, url);
    const client = await connectTo(bench.runtime, 'loop');
    const costs: number[] = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      await page.evaluate("location.hash = '#/preferences'");
      await sleep(500);
      const alone = await speed(client);
      await page.evaluate("location.hash = '#/machine/loop/inspector'");
      await page.getByText('guestRip', { exact: true }).waitFor();
      costs.push((1 - (await speed(client)) / alone) * 100);
    }
    client.close();
    return costs.sort((a, b) => a - b)[PAIRS >> 1] as number;
  });
}
