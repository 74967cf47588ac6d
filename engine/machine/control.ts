/** A machine as the main thread of its process sees it: no processor and no devices, which only the other threads load. */
import type { HostNow } from '../base/index.ts';
import type { MachineSettings } from '../contract/settings.ts';
import { bareCapabilities } from '../hypervisor/bare/index.ts';
import { type Capabilities, createObservation, type Observation, type VmcsImage } from '../hypervisor/index.ts';
import { softwareCapabilities, vmcsOfImage } from '../hypervisor/software/index.ts';
import { createMachineMemory, type MachineMemory } from '../memory/index.ts';
import type { ExitHistory } from './exit-history.ts';
import { Gate } from './gate.ts';
import { takeStopList } from './stop-keeper.ts';
import type { TextCell } from './text-cell.ts';

/** Which exit: machine nanoseconds as its event tells them. */
export interface RecordedExit {
  readonly vcpu: number;
  readonly nanoseconds: number;
}

/** The main thread's part: memory, and the words by which it stops and starts the others. */
export interface MachineControl {
  readonly memory: MachineMemory;
  readonly gate: Gate;
  readonly observation: Observation;
  readonly capabilities: Capabilities;
  /** The VMCS of a recorded exit, where there are exits. */
  readonly vmcsOf: ((history: ExitHistory, exit: RecordedExit) => VmcsImage | undefined) | undefined;
  /** The list of stops, which this thread writes. */
  readonly stops: TextCell;
}

export function buildMachineControl(settings: MachineSettings, hostNow: HostNow): MachineControl {
  const memory = createMachineMemory({ ramBytes: settings.memoryKiB * 1024, vcpus: settings.cpus, hostNow });
  const capabilities = capabilitiesOf(settings);
  const gate = new Gate(memory);
  const observation = createObservation(memory, capabilities.vmcsFields);
  const vmcsOf =
    settings.accel === 'software'
      ? (history: ExitHistory, { vcpu, nanoseconds }: RecordedExit) =>
          vmcsOfImage((words) => history.find(vcpu, nanoseconds, words))
      : undefined;
  return { memory, gate, observation, capabilities, vmcsOf, stops: takeStopList(memory) };
}

export function capabilitiesOf({ accel }: MachineSettings): Capabilities {
  return accel === 'software' ? softwareCapabilities() : bareCapabilities();
}
