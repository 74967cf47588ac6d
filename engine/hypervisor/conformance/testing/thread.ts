/** One vCPU thread of the thread test: builds the same machine and runs its vCPU until it halts. */
import { parentPort, workerData } from 'node:worker_threads';
import type { InterpreterImage } from '../../../cpu/index.ts';
import { createMachineMemory } from '../../../memory/index.ts';
import { createBareMachine } from '../../bare/index.ts';
import type { Vcpu } from '../../index.ts';
import { createSoftwareMachine } from '../../software/index.ts';

export const CREATE = { bare: createBareMachine, software: createSoftwareMachine } as const;
export type StressedBackend = keyof typeof CREATE;

export interface ThreadData {
  readonly backend: StressedBackend;
  readonly memory: WebAssembly.Memory;
  readonly interpreter: InterpreterImage;
  readonly ramBytes: number;
  readonly arenaBytes: number;
  /** vCPUs of the machine, and those this thread runs in turn. */
  readonly vcpus: number;
  readonly mine: readonly number[];
}

/** A device that changes the map now and then: every 64th write to its port moves a slot in or out. */
export const PORT = 0x300;
export const MOVED = 0x4000_0000;

if (parentPort !== null) {
  const { interpreter, mine, backend, ...sizes } = workerData as ThreadData;
  const memory = createMachineMemory(sizes);
  const machine = CREATE[backend]({ memory, model: 'x86-64-v2', interpreter });
  let writes = 0;
  memory.bus.addPorts({
    port: PORT,
    count: 1,
    read: () => 0,
    write: () => {
      if (++writes % 64 !== 0) return;
      machine.setSlot({ slot: 3, gpa: MOVED, size: memory.slots.get(3) ? 0 : 4096, hva: memory.map.ramBase });
    },
  });
  const running = new Set(mine.map((id) => machine.vcpus[id] as Vcpu));
  while (running.size > 0) {
    for (const vcpu of running) {
      const { reason } = vcpu.run(20_000);
      if (reason === 'halt' || reason === 'shutdown') running.delete(vcpu);
    }
  }
  parentPort.postMessage('done');
}
