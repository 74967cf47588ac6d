/** Threads of a machine, started before it is known: they load their programs while the main thread reads what is wanted of it. */
import { type PreparedThread, prepareThread } from './host/threads.ts';
import { sizeNurseries } from './host/v8-settings.ts';
import type { ThreadPlan } from './machine/messages.ts';

export interface PreparedMachineThread {
  readonly role: ThreadPlan['role'];
  readonly thread: PreparedThread;
}

export function prepareMachineThread(role: ThreadPlan['role']): PreparedMachineThread {
  sizeNurseries();
  const thread =
    role.kind === 'io'
      ? prepareThread(new URL('./io-thread.ts', import.meta.url), 'I/O')
      : prepareThread(new URL('./vcpu-thread.ts', import.meta.url), `vCPU ${role.vcpus.join(',')}`);
  return { role, thread };
}

/** Those of a machine with one vCPU. */
export function prepareMachineThreads(): readonly PreparedMachineThread[] {
  return [prepareMachineThread({ kind: 'vcpus', vcpus: [0] }), prepareMachineThread({ kind: 'io' })];
}
