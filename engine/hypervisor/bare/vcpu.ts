/** One vCPU of the back end `bare`: the processor's core with the events the processor leaves to its surroundings. */
import { REQUEST } from '../../base/index.ts';
import type { VcpuCore } from '../../cpu/index.ts';
import { COUNTER, type ExitReason, type VcpuExit } from '../index.ts';
import { ACTIVITY, ProcessorVcpu } from '../processor/index.ts';

export class BareVcpu extends ProcessorVcpu {
  run(limit: number): VcpuExit {
    this.requests.enterRun(this.id);
    try {
      const halted = this.core.s.activity === ACTIVITY.halted;
      const first = this.#nmiBehind();
      const { reason, retired } = this.core.run(first ? 1 : limit);
      this.countCode(reason === 'limit');
      if (halted && retired > 0) this.observation.counters.add(this.id, COUNTER['halt-wakeup']);
      if (reason === 'halt' && retired > 0) this.observation.counters.add(this.id, COUNTER['halt-exits']);
      if (first) this.#nmiBehind();
      return { reason: this.#afterRun(first && reason === 'limit' ? 'request' : reason), retired };
    } finally {
      this.requests.leaveRun(this.id);
    }
  }

  /** A second NMI waits, and the first has to be taken before the request word can hold the other. */
  #nmiBehind(): boolean {
    const { state } = this.irqchip.lapics.of(this.id);
    if (state.nmiQueued === 0) return false;
    if ((this.requests.pending(this.id) & REQUEST.nmi) !== 0) return true;
    state.nmiQueued = 0;
    this.requests.raiseOne(this.id, REQUEST.nmi);
    return false;
  }

  #afterRun(reason: ReturnType<VcpuCore['run']>['reason']): ExitReason {
    if (reason === 'init') return 'wait-for-sipi';
    if (reason === 'exit') throw new RangeError('a guest on the bare processor has no monitor');
    if (reason !== 'request') return reason;
    this.serveResets();
    return 'request';
  }
}
