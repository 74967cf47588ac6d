/**
 * One machine as each of its threads sees it. Every thread makes the same parts in the same order over the same memory, so that places in
 * it agree; what a thread does not use it still makes.
 */
import { type HostNow, REQUEST } from '../base/index.ts';
import { type Board, createBoard } from '../board/board.ts';
import { callerRegistersOf } from '../board/caller-registers.ts';
import type { DirectFiles } from '../board/drives/direct.ts';
import { createDriveServer, type DriveServerParts } from '../board/drives/server.ts';
import { drivePlan } from '../contract/drive-plan.ts';
import type { MachineSettings } from '../contract/settings.ts';
import { createBareMachine } from '../hypervisor/bare/index.ts';
import { COUNTER, createObservation, interruptReport, type Machine, type Observation } from '../hypervisor/index.ts';
import type { ProcessorMachineOptions } from '../hypervisor/processor/index.ts';
import { createSoftwareMachine } from '../hypervisor/software/index.ts';
import { createMachineMemory, type MachineMemory } from '../memory/index.ts';
import type { InspectedMember } from '../state/index.ts';
import { powerOn, readStartFiles } from './boot.ts';
import { capabilitiesOf } from './control.ts';
import { createDeadlineKeeper, type DeadlineKeeper } from './deadline-keeper.ts';
import { Gate } from './gate.ts';
import type { IoMachine } from './io-thread.ts';
import { type KeyReaderWord, takeKeyReader } from './key-feeder.ts';
import type { DeviceReport, MachineEvent, ThreadPlan } from './messages.ts';
import { runnableOf } from './runnable.ts';
import {
  createOutputLine,
  createSerialLine,
  type SerialLine,
  type SerialRings,
  takeOutputRing,
  takeSerialRings,
} from './serial-line.ts';
import { SerialTail } from './serial-tail.ts';
import { StopKeeper, takeStopList } from './stop-keeper.ts';
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

/** What a thread that runs vCPUs has besides. */
export interface VcpuThreadPorts extends ThreadPorts {
  readonly interpreter: NonNullable<ProcessorMachineOptions['interpreter']>;
  /** Files that drives' requests may be carried out on at once. */
  readonly directFiles?: DirectFiles;
  /** Compiles hot code beside this thread's vCPUs. */
  readonly compiler?: NonNullable<ProcessorMachineOptions['compiler']>;
  /** As in `ProcessorOptions`. */
  readonly codeBytes?: number;
  readonly collectGarbage?: () => void;
}

interface Parts {
  readonly memory: MachineMemory;
  readonly gate: Gate;
  readonly serial: readonly SerialRings[];
  readonly keeper: DeadlineKeeper;
  readonly machine: Machine;
  readonly observation: Observation;
  readonly lines: readonly SerialLine[];
  readonly printer: IoMachine['printer'];
  readonly keyReader: KeyReaderWord;
  readonly board: Board;
  readonly stops: StopKeeper;
}

