/** Commands that hold a machine, step it, and read and change what it holds. Time stands still for the guest while it is paused. */
import * as z from 'zod';
import { command } from './command.ts';
import { maximumStops } from './stop-limit.ts';
import { Stop, StopCondition, StopId, Stopped } from './stops.ts';
import { Address, Hexadecimal, nothing, Vcpu } from './values.ts';

const seen = ['running', 'paused'] as const;

export const machinePause = command({
  name: 'machine-pause',
  since: '0.1',
  doc: 'Stop every vCPU between two instructions; machine-cont goes on. Pausing a paused machine changes nothing.',
  allowedIn: seen,
  params: nothing,
  result: nothing,
  errors: ['machine-not-answering'],
});

export const machineStep = command({
  name: 'machine-step',
  since: '0.1',
  doc: 'Run one vCPU for a few instructions (`into`), over a call or a repeated instruction (`over`), or until its function returns (`out`). The last two let all vCPUs run; machine-stopped tells when they are done.',
  allowedIn: ['paused'],
  params: z.strictObject({
    vcpu: Vcpu.default(0),
    kind: z.enum(['into', 'over', 'out']).default('into'),
    /** Instructions, for `into`. */
    count: z.int().min(1).max(1_000_000).default(1),
  }),
  result: z.strictObject({
    /** False: the machine runs on until it is done. */
    done: z.boolean(),
    /** Instructions retired, for `into`; fewer than asked where the vCPU is halted. */
    retired: z.int().nonnegative(),
    rip: Hexadecimal,
  }),
  errors: ['vcpu-unknown', 'machine-not-answering'],
});

export const machineRunTo = command({
  name: 'machine-run-to',
  since: '0.1',
  doc: 'Go on until a vCPU is about to execute the instruction at this address, or a stop is met before.',
  allowedIn: ['paused'],
  params: z.strictObject({ gva: Address, vcpu: Vcpu.optional() }),
  result: nothing,
  errors: ['vcpu-unknown', 'machine-not-answering'],
});

export const stopAdd = command({
  name: 'stop-add',
  since: '0.1',
  doc: 'Stop the machine whenever this happens. Code and data stops cost speed while they are there, the others next to none.',
  allowedIn: seen,
  params: z.strictObject({ condition: StopCondition, vcpu: Vcpu.optional(), enabled: z.boolean().default(true) }),
  result: z.strictObject({ stop: StopId }),
  errors: ['vcpu-unknown', 'stop-limit', 'stop-unsupported', 'probe-unknown', 'probe-missing', 'trace-where'],
});

export const stopChange = command({
  name: 'stop-change',
  since: '0.1',
  doc: 'Switch a stop on or off.',
  allowedIn: seen,
  params: z.strictObject({ stop: StopId, enabled: z.boolean() }),
  result: nothing,
  errors: ['stop-unknown'],
});

export const stopRemove = command({
  name: 'stop-remove',
  since: '0.1',
  doc: 'Remove a stop, or all of them. Removing one that is not there succeeds.',
  allowedIn: seen,
  params: z.strictObject({ stop: StopId.optional() }),
  result: nothing,
  errors: [],
});

export const stopList = command({
  name: 'stop-list',
  since: '0.1',
  doc: 'The stops there are, how often each was met, and why the machine stands still if it does.',
  allowedIn: seen,
  params: nothing,
  result: z.strictObject({ stops: z.array(Stop).max(maximumStops), stopped: Stopped.optional() }),
  errors: [],
});

const Registers = z.array(
  z.strictObject({ group: z.string().max(32), name: z.string().max(32), value: z.string().regex(/^0x[0-9a-f]{1,32}$/i) }),
);

export const machineRegistersSet = command({
  name: 'machine-registers-set',
  since: '0.1',
  doc: 'Change registers of a paused vCPU, named as machine-registers names them. All of them, or none when one is refused.',
  allowedIn: ['paused'],
  params: z.strictObject({ vcpu: Vcpu.default(0), registers: Registers.min(1).max(64) }),
  result: nothing,
  errors: ['vcpu-unknown', 'register-unknown', 'register-value', 'machine-not-answering'],
});

