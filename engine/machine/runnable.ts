/** A vCPU of the hypervisor as the loop of a vCPU thread uses it. */
import { assertNever } from '../base/index.ts';
import type { ExitReason, Machine } from '../hypervisor/index.ts';
import { activityOf, reportOf } from './vcpu-report.ts';
import type { RunnableVcpu, Step } from './vcpu-thread.ts';

/** vCPU `id` of `machine`, which has it. */
export function runnableOf(machine: Machine, id: number): RunnableVcpu {
  const vcpu = machine.vcpus[id];
  if (vcpu === undefined) throw new RangeError(`no vCPU ${id}`);
  return {
    id,
    run: (limit) => {
      const { reason, retired } = vcpu.run(limit);
      return { step: stepOf(reason), retired };
    },
    wait: (milliseconds) => vcpu.wait(milliseconds),
    report: () => reportOf(vcpu, activityOf(vcpu)),
  };
}

function stepOf(reason: ExitReason): Step {
  switch (reason) {
    case 'limit':
    case 'request':
      return 'again';
    case 'pause':
      return 'spinning';
    case 'halt':
      return 'halted';
    case 'mwait':
      return 'monitoring';
    case 'wait-for-sipi':
      return 'waiting-for-sipi';
    case 'shutdown':
      return 'shutdown';
    default:
      return assertNever(reason);
  }
}
