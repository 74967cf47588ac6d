/** Commands that look into a running machine: counters, VMCS, address walks, traces. None of them changes what the guest sees. */
import * as z from 'zod';
import { command } from './command.ts';
import { Address, Hexadecimal, nothing, Vcpu } from './values.ts';

export { KVMSTAT } from '../base/kvmstat.ts';

export const machineCounters = command({
  name: 'machine-counters',
  since: '0.1',
  doc: 'What was counted since power on, under the names of kstat. Facts the back end does not have are null.',
  params: nothing,
  result: z.strictObject({
    pid: z.int().positive(),
    accel: z.string(),
    /** Machine clock: nanoseconds of guest time since power on. */
    guestNanoseconds: z.int().nonnegative(),
    groups: z.array(
      z.strictObject({
        group: z.string(),
        sets: z.array(
          z.strictObject({
            /** Null for what is counted for the machine as a whole. */
            vcpu: Vcpu.nullable(),
            counters: z.record(z.string(), z.number().nullable()),
          }),
        ),
      }),
    ),
  }),
  errors: [],
});

/** Rules of VM entry in the manual's order, up to and with the first that does not hold. */
const EntryChecks = z.array(
  z.strictObject({
    stage: z.enum(['controls', 'host', 'guest']),
    rule: z.string(),
    ok: z.boolean(),
    fields: z.array(
      z.strictObject({
        name: z.string(),
        value: Hexadecimal,
        /** Bits that must be 1, and bits that may be, where capability MSRs decide. */
        ones: Hexadecimal.optional(),
        may: Hexadecimal.optional(),
      }),
    ),
  }),
);

/** A VMCS, every field. */
const vmcsShape = {
  vcpu: Vcpu,
  /** Physical address of the region. */
  pointer: Hexadecimal,
  launched: z.boolean(),
  fields: z.array(
    z.strictObject({
      name: z.string(),
      encoding: Hexadecimal,
      /** Bits, or natural width. */
      width: z.union([z.literal(16), z.literal(32), z.literal(64), z.literal('natural')]),
      area: z.enum(['control', 'read-only', 'guest', 'host']),
      value: Hexadecimal,
      /** What is set in the value, in words. */
      bits: z.array(z.string()),
      /** Bits that must be 1, and bits that may be, where capability MSRs decide. */
      ones: Hexadecimal.optional(),
      may: Hexadecimal.optional(),
      about: z
        .strictObject({
          /** One sentence in English. */
          text: z.string(),
          bits: z.array(z.strictObject({ at: z.int().min(0).max(63), name: z.string(), text: z.string() })),
        })
        .optional(),
    }),
  ),
} as const;

export const machineVmcs = command({
  name: 'machine-vmcs',
  since: '0.1',
  doc: 'The VMCS a vCPU runs under, every field, read between two instructions while the machine runs on.',
  allowedIn: ['running', 'paused'],
  params: z.strictObject({
    vcpu: Vcpu.default(0),
    /** With what each field is for and what its bits are called, which never changes. */
    about: z.boolean().default(false),
  }),
  result: z.strictObject({
    ...vmcsShape,
    /** When VM entry failed: its rules in the manual's order up to the one that did not hold, and what that one compared. */
    failure: EntryChecks.optional(),
  }),
  errors: ['vcpu-unknown', 'vmcs-none', 'machine-not-answering'],
});

export const machineExitVmcs = command({
  name: 'machine-exit-vmcs',
  since: '0.1',
  doc: 'The VMCS as it was at a recorded exit, of the last trace that kept them; that may have ended.',
  allowedIn: ['running', 'paused'],
  params: z.strictObject({
    vcpu: Vcpu.default(0),
    /** Machine clock, as the event of the exit says. */
    nanoseconds: z.number().nonnegative(),
  }),
  result: z.strictObject(vmcsShape),
  errors: ['vcpu-unknown', 'vmcs-none', 'exit-forgotten'],
});

export const machineEntryChecks = command({
  name: 'machine-entry-checks',
  since: '0.1',
  doc: 'Every rule of VM entry as the VMCS of a vCPU meets it now, with the fields it compares; none where there is no VMCS to judge.',
  allowedIn: ['running', 'paused'],
  params: z.strictObject({ vcpu: Vcpu.default(0) }),
  result: z.strictObject({ vcpu: Vcpu, checks: EntryChecks.optional() }),
  errors: ['vcpu-unknown', 'machine-not-answering'],
});

const EptEntry = z.strictObject({ name: z.string(), at: Hexadecimal, value: Hexadecimal, flags: z.array(z.string()) });

