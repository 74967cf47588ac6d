/** The commands of an engine process, carried out. */
import {
  commandList,
  engineCommands,
  machinePowerButton,
  machineQuit,
  machineRegisters,
  machineReset,
  machineStatus,
  monitorLine,
} from '../contract/commands.ts';
import { EngineError } from '../contract/errors.ts';
import { eventsSubscribe } from '../contract/events.ts';
import { createDispatcher, type Dispatcher, describeCommand, serve } from '../contract/serve.ts';
import type { MachineSettings, MachineStatus } from '../contract/settings.ts';
import { processCpuMicroseconds, processId, residentBytes } from '../host/process.ts';
import type { MachineControl } from '../machine/control.ts';
import type { Coordinator } from '../machine/coordinator.ts';
import { serveDebugging } from './debug-commands.ts';
import { answerLine } from './monitor.ts';
import { serveObservation } from './observe-commands.ts';
import { serveScreen } from './screen-commands.ts';
import { serveSerial } from './serial-commands.ts';
import { serveStorage } from './storage-commands.ts';

export interface EngineContext {
  readonly settings: MachineSettings;
  readonly control: MachineControl;
  /** `undefined` before the machine is made. */
  machine(): Coordinator | undefined;
}

export function createEngineDispatcher(context: EngineContext): Dispatcher {
  const { settings, control } = context;
  const running = (): Coordinator => {
    const machine = context.machine();
    if (machine === undefined) throw new EngineError('command-not-allowed', { command: 'this command', status: 'starting' });
    return machine;
  };
  const status = (): MachineStatus => context.machine()?.status ?? 'starting';
  const dispatcher: Dispatcher = createDispatcher<undefined>({
    context: undefined,
    status,
    served: [
      serve(machineStatus, async () => {
        // A machine that starts or ends has no vCPU to ask.
        const here = status() === 'running' || status() === 'paused';
        const vcpus = here ? await running().reports() : [];
        const stopped = context.machine()?.debugger.stopped;
        return {
          name: settings.name,
          status: status(),
          pid: processId,
          accel: settings.accel,
          cpu: settings.cpu,
          memoryKiB: settings.memoryKiB,
          guestNanoseconds: Math.floor(control.memory.clock.now()),
          hostCpuMicroseconds: processCpuMicroseconds(),
          residentBytes: residentBytes(),
          ...(stopped && { stopped }),
          vcpus: vcpus.map(({ vcpu, activity, instructions }) => ({ vcpu, activity, instructions })),
        };
      }),
      serve(machineRegisters, async ({ vcpu }) => {
        const reports = vcpu === undefined ? await running().reports() : [await running().report(vcpu)];
        return { vcpus: reports.map((report) => ({ vcpu: report.vcpu, registers: [...report.registers] })) };
      }),
      ...serveObservation({ settings, control, running }),
      ...serveScreen({ settings, running }),
      ...serveStorage(running),
      ...serveDebugging(running),
      serve(machinePowerButton, () => {
        running().powerButton();
        return {};
      }),
      serve(machineReset, () => {
        running().reset();
        return {};
      }),
      serve(machineQuit, () => {
        // The answer goes out before the socket closes.
        setTimeout(() => running().stop('quit'), 0);
        return {};
      }),
      ...serveSerial({ settings, running }),
      // The connection's part is the command socket's.
      serve(eventsSubscribe, () => ({})),
      serve(commandList, () => ({ commands: engineCommands.map(describeCommand) })),
      serve(monitorLine, async ({ line }) => ({ text: await answerLine(dispatcher, line) })),
    ],
  });
  return dispatcher;
}
