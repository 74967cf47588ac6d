/** A vCPU of the hypervisor as the loop of a vCPU thread uses it. */
import { assertNever, REQUEST } from '../base/index.ts';
import { type ExitReason, type Machine, type Vcpu, walk } from '../hypervisor/index.ts';
import { GuestView } from './guest-view.ts';
import { type Answer, packFailure, type Question } from './messages.ts';
import { editRegisters } from './register-edit.ts';
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
    next: () => new GuestView(machine, vcpu).next(),
    watch: (watcher) => vcpu.watch?.(watcher),
    answer: (question) => {
      try {
        return answer(machine, id, question);
      } catch (failure) {
        return { kind: 'failed', failure: packFailure(failure) };
      }
    },
  };
}

function answer(machine: Machine, id: number, question: Question): Answer {
  const vcpu = machine.vcpus[id] as Vcpu;
  const view = new GuestView(machine, vcpu);
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
    case 'memory':
      return { kind: 'memory', bytes: view.read(question) };
    case 'memory-set':
      view.write(question);
      return { kind: 'memory-set' };
    case 'memory-find':
      return { kind: 'memory-find', ...view.find(question) };
    case 'code':
      return view.code(question);
    case 'registers-set':
      editRegisters(vcpu, question.registers);
      return { kind: 'registers-set' };
    case 'step':
      return { kind: 'step', retired: step(machine, vcpu, question.count), next: view.next() };
    default:
      return assertNever(question);
  }
}

/** Run `count` instructions; fewer where the vCPU waits for something. */
function step({ requests }: Machine, vcpu: Vcpu, count: number): number {
  let retired = 0;
  while (retired < count) {
    // Who wants the thread knows that it is parked.
    requests.served(vcpu.id, REQUEST.stop | REQUEST.sync);
    const exit = vcpu.step?.(count - retired) ?? vcpu.run(count - retired);
    retired += exit.retired;
    if (exit.reason !== 'limit' && exit.reason !== 'pause' && exit.reason !== 'request') break;
  }
  return retired;
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
