/**
 * The commands of an engine process. One process serves one machine, so no command names it.
 */
import * as z from 'zod';
import { command } from './command.ts';
import { debugCommands } from './debug-commands.ts';
import { eventsSubscribe } from './events.ts';
import {
  machineCounters,
  machineEntryChecks,
  machineExitVmcs,
  machineTraceRead,
  machineTraceStart,
  machineTraceStop,
  machineVmcs,
  machineWalk,
} from './observe.ts';
import { screenCommands } from './screen-commands.ts';
import { serialCommands } from './serial-commands.ts';
import { MachineName, MachineStatus } from './settings.ts';
import { Stopped } from './stops.ts';
import { storageCommands } from './storage-commands.ts';
import { Hexadecimal, nothing } from './values.ts';

const VcpuActivity = z.enum(['running', 'halted', 'waiting-for-sipi', 'stopped']);

export const machineStatus = command({
  name: 'machine-status',
  since: '0.1',
  doc: 'What the machine is, what it does now and what it costs the host.',
  params: nothing,
  result: z.strictObject({
    name: MachineName,
    status: MachineStatus,
    pid: z.int().positive(),
    accel: z.string(),
    cpu: z.string(),
    memoryKiB: z.int(),
    /** Machine clock: nanoseconds of guest time since power on. */
    guestNanoseconds: z.int().nonnegative(),
    /** CPU time of the whole process, user and system, in microseconds. */
    hostCpuMicroseconds: z.int().nonnegative(),
    residentBytes: z.int().nonnegative(),
    /** Why it stands still, while it does. */
    stopped: Stopped.optional(),
    vcpus: z.array(
      z.strictObject({
        vcpu: z.int().nonnegative(),
        activity: VcpuActivity,
        /** Instructions retired since power on; counts beyond 2^53 are rounded. */
        instructions: z.number().nonnegative(),
      }),
    ),
  }),
  errors: [],
});

export const machineRegisters = command({
  name: 'machine-registers',
  since: '0.1',
  doc: 'The registers of one vCPU, or of all, read between two instructions while the machine runs on.',
  params: z.strictObject({ vcpu: z.int().nonnegative().optional() }),
  result: z.strictObject({
    vcpus: z.array(
      z.strictObject({
        vcpu: z.int().nonnegative(),
        registers: z.array(z.strictObject({ group: z.string(), name: z.string(), value: Hexadecimal })),
      }),
    ),
  }),
  errors: ['vcpu-unknown', 'machine-not-answering'],
});

export const machinePowerButton = command({
  name: 'machine-power-button',
  since: '0.1',
  doc: 'Press the power button once: the guest decides what follows.',
  allowedIn: ['running'],
  params: nothing,
  result: nothing,
  errors: [],
});

export const machineReset = command({
  name: 'machine-reset',
  since: '0.1',
  doc: 'Reset the machine as its reset line does: memory keeps its content except where the boot images go again. A paused machine runs on.',
  allowedIn: ['running', 'paused'],
  params: nothing,
  result: nothing,
  errors: [],
});

export const machineQuit = command({
  name: 'machine-quit',
  since: '0.1',
  doc: 'Stop the machine at once, without asking the guest, and end its process. Quitting twice succeeds.',
  params: nothing,
  result: nothing,
  errors: [],
});

export const commandList = command({
  name: 'command-list',
  since: '0.1',
  doc: 'The commands this engine serves, with the JSON Schema of what each takes and gives.',
  params: nothing,
  result: z.strictObject({
    commands: z.array(
      z.strictObject({
        name: z.string(),
        since: z.string(),
        doc: z.string(),
        params: z.record(z.string(), z.unknown()),
        result: z.record(z.string(), z.unknown()),
        errors: z.array(z.string()),
      }),
    ),
  }),
  errors: [],
});

/** Everything an engine process serves, in the order in which help shows it. */
/** Longest line of the monitor. */
export const maximumMonitorLine = 1024;

export const monitorLine = command({
  name: 'monitor-line',
  since: '0.1',
  doc: 'Carry out a line as the monitor on a terminal does, and give what it prints: `help` shows commands. What is wrong with it is printed too.',
  params: z.strictObject({ line: z.string().max(maximumMonitorLine) }),
  result: z.strictObject({ text: z.string() }),
  errors: [],
});

export const engineCommands = [
  machineStatus,
  machineRegisters,
  machineCounters,
  machineVmcs,
  machineExitVmcs,
  machineEntryChecks,
  machineWalk,
  machineTraceStart,
  machineTraceRead,
  machineTraceStop,
  machinePowerButton,
  machineReset,
  machineQuit,
  ...screenCommands,
  ...storageCommands,
  ...debugCommands,
  ...serialCommands,
  eventsSubscribe,
  commandList,
  monitorLine,
] as const;
