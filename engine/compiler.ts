/** Composition root of the thread that makes code of what is hot in the guest, for all vCPU threads of a machine. */
import { createCompilerThread, type RegionAnswer, type RegionOrder } from './cpu/index.ts';
import { monotonicOrigin, monotonicSince } from './host/clock.ts';
import { listeningEnd, type PortEnd } from './host/compiler-port.ts';
import { threadData } from './host/threads.ts';
import { collectGarbage, setCodeSettings, withOptimizer, withQuickCompiler } from './host/v8-settings.ts';

export interface CompilerPlan {
  readonly memory: WebAssembly.Memory;
  /** One per vCPU thread. */
  readonly ends: readonly PortEnd[];
}

/** Bytes of WebAssembly after which this thread lets go of the modules it has made: they are the others' alone then. */
const GARBAGE = 4 * 2 ** 20;

setCodeSettings();
void threadData().then((data) => {
  const { memory, ends } = data as CompilerPlan;
  const now = monotonicSince(monotonicOrigin());
  let bytes = 0;
  for (const end of ends) {
    listeningEnd<RegionAnswer, RegionOrder>(end, ({ take, answer }) => {
      const serve = createCompilerThread({
        memory,
        now: () => now() / 1000,
        take,
        answer: (made) => {
          bytes += made.bytes;
          answer(made);
        },
        optimized: withOptimizer,
        quick: withQuickCompiler,
      });
      return () => {
        serve();
        if (bytes < GARBAGE) return;
        bytes = 0;
        collectGarbage();
      };
    });
  }
});
