/** Composition root of the thread that makes code of what is hot in the guest, for all vCPU threads of a machine. */
import { createCompilerThread, type RegionAnswer, type RegionOrder } from './cpu/index.ts';
import { monotonicOrigin, monotonicSince } from './host/clock.ts';
import { listeningEnd, type PortEnd } from './host/compiler-port.ts';
import { threadData } from './host/threads.ts';
import { setCodeSettings, withOptimizer } from './host/v8-settings.ts';

export interface CompilerPlan {
  readonly memory: WebAssembly.Memory;
  /** One per vCPU thread. */
  readonly ends: readonly PortEnd[];
}

/** How long an order waits for others, in milliseconds: they share a module. */
const GATHER = 2;

setCodeSettings();
void threadData().then((data) => {
  const { memory, ends } = data as CompilerPlan;
  const now = monotonicSince(monotonicOrigin());
  for (const end of ends) {
    listeningEnd<RegionAnswer, RegionOrder>(end, GATHER, ({ take, answer }) =>
      createCompilerThread({ memory, now: () => now() / 1000, take, answer, optimized: withOptimizer }),
    );
  }
});
