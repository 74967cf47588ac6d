/** The probes there are, with the names of what each tells. */

const TABLE = {
  entry: {
    doc: 'before VM entry',
    args: { rip: 'where the guest goes on', injection: 'VM-entry interruption information', error: 'its error code' },
  },
  exit: {
    doc: 'after a VM exit',
    args: {
      reason: 'basic exit reason',
      qualification: 'exit qualification',
      rip: 'where the guest was',
      info: 'VM-exit interruption information',
    },
  },
  pio: {
    doc: 'a port is read or written',
    args: { port: 'port', size: 'bytes', value: 'value', write: '1 for a write' },
  },
  mmio: {
    doc: 'a device register is read or written',
    args: { gpa: 'guest-physical address', size: 'bytes', value: 'value', write: '1 for a write' },
  },
  cr: {
    doc: 'a control register is read or written with an exit',
    args: { cr: 'number', value: 'value', write: '1 for a write' },
  },
  msr: {
    doc: 'an MSR is read or written with an exit',
    args: { msr: 'index', value: 'value', write: '1 for a write', fault: '1 when the guest got #GP' },
  },
  apic: {
    doc: 'a register of the local APIC is read or written',
    args: { register: 'offset in its page', value: 'value', write: '1 for a write' },
  },
  pic: {
    doc: 'an input of the 8259 pair changes',
    args: { line: 'line 0 to 15', level: '1 when active' },
  },
  ioapic: {
    doc: 'an input of the I/O APIC changes',
    args: { line: 'pin 0 to 23', level: '1 when active' },
  },
  inject: {
    doc: 'an event is injected into the guest',
    args: { vector: 'vector', kind: '0 external interrupt, 2 NMI, 3 exception', error: 'error code of an exception' },
  },
  'page-fault': {
    doc: 'a page fault or an EPT violation exits',
    args: { gva: 'linear address', gpa: 'guest-physical address', error: 'error code or exit qualification' },
  },
  vmread: {
    doc: 'the hypervisor reads a VMCS field',
    args: { field: 'encoding', value: 'value' },
  },
  vmwrite: {
    doc: 'the hypervisor writes a VMCS field',
    args: { field: 'encoding', value: 'value' },
  },
  hypercall: {
    doc: 'a hypercall is served',
    args: { number: 'number', a0: 'first argument', a1: 'second argument', result: 'result' },
  },
} as const satisfies Readonly<Record<string, { readonly doc: string; readonly args: Readonly<Record<string, string>> }>>;

export type ProbeName = keyof typeof TABLE;
/** What `fire` takes; numbers are integers from 0 to 2^53. */
export type ProbeArguments<N extends ProbeName> = Readonly<Record<keyof (typeof TABLE)[N]['args'], number | bigint | boolean>>;

export interface Probe {
  readonly name: ProbeName;
  readonly id: number;
  /** Its bit in a mask. */
  readonly bit: number;
  readonly doc: string;
  /** Names of its arguments, in their order. */
  readonly args: readonly string[];
}

/** By id. */
export const PROBES: readonly Probe[] = Object.entries(TABLE).map(([name, { doc, args }], id) => ({
  name: name as ProbeName,
  id,
  bit: 1 << id,
  doc,
  args: Object.keys(args),
}));

/** By name. */
export const PROBE = Object.fromEntries(PROBES.map((probe) => [probe.name, probe])) as Readonly<Record<ProbeName, Probe>>;
