/**
 * One machine as each of its threads sees it. Every thread makes the same parts in the same order over the same memory, so that places in
 * it agree; what a thread does not use it still makes.
 */
import { type HostNow, REQUEST } from '../base/index.ts';
import { type Board, createBoard } from '../board/board.ts';
import { createDriveServer } from '../board/drives/server.ts';
import type { MachineSettings } from '../contract/settings.ts';
import { drivePlan } from '../contract/storage-settings.ts';
import { bareCapabilities, createBareMachine } from '../hypervisor/bare/index.ts';
import { type Capabilities, createObservation, type Machine, type Observation } from '../hypervisor/index.ts';
import { createSoftwareMachine, softwareCapabilities } from '../hypervisor/software/index.ts';
import { createMachineMemory, type MachineMemory } from '../memory/index.ts';
import { powerOn, readStartFiles } from './boot.ts';
import { createDeadlineKeeper, type DeadlineKeeper } from './deadline-keeper.ts';
import { Gate } from './gate.ts';
import type { IoMachine } from './io-thread.ts';
import { type KeyReaderWord, takeKeyReader } from './key-feeder.ts';
import type { MachineEvent, ThreadPlan } from './messages.ts';
import { runnableOf } from './runnable.ts';
import {
  createOutputLine,
  createSerialLine,
  type SerialLine,
  type SerialRings,
  takeOutputRing,
  takeSerialRings,
} from './serial-line.ts';
import type { VcpuThreadOptions } from './vcpu-thread.ts';

/** What a thread gives its view of the machine. */
export interface ThreadPorts {
  readonly hostNow: HostNow;
  /** Civil time for the real-time clock, UTC. */
  readonly calendar: { microseconds(): number };
  /** What the speaker plays from now on, in hertz, 0 for silence; on the thread that changed it. */
  onTone(hertz: number): void;
  /** Board events, on the thread that caused them. The machine is already being stopped then. */
  onEvent(event: MachineEvent): void;
}

/** The main thread's part: memory, and the words by which it stops and starts the others. */
export interface MachineControl {
  readonly memory: MachineMemory;
  readonly gate: Gate;
  readonly observation: Observation;
  readonly capabilities: Capabilities;
}

export function buildMachineControl(settings: MachineSettings, hostNow: HostNow): MachineControl {
  const memory = createMachineMemory({ ramBytes: settings.memoryKiB * 1024, vcpus: settings.cpus, hostNow });
  const capabilities = capabilitiesOf(settings);
  return { memory, gate: new Gate(memory), observation: createObservation(memory, capabilities.vmcsFields), capabilities };
}

function capabilitiesOf({ accel }: MachineSettings): Capabilities {
  return accel === 'software' ? softwareCapabilities() : bareCapabilities();
}

interface Parts {
  readonly memory: MachineMemory;
  readonly gate: Gate;
  readonly rings: SerialRings;
  readonly keeper: DeadlineKeeper;
  readonly machine: Machine;
  readonly line: SerialLine;
  readonly outputs: IoMachine['outputs'];
  readonly keyReader: KeyReaderWord;
  readonly board: Board;
}