/** Whose addresses: the guest’s linear ones, the guest’s physical ones, or the offsets of the machine’s own memory on the host. */
const Space = z.enum(['gva', 'gpa', 'hpa']);
/** Most bytes of memory read or written by one command. */
const maximumMemoryBytes = 4096;

export const machineMemory = command({
  name: 'machine-memory',
  since: '0.1',
  doc: 'Memory as a vCPU sees it, read between two instructions. Reading changes nothing: devices in memory and absent pages read as nothing.',
  allowedIn: seen,
  params: z.strictObject({
    vcpu: Vcpu.default(0),
    space: Space.default('gva'),
    address: Address,
    bytes: z.int().min(1).max(maximumMemoryBytes).default(256),
  }),
  result: z.strictObject({
    address: Hexadecimal,
    /** Two digits a byte; `--` where there is no memory. */
    bytes: z.string(),
  }),
  errors: ['vcpu-unknown', 'machine-not-answering'],
});

export const machineMemorySet = command({
  name: 'machine-memory-set',
  since: '0.1',
  doc: 'Write into memory of a paused machine, read-only pages included. Nothing is written unless all of it is memory.',
  allowedIn: ['paused'],
  params: z.strictObject({
    vcpu: Vcpu.default(0),
    space: Space.default('gva'),
    address: Address,
    bytes: z
      .string()
      .regex(/^([0-9a-fA-F]{2})+$/, 'must be two hexadecimal digits a byte')
      .max(2 * maximumMemoryBytes),
  }),
  result: nothing,
  errors: ['vcpu-unknown', 'memory-absent', 'machine-not-answering'],
});

export const machineMemoryFind = command({
  name: 'machine-memory-find',
  since: '0.1',
  doc: 'Addresses at which these bytes stand, from an address upwards. Says where to go on when the range was longer than one search.',
  allowedIn: seen,
  params: z.strictObject({
    vcpu: Vcpu.default(0),
    space: Space.default('gpa'),
    from: Address,
    to: Address,
    pattern: z
      .string()
      .regex(/^([0-9a-fA-F]{2})+$/, 'must be two hexadecimal digits a byte')
      .max(512),
    limit: z.int().min(1).max(1000).default(100),
  }),
  result: z.strictObject({ found: z.array(Hexadecimal), next: Hexadecimal.optional() }),
  errors: ['vcpu-unknown', 'machine-not-answering'],
});

export const machineDisassemble = command({
  name: 'machine-disassemble',
  since: '0.1',
  doc: 'Instructions from an address on, in the mode the vCPU is in or another one; absent: where it stands.',
  allowedIn: seen,
  params: z.strictObject({
    vcpu: Vcpu.default(0),
    /** Linear address. */
    gva: Address.optional(),
    count: z.int().min(1).max(200).default(20),
    bits: z.union([z.literal(16), z.literal(32), z.literal(64)]).optional(),
  }),
  result: z.strictObject({
    vcpu: Vcpu,
    /** Linear address of the next instruction of the vCPU. */
    ip: Hexadecimal,
    bits: z.union([z.literal(16), z.literal(32), z.literal(64)]),
    instructions: z.array(
      z.strictObject({
        gva: Hexadecimal,
        bytes: z.string(),
        /** Intel syntax; `(bad)` for bytes that are no instruction. */
        text: z.string(),
        /** Where a direct branch goes. */
        target: Hexadecimal.optional(),
      }),
    ),
    /** Linear address of the instruction after the last. */
    next: Hexadecimal,
  }),
  errors: ['vcpu-unknown', 'machine-not-answering'],
});

const Member = z.strictObject({
  name: z.string(),
  value: z.string(),
  doc: z.string(),
});

