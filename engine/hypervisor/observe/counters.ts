/** Counters of a machine under the names of illumos-kvm's kstats, per vCPU, in shared memory. */
import type { MachineMemory } from '../../memory/index.ts';

/** What is counted for each vCPU. */
const VCPU = {
  exits: 'VM exits',
  'fpu-reload': 'times the guest got its floating-point state back',
  'halt-exits': 'exits by HLT',
  'halt-wakeup': 'waits of a halted vCPU that an event ended',
  'host-state-reload': 'times the host state was loaded',
  hypercalls: 'hypercalls',
  'insn-emulation': 'instructions emulated',
  'insn-emulation-fail': 'instructions that could not be emulated',
  invlpg: 'exits by INVLPG',
  'io-exits': 'exits by IN, OUT, INS and OUTS',
  'irq-exits': 'exits by an external interrupt',
  'irq-injections': 'interrupts injected',
  'irq-window-exits': 'exits when the guest could take an interrupt',
  'mmio-exits': 'exits by memory-mapped I/O',
  'nmi-injections': 'NMIs injected',
  'nmi-window-exits': 'exits when the guest could take an NMI',
  'pf-fixed': 'page faults the hypervisor resolved itself',
  'pf-guest': 'page faults handed to the guest',
  'request-irq-exits': 'exits because user space wanted to inject an interrupt',
  'signal-exits': 'exits because the thread was wanted elsewhere',
  'ept-violations': 'exits by an EPT violation',
} as const;

/** What the guest asked for and nobody knows; it was answered as KVM answers. */
const UNKNOWN = {
  'refused-msrs': 'RDMSR and WRMSR that got #GP',
  'unknown-hypercalls': 'hypercalls with a number that does not exist',
  'unknown-ports': 'accesses to ports where nothing answers',
} as const;

/** What is counted for the machine; whoever counts does so in its own cells, and the sum is shown. */
const VM = {
  lpages: 'large pages mapped now',
  'mmu-cache-miss': 'page-table pages that had to be made',
  'mmu-flooded': 'shadowed guest page tables given up because they were written too often',
  'mmu-pte-updated': 'entries updated by a guest write to a shadowed page table',
  'mmu-pte-write': 'guest writes to shadowed page tables',
  'mmu-pte-zapped': 'entries removed',
  'mmu-recycled': 'page-table pages taken back to be used again',
  'mmu-unsync-page': 'shadow pages out of step with the guest now',
  'remote-tlb-flush': 'times other vCPUs were made to drop translations',
} as const;

export type VcpuCounterName = keyof typeof VCPU;
export type VmCounterName = keyof typeof VM;
/** What was made of hot guest code and how it was used; the names are those of the processor's own counters. */
const JIT = {
  'jit-regions': 'regions compiled',
  'jit-modules': 'WebAssembly modules made',
  'jit-bytes': 'bytes of WebAssembly made',
  'jit-refused': 'hot places where no region could be made',
  'jit-instructions': 'guest instructions in regions',
  'jit-microseconds': 'time it took to make regions',
  'jit-live': 'regions in use now',
  'jit-live-bytes': 'bytes of WebAssembly of the regions in use now',
  'jit-resets': 'times all regions were dropped because there were too many',
  'jit-far': 'regions compiled with code of several pages',
  'jit-far-live': 'such regions in use now',
  'jit-far-live-bytes': 'bytes of their WebAssembly',
  'jit-far-entries': 'of 512 entries for such regions, those they have or are to get',
  'jit-far-elsewhere': 'times such a region could not run, because a page of it was not where it had been',
  'jit-far-written': 'such regions dropped because their code was written',
  'jit-far-anew': 'such regions dropped because a larger one took their place',
  'jit-far-reset': 'such regions dropped with all others',
  'jit-far-failed': 'such regions ordered and not made: one page, unfit code or code that was written meanwhile',
  'jit-far-crowded': 'such regions not ordered because no entry was free',
  'jit-entries': 'times the interpreter entered a region',
  'jit-chains': 'times a region went on in another one',
  'jit-missing': 'times a region was left to where there is none',
  'jit-asked': 'times a region was left because of a request',
  'jit-stopped': 'times a region left an instruction to the interpreter',
  'jit-faulted': 'times a region left a fault to the interpreter',
  'jit-retired': 'instructions retired in regions',
  'jit-all-retired': 'instructions retired in all tiers',
} as const;

