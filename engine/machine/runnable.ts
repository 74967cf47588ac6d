/** A vCPU of the hypervisor as the loop of a vCPU thread uses it. */
import { assertNever } from '../base/index.ts';
import { type ExitReason, type Machine, type Vcpu, walk } from '../hypervisor/index.ts';
import type { Answer, Question } from './messages.ts';
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
    answer: (question) => answer(machine, id, question),
  };
}

function answer(machine: Machine, id: number, question: Question): Answer {
  const vcpu = machine.vcpus[id] as Vcpu;
  switch (question.kind) {
    case 'registers':
      return { kind: 'registers', report: reportOf(vcpu, activityOf(vcpu)) };
    case 'vmcs':
      return { kind: 'vmcs', vmcs: vcpu.vmcs() };
    case 'entry-checks':
      return { kind: 'entry-checks', checks: vcpu.entryChecks() };
    case 'walk': {
      const request = { gva: question.gva, sregs: vcpu.get('sregs'), translation: vcpu.translation(), memory: machine.memory.dv };
      return { kind: 'walk', walk: walk(request) };
    }
    default:
      return assertNever(question);
  }
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
    case 'entry-failed':
      return reason;
    default:
      return assertNever(reason);
  }
}