function build({ settings, memory: shared, role, displayRom }: ThreadPlan, ports: ThreadPorts & Partial<VcpuThreadPorts>): Parts {
  const { memoryKiB, cpus, cpu, accel, threads, debugExit, jit, vga, hpet } = settings;
  const memory = createMachineMemory({ ramBytes: memoryKiB * 1024, vcpus: cpus, memory: shared, hostNow: ports.hostNow });
  const gate = new Gate(memory);
  const observation = createObservation(memory, capabilitiesOf(settings).vmcsFields);
  const list = takeStopList(memory);
  const tail = new SerialTail(memory);
  const serial = [takeSerialRings(memory), takeSerialRings(memory, 'serial2')] as const;
  const lines = [createSerialLine(serial[0], (byte) => stops.serial(byte)), createSerialLine(serial[1])] as const;
  const printer = takeOutputRing(memory, 'parallel.output');
  const keyReader = takeKeyReader(memory);
  const keeperPlace = memory.arena.take('deadline-keeper', 8, 64);
  const create = accel === 'software' ? createSoftwareMachine : createBareMachine;
  const { calendar, compiler, codeBytes, collectGarbage, directFiles, interpreter, hostNow } = ports;
  const machine = create({
    memory,
    model: cpu,
    interpreter,
    observation,
    jit,
    calendar,
    ...(compiler && { compiler }),
    ...(codeBytes && { codeBytes }),
    ...(collectGarbage && { collectGarbage }),
  });
  const { requests } = machine;
  const { vmcsFields } = capabilitiesOf(settings);
  const stops = new StopKeeper({ memory, list, tail, gate, requests, observation, vmcsFields });
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
      hpet,
      vga,
      drives: driveSpecs(settings),
      bootOrder: settings.boot.order,
      ...(displayRom && { displayRom }),
      bootMenuMilliseconds: settings.boot.menu ? BOOT_MENU_MILLISECONDS : 0,
    },
    ports: {
      serial: lines,
      parallel: createOutputLine(printer),
      ...(directFiles && { directDrives: { files: directFiles, now: hostNow, onDone: countDone(observation) } }),
      calendar: ports.calendar,
      speaker: ports.onTone,
      keyReader,
      callerRegisters: callerRegistersOf(machine),
      signals: {
        powerOff: () => end({ kind: 'poweroff' }),
        reset: () => end({ kind: 'reset' }),
        debugExit: (value) => end({ kind: 'debug-exit', value }),
      },
    },
  });
  return { memory, gate, serial, keeper, machine, observation, lines, printer, keyReader, board, stops };
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
  const { memory, serial, keeper, machine, observation, lines, printer, keyReader, board } = build(plan, ports);
  const deviceWork = <T>(work: () => T): T => {
    const result = memory.lock.run(work);
    keeper.nudge();
    return result;
  };
  return {
    serial,
    printer,
    requestWords: machine.requests.requestWords(),
    serveDrives: (events) =>
      createDriveServer({
        memory,
        bay: board.bay,
        now: ports.hostNow,
        work: deviceWork,
        onDone: countDone(observation),
        ...events,
      }),
    askForTray: (drive) => memory.lock.run(() => board.askForTray(drive)),
    boot: (host) => {
      const start = readStartFiles(plan.settings, plan.builtInFirmware, host);
      memory.lock.run(() => powerOn({ machine, board, start }));
    },
    pressPowerButton: () => deviceWork(() => board.pressPowerButton()),
    pressSleepButton: () => deviceWork(() => board.pressSleepButton()),
    keyboard: {
      key: (name, down) => deviceWork(() => board.keyboard.key(name, down)),
      keysRead: () => memory.lock.run(() => board.keyboard.keysRead()),
      move: (move) => deviceWork(() => board.keyboard.move(move)),
    },
    pointer: {
      move: (move) => deviceWork(() => board.keyboard.move(move)),
      point: (at) => deviceWork(() => board.keyboard.point(at)),
      takesPositions: () => memory.lock.run(() => board.keyboard.takesPositions()),
    },
    keyReader,
    createScreen: () => board.createScreen(),
    devices: () => memory.lock.run(() => deviceReports(machine, board)),
    interrupts: () => memory.lock.run(() => interruptReport(machine.irqchip)),
    pci: () => memory.lock.run(() => board.pci()),
    deliverInput: (port) => deviceWork(() => lines[port]?.ready()),
  };
}

/** Requests of drives are counted for the machine, under the lock. */
function countDone({ counters }: Observation): NonNullable<DriveServerParts['onDone']> {
  return (op, bytes, result) => {
    const add = (name: keyof typeof COUNTER, amount = 1): void => counters.add(-1, COUNTER[name], amount);
    if (result !== 'done') return add('disk-failures');
    if (op === 'read') {
      add('disk-reads');
      add('disk-read-bytes', bytes);
    } else if (op === 'write') {
      add('disk-writes');
      add('disk-write-bytes', bytes);
    } else if (op === 'flush') add('disk-flushes');
    else if (op === 'discard') add('disk-discards');
  };
}

/** Devices and interrupt controllers, member by member. */
function deviceReports({ irqchip }: Machine, board: Board): DeviceReport[] {
  const parts = [...board.inspect(), ...irqchip.inspect().map((part) => ({ ...part, type: part.name }))];
  return parts.map(({ name, type, members }) => ({
    name,
    type,
    members: members.map((member: InspectedMember) => ({ name: member.name, doc: member.doc, value: textOf(member.value) })),
  }));
}

/** Numbers in hexadecimal; a list of bytes as digits, other lists with commas. */
function textOf(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number' || typeof value === 'bigint') {
    return value < 0 ? String(value) : `0x${value.toString(16)}`;
  }
  if (value instanceof Uint8Array) return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return Array.from(value as unknown as ArrayLike<number | bigint>, textOf).join(', ');
  }
  return String(value);
}

/** A vCPU thread's machine. */
export function buildVcpuThread(plan: ThreadPlan, ports: VcpuThreadPorts): Omit<VcpuThreadOptions, 'channel'> {
  const { memory, gate, serial, keeper, machine, stops } = build(plan, ports);
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
    serial,
    stops,
  };
}