/** What the host did for the machine's drives, whatever controller asked for it. */
const DISK = {
  'disk-reads': 'read requests carried out',
  'disk-read-bytes': 'bytes read for them',
  'disk-writes': 'write requests carried out',
  'disk-write-bytes': 'bytes written for them',
  'disk-flushes': 'times what was written was made durable',
  'disk-discards': 'requests to forget what stands in sectors',
  'disk-failures': 'requests that failed, the guest was told so',
} as const;

export type CounterName = VcpuCounterName | VmCounterName | keyof typeof UNKNOWN | keyof typeof JIT | keyof typeof DISK;

/** A group of counters that is shown together. A new group is a new entry here, and nothing else. */
interface CounterGroup {
  readonly name: 'vcpu' | 'vm' | 'unknown' | 'jit' | 'disk';
  /** Shown for each vCPU; otherwise the sum over all of them. */
  readonly perVcpu: boolean;
  readonly counters: Readonly<Record<string, string>>;
}

export const COUNTER_GROUPS: readonly CounterGroup[] = [
  { name: 'vcpu', perVcpu: true, counters: VCPU },
  { name: 'vm', perVcpu: false, counters: VM },
  { name: 'unknown', perVcpu: true, counters: UNKNOWN },
  { name: 'jit', perVcpu: true, counters: JIT },
  { name: 'disk', perVcpu: false, counters: DISK },
];

const names = COUNTER_GROUPS.flatMap(({ counters }) => Object.keys(counters)) as CounterName[];

/** Every counter's cell. */
export const COUNTER = Object.fromEntries(names.map((name, cell) => [name, cell])) as Readonly<Record<CounterName, number>>;

/** Cells of one vCPU, a multiple of a cache line of eight. */
const CELLS = Math.ceil(names.length / 8) * 8;

/**
 * The cells, as 64-bit floating-point numbers: exact to 2^53, incremented as fast as a local variable, and read by any thread without a
 * lock. Each vCPU's cells are written by the thread that runs it and nobody else; one more set is for whoever holds the machine lock.
 */
export class Counters {
  readonly #cells: Float64Array;
  readonly #vcpus: number;
  readonly #place: number;

  /** Takes its place from the arena: every thread does so at the same point. */
  constructor({ arena, views, vcpus }: MachineMemory) {
    const bytes = 8 * CELLS * (vcpus + 1);
    this.#place = arena.take('counters', bytes, 64);
    this.#cells = new Float64Array(views.buffer as ArrayBuffer, this.#place, bytes / 8);
    this.#vcpus = vcpus;
  }

  /** Count. `vcpu` is the vCPU this thread runs; -1 under the machine lock, on behalf of no vCPU. */
  add(vcpu: number, counter: number, amount = 1): void {
    const cell = (vcpu < 0 ? this.#vcpus : vcpu) * CELLS + counter;
    this.#cells[cell] = (this.#cells[cell] as number) + amount;
  }

  /** Take over a count that is kept elsewhere. */
  set(vcpu: number, counter: number, value: number): void {
    this.#cells[(vcpu < 0 ? this.#vcpus : vcpu) * CELLS + counter] = value;
  }

  /** Byte address of a cell, for generated code: an f64. */
  address(vcpu: number, counter: number): number {
    return this.#place + 8 * ((vcpu < 0 ? this.#vcpus : vcpu) * CELLS + counter);
  }

  /** One vCPU's count so far; -1: what was counted for no vCPU. */
  of(vcpu: number, counter: number): number {
    return this.#cells[(vcpu < 0 ? this.#vcpus : vcpu) * CELLS + counter] as number;
  }

  /** The sum over all vCPUs. */
  total(counter: number): number {
    let sum = 0;
    for (let set = 0; set <= this.#vcpus; set++) sum += this.#cells[set * CELLS + counter] as number;
    return sum;
  }
}