export const machineWalk = command({
  name: 'machine-walk',
  since: '0.1',
  doc: 'The way from a guest-virtual address to guest-physical and host memory, every entry on it. Changes no accessed bit.',
  allowedIn: ['running', 'paused'],
  params: z.strictObject({ gva: Address, vcpu: Vcpu.default(0) }),
  result: z.strictObject({
    vcpu: Vcpu,
    gva: Hexadecimal,
    paging: z.enum(['none', '32-bit', 'PAE', '4-level']),
    ept: z.boolean(),
    entries: z.array(
      z.strictObject({
        name: z.string(),
        /** Guest-physical address of the entry; absent for a register. */
        at: Hexadecimal.optional(),
        /** Absent when it could not be read. */
        value: Hexadecimal.optional(),
        flags: z.array(z.string()),
        /** The way to the entry through EPT. */
        ept: z.array(EptEntry),
      }),
    ),
    gpa: Hexadecimal.optional(),
    /** The way from the guest-physical address through EPT. */
    last: z.array(EptEntry),
    /** Physical address for the processor the guest runs on. */
    hpa: Hexadecimal.optional(),
    /** Offset in the machine's memory. */
    hva: Hexadecimal.optional(),
    pageBytes: z.int().positive().optional(),
    rights: z.strictObject({ write: z.boolean(), user: z.boolean(), execute: z.boolean() }).optional(),
    /** Where the walk ended without an address, and why. */
    fault: z.strictObject({ at: z.string(), reason: z.string() }).optional(),
  }),
  errors: ['vcpu-unknown', 'machine-not-answering'],
});

export const machineTraceStart = command({
  name: 'machine-trace-start',
  since: '0.1',
  doc: 'Listen to probes. The trace ends by machine-trace-stop, or when nobody fetches from it for ten seconds.',
  allowedIn: ['running', 'paused'],
  params: z.strictObject({
    /** Absent: exits where the back end has them, otherwise all it has. */
    probes: z.array(z.string().max(32)).min(1).max(32).optional(),
    /** Only events for which this holds, such as `reason == IO_INSTRUCTION && port == 0x3f8`. */
    where: z.string().max(1000).optional(),
    vcpu: Vcpu.optional(),
    /** VMCS fields each event is to bring, as they were then. */
    fields: z.array(z.string().max(64)).max(8).default([]),
    /** Time in the guest and in handlers instead of events; `where` then chooses exits. */
    histogram: z.boolean().default(false),
    /** Keep the whole VMCS of each exit for `machine-exit-vmcs`: the last some hundred thousand of them. Costs each exit some microseconds. */
    vmcs: z.boolean().default(false),
  }),
  result: z.strictObject({ trace: z.int().positive() }),
  errors: [
    'vcpu-unknown',
    'probe-unknown',
    'probe-missing',
    'trace-where',
    'trace-field',
    'trace-fields',
    'trace-limit',
    'trace-vmcs',
  ],
});

const Histogram = z.strictObject({
  /** Sum of all, in nanoseconds. */
  nanoseconds: z.number().nonnegative(),
  /** How many took from `from` to below twice that, in nanoseconds; powers of two, empty ones left out. */
  buckets: z.array(z.strictObject({ from: z.number().nonnegative(), count: z.int().positive() })),
});

export const machineTraceRead = command({
  name: 'machine-trace-read',
  since: '0.1',
  doc: 'What a trace has seen: events since the last call, or histograms since it began.',
  allowedIn: ['running', 'paused'],
  params: z.strictObject({
    trace: z.int().positive(),
    limit: z.int().min(1).max(10_000).default(1000),
    /** How long to wait for the first event. */
    waitMilliseconds: z.int().min(0).max(2000).default(0),
  }),
  result: z.strictObject({
    events: z.array(
      z.strictObject({
        /** Machine clock. */
        nanoseconds: z.number().nonnegative(),
        vcpu: Vcpu.nullable(),
        probe: z.string(),
        args: z.record(z.string(), z.string()),
        fields: z.record(z.string(), Hexadecimal),
      }),
    ),
    /** Events lost since the last call because they came too fast. */
    dropped: z.int().nonnegative(),
    histograms: z
      .array(
        z.strictObject({
          vcpu: Vcpu,
          guest: Histogram,
          handlers: Histogram,
          /** From HLT until the guest goes on. */
          halted: Histogram,
          reasons: z.array(z.strictObject({ reason: z.string(), count: z.int().positive(), nanoseconds: z.number() })),
        }),
      )
      .optional(),
  }),
  errors: ['trace-unknown'],
});

export const machineTraceStop = command({
  name: 'machine-trace-stop',
  since: '0.1',
  doc: 'End a trace. Ending one that is over succeeds.',
  params: z.strictObject({ trace: z.int().positive() }),
  result: nothing,
  errors: [],
});
