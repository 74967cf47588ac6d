/** Composition root of a thread that runs vCPUs and serves what they exit for. A program of its own: see build/entries.ts. */
import type { RegionAnswer, RegionOrder } from './cpu/index.ts';
import { calendarOf, monotonicSince } from './host/clock.ts';
import { type PortEnd, pollingEnd } from './host/compiler-port.ts';
import { directFiles } from './host/image-file.ts';
import { parent, threadData } from './host/threads.ts';
import { collectGarbage } from './host/v8-settings.ts';
import { readInterpreter } from './interpreter-image.ts';
import { buildVcpuThread } from './machine/build.ts';
import type { FromVcpus, ThreadPlan } from './machine/messages.ts';
import { runVcpuThread } from './machine/vcpu-thread.ts';

export interface VcpuThreadPlan extends ThreadPlan {
  /** Of the thread that compiles hot code. */
  readonly compilerEnd?: PortEnd;
}

/** MiB of WebAssembly that may be in use, where a test wants code to be dropped more often. */
const codeBytes = Number(process.env['ROOTMODE_CODE_MIB'] ?? 0) * 2 ** 20;
// While the plan is made.
const interpreter = readInterpreter();

void threadData().then((data) => {
  const plan = data as VcpuThreadPlan;
  const channel = parent<FromVcpus, never>();
  runVcpuThread({
    ...buildVcpuThread(plan, {
      hostNow: monotonicSince(plan.clockOrigin),
      calendar: calendarOf(plan.settings.rtc),
      interpreter,
      directFiles,
      ...(plan.compilerEnd && { compiler: pollingEnd<RegionOrder, RegionAnswer>(plan.compilerEnd) }),
      collectGarbage,
      ...(codeBytes > 0 && { codeBytes }),
      onEvent: (event) => channel.post({ kind: 'event', event }),
      onTone: (hertz) => channel.post({ kind: 'tone', hertz }),
    }),
    channel,
  });
});
