/** What is said between a vCPU, which knows what is hot, and the compiler of regions, which may be another thread. All of it can be posted. */
import type { DecodeMode } from '../../isa/variants.ts';

/** Make a region of the code at a place. */
export interface RegionOrder {
  /** Number of the vCPU; with `ticket` it finds its answer. */
  readonly vcpu: number;
  readonly ticket: number;
  /** Address of its region of memory. */
  readonly cpu: number;
  /** Host page and offset of the first instruction in it. */
  readonly page: number;
  readonly entry: number;
  readonly mode: DecodeMode;
  readonly flat: number;
  /** Legacy modes: all 4 GiB from 0 are code. */
  readonly flatCode: boolean;
  /** Bytes from the start of the page to the end of the code segment. */
  readonly withinLimit: number;
  /** Offsets of blocks of the page and the times each was entered, in turn; absent: everything counts as entered often. */
  readonly entries: Uint32Array | undefined;
  /** Entries from which on a block is taken into the region. */
  readonly warm: number;
  /** By the offset after a computed jump of the page: the offsets it has led to, likeliest first. */
  readonly targets: ReadonlyMap<number, readonly number[]>;
  /** Code of other pages is taken in as well. */
  readonly far: FarOrder | undefined;
  /** Floats of any size are to be computed in it. */
  readonly anyFloat: boolean;
  /** The most that the region may retire in one pass. */
  readonly instructions: number;
  /** Tickets of orders of the same page and mode that are under way: one of those regions may take this place in. */
  readonly under: readonly number[];
  /** Instructions of the region that is made anew: without more of them it is not. */
  readonly beyond: number;
}

/** Where code of other pages is found: the vCPU's tables of code it has run, in shared memory. They may change while they are read. */
export interface FarOrder {
  /** The region's entry among those of the vCPU (`FAR_ENTRY`). */
  readonly entry: number;
  /** Of the vCPU's region. */
  readonly base: number;
  /** Linear address of the order's page. */
  readonly low: number;
  readonly high: number;
  /** Of code in the present address space and mode. */
  readonly keys: readonly number[];
  /** Entries that a block has left when it has got a region. */
  readonly chains: number;
}

/** A page of a region that is not that of its beginning. */
export interface FarPage {
  /** Counted from that one. */
  readonly number: number;
  readonly host: number;
}

/** A region of the module; function i of the module is that of region i. */
export interface MadeRegion {
  readonly vcpu: number;
  readonly ticket: number;
  readonly instructions: number;
  /** Of WebAssembly. */
  readonly bytes: number;
  readonly farPages: readonly FarPage[];
  /** Bytes that were compiled, as pairs of host addresses in one page each, and the bytes themselves, one range after the other. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
  readonly code: Uint8Array;
  /** It may stay inside for ever. */
  readonly loops: boolean;
  /** Offsets in the page where direct branches leave to, and offsets after its computed jumps. */
  readonly exits: readonly number[];
  readonly computed: readonly number[];
}

export interface RegionAnswer {
  /** Absent: no order could be carried out. */
  readonly module: WebAssembly.Module | undefined;
  readonly regions: readonly MadeRegion[];
  /** Tickets of orders that cannot be carried out. */
  readonly failed: readonly { readonly vcpu: number; readonly ticket: number }[];
  /** Those of places that a region which was under way has taken in. */
  readonly covered: readonly { readonly vcpu: number; readonly ticket: number }[];
  readonly bytes: number;
  /** Instructions found to be unfit. */
  readonly refused: number;
  /** Time of the compiler, in microseconds. */
  readonly microseconds: number;
}

/** One thread's way to a compiler on another thread. */
export interface CompilerPort {
  post(order: RegionOrder): void;
  /** The next answer, if there is one. Asked before every run: nearly free when there is none. */
  receive(): RegionAnswer | undefined;
}
