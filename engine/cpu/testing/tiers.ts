/** The bindings every processor test runs on. A tier makes one processor over a test machine. */
import { definitions } from '../../isa/all.ts';
import { createDecoder } from '../../isa/decoder.ts';
import type { MachineMemory } from '../../memory/index.ts';
import type { VcpuState } from '../context.ts';
import { Oracle } from '../oracle/oracle.ts';
import { routines } from '../slow.ts';
import { vcpuState } from '../state.ts';
import { TestHost, testMachine } from './machine.ts';

export interface TierCpu {
  readonly machine: MachineMemory;
  readonly host: TestHost;
  readonly s: VcpuState;
  /** To be called after the test has written registers that select a mode. */
  changed(): void;
  /** Until `limit` instructions have completed. */
  run(limit: number): { readonly reason: string; readonly retired: number };
}

export interface Tier {
  readonly name: 'oracle' | 'interpreter';
  create(): TierCpu;
}

const decode = createDecoder(definitions);

const oracle: Tier = {
  name: 'oracle',
  create() {
    const { machine, model } = testMachine();
    const host = new TestHost();
    const s = vcpuState.bind(machine.memory, machine.arena.take('vcpu', vcpuState.size, 64));
    vcpuState.reset(s);
    const cpu = new Oracle({ s, machine, host, model, index: 0, routines, decode });
    return {
      machine,
      host,
      s,
      changed: () => undefined,
      run: (limit) => cpu.run(limit),
    };
  },
};

export const tiers: readonly Tier[] = [oracle];