export const machineDevices = command({
  name: 'machine-devices',
  since: '0.1',
  doc: 'Every device and interrupt controller with its state, member by member, as it would be saved.',
  allowedIn: seen,
  params: z.strictObject({
    /** Only these, by name. */
    names: z.array(z.string().max(64)).max(64).optional(),
  }),
  result: z.strictObject({
    devices: z.array(z.strictObject({ name: z.string(), type: z.string(), members: z.array(Member) })),
  }),
  errors: ['machine-not-answering'],
});

const Vector = z.int().min(0).max(255);
const LocalEntry = z.strictObject({
  name: z.string(),
  vector: Vector,
  mode: z.string(),
  masked: z.boolean(),
  pending: z.boolean(),
  level: z.boolean(),
});

export const machineInterrupts = command({
  name: 'machine-interrupts',
  since: '0.1',
  doc: 'The interrupt controllers as their registers mean it: local APICs, I/O APIC, 8259 pair, and the interval timer.',
  allowedIn: seen,
  params: nothing,
  result: z.strictObject({
    lapics: z.array(
      z.strictObject({
        vcpu: Vcpu,
        id: z.int(),
        mode: z.enum(['off', 'xapic', 'x2apic']),
        enabled: z.boolean(),
        tpr: Vector,
        ppr: Vector,
        /** Vectors requested, in service, and level-triggered, highest first. */
        irr: z.array(Vector),
        isr: z.array(Vector),
        tmr: z.array(Vector),
        local: z.array(LocalEntry),
        timer: z.strictObject({ initial: z.int(), current: z.int(), divide: z.int(), mode: z.string() }),
      }),
    ),
    ioapic: z.strictObject({
      id: z.int(),
      pins: z.array(
        z.strictObject({
          pin: z.int(),
          vector: Vector,
          mode: z.string(),
          destination: z.int(),
          logical: z.boolean(),
          level: z.boolean(),
          activeLow: z.boolean(),
          masked: z.boolean(),
          pending: z.boolean(),
          /** The line is active now. */
          active: z.boolean(),
        }),
      ),
    }),
    pics: z.array(
      z.strictObject({
        name: z.enum(['master', 'slave']),
        base: Vector,
        irr: z.array(z.int()),
        isr: z.array(z.int()),
        masked: z.array(z.int()),
        level: z.array(z.int()),
      }),
    ),
    pit: z.array(
      z.strictObject({
        channel: z.int(),
        mode: z.int(),
        /** What was loaded; 0 stands for 65536. */
        reload: z.int(),
        hertz: z.number().nonnegative(),
        output: z.boolean(),
      }),
    ),
  }),
  errors: ['machine-not-answering'],
});

export const machinePci = command({
  name: 'machine-pci',
  since: '0.1',
  doc: 'The PCI functions of the machine with their base addresses and configuration space.',
  allowedIn: seen,
  params: nothing,
  result: z.strictObject({
    functions: z.array(
      z.strictObject({
        bus: z.int(),
        device: z.int(),
        function: z.int(),
        vendor: Hexadecimal,
        id: Hexadecimal,
        class: Hexadecimal,
        name: z.string(),
        command: Hexadecimal,
        status: Hexadecimal,
        interruptPin: z.int(),
        interruptLine: z.int(),
        bars: z.array(
          z.strictObject({ index: z.int(), kind: z.enum(['io', 'memory']), address: Hexadecimal, enabled: z.boolean() }),
        ),
        /** All 256 bytes, two digits each. */
        config: z.string(),
      }),
    ),
  }),
  errors: ['machine-not-answering'],
});

/** In the order in which help shows them. */
export const debugCommands = [
  machinePause,
  machineStep,
  machineRunTo,
  stopAdd,
  stopChange,
  stopRemove,
  stopList,
  machineRegistersSet,
  machineMemory,
  machineMemorySet,
  machineMemoryFind,
  machineDisassemble,
  machineDevices,
  machineInterrupts,
  machinePci,
] as const;
