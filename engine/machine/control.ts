/** A machine as the main thread of its process sees it: no processor and no devices, which only the other threads load. */
import type { HostNow } from '../base/index.ts';
import type { MachineSettings } from '../contract/settings.ts';
import { bareCapabilities } from '../hypervisor/bare/index.ts';
import { type Capabilities, createObservation, type Observation } from '../hypervisor/index.ts';
import { softwareCapabilities } from '../hypervisor/software/index.ts';
import { createMachineMemory, type MachineMemory } from '../memory/index.ts';
import { Gate } from './gate.ts';
import { takeStopList } from './stop-keeper.ts';
import type { TextCell } from './text-cell.ts';

/** The main thread's part: memory, and the words by which it stops and starts the others. */
export interface MachineControl {
  readonly memory: MachineMemory;
  readonly gate: Gate;
  readonly observation: Observation;
  readonly capabilities: Capabilities;
  /** The list of stops, which this thread writes. */
  readonly stops: TextCell;
}

export function buildMachineControl(settings: MachineSettings, hostNow: HostNow): MachineControl {
  const memory = createMachineMemory({ ramBytes: settings.memoryKiB * 1024, vcpus: settings.cpus, hostNow });
  const capabilities = capabilitiesOf(settings);
  const gate = new Gate(memory);
  const observation = createObservation(memory, capabilities.vmcsFields);
  return { memory, gate, observation, capabilities, stops: takeStopList(memory) };
}

export function capabilitiesOf({ accel }: MachineSettings): Capabilities {
  return accel === 'software' ? softwareCapabilities() : bareCapabilities();
}