function build({ settings, memory: shared, interpreter, role, optionRoms }: ThreadPlan, ports: ThreadPorts): Parts {
  const { memoryKiB, cpus, cpu, accel, threads, debugExit, jit, vga } = settings;
  const memory = createMachineMemory({ ramBytes: memoryKiB * 1024, vcpus: cpus, memory: shared, hostNow: ports.hostNow });
  const gate = new Gate(memory);
  const observation = createObservation(memory, capabilitiesOf(settings).vmcsFields);
  const rings = takeSerialRings(memory);
  const line = createSerialLine(rings);
  const outputs = { serial2: takeOutputRing(memory, 'serial2.output'), parallel: takeOutputRing(memory, 'parallel.output') };
  const keyReader = takeKeyReader(memory);
  const keeperPlace = memory.arena.take('deadline-keeper', 8, 64);
  const create = accel === 'software' ? createSoftwareMachine : createBareMachine;
  const machine = create({ memory, model: cpu, interpreter, observation, jit, calendar: ports.calendar });
  const keeper = createDeadlineKeeper({
    memory,
    place: keeperPlace,
    requests: machine.requests,
    keeps: role.kind === 'vcpus' && role.vcpus.includes(0),
    roundRobin: threads === 'round-robin',
  });
  /** No vCPU goes on after the access that ended or restarted the machine. */
  const end = (event: MachineEvent): void => {
    gate.close();
    machine.requests.raise(-1, REQUEST.stop);
    ports.onEvent(event);
  };
  const board = createBoard({
    memory,
    irqchip: machine.irqchip,
    config: {
      cpus,
      testDevices: debugExit,
      vga,
      drives: driveSpecs(settings),
      bootOrder: settings.boot.order,
      firmwareFiles: optionRoms,
      bootMenuMilliseconds: settings.boot.menu ? BOOT_MENU_MILLISECONDS : 0,
    },
    ports: {
      serial: [line, createOutputLine(outputs.serial2)],
      parallel: createOutputLine(outputs.parallel),
      calendar: ports.calendar,
      speaker: ports.onTone,
      keyReader,
      signals: {
        powerOff: () => end({ kind: 'poweroff' }),
        reset: () => end({ kind: 'reset' }),
        debugExit: (value) => end({ kind: 'debug-exit', value }),
      },
    },
  });
  return { memory, gate, rings, keeper, machine, line, outputs, keyReader, board };
}

/** How long the BIOS waits for F12 where a boot menu is wanted. */
const BOOT_MENU_MILLISECONDS = 3000;

/** Drives as the board wants them: what they are, not what is in them. */
function driveSpecs(settings: MachineSettings) {
  return drivePlan(settings).map((drive, d) => {
    const title = drive?.medium?.file.split(/[/\\]/).at(-1) ?? drive?.name ?? '';
    return drive && { kind: drive.kind, serial: `RM-${String(d).padStart(8, '0')}`, title };
  });
}

/** The I/O thread's machine. */
export function buildIoMachine(plan: ThreadPlan, ports: ThreadPorts): IoMachine {
  const { memory, rings, keeper, machine, line, outputs, keyReader, board } = build(plan, ports);
  const deviceWork = <T>(work: () => T): T => {
    const result = memory.lock.run(work);
    keeper.nudge();
    return result;
  };
  return {
    rings,
    requestWords: machine.requests.requestWords(),
    serveDrives: (events) => createDriveServer({ memory, bay: board.bay, work: deviceWork, ...events }),
    askForTray: (drive) => memory.lock.run(() => board.askForTray(drive)),
    boot: (readFile) => {
      const start = readStartFiles(plan.settings, plan.builtInFirmware, readFile);
      memory.lock.run(() => powerOn({ machine, board, start }));
    },
    pressPowerButton: () => deviceWork(() => board.pressPowerButton()),
    pressSleepButton: () => deviceWork(() => board.pressSleepButton()),
    keyboard: {
      key: (name, down) => deviceWork(() => board.keyboard.key(name, down)),
      keysRead: () => memory.lock.run(() => board.keyboard.keysRead()),
    },
    outputs,
    keyReader,
    createScreen: () => board.createScreen(),
    deliverInput: () => deviceWork(() => line.ready()),
  };
}

/** A vCPU thread's machine. */
export function buildVcpuThread(plan: ThreadPlan, ports: ThreadPorts): Omit<VcpuThreadOptions, 'channel'> {
  const { memory, gate, rings, keeper, machine } = build(plan, ports);
  const { role } = plan;
  const ids = role.kind === 'vcpus' ? role.vcpus : [];
  const { clock, deadlines, lock } = memory;
  return {
    vcpus: ids.map((id) => runnableOf(machine, id)),
    gate,
    requests: machine.requests,
    clock,
    deadlines,
    keeper,
    lock,
    rings,
  };
}
