import { CLOCK_BYTES, DEADLINES_BYTES, requestsBytes } from '../base/index.ts';

/** Bytes of a page of guest and host memory. */
export const PAGE = 4096;
/** Guest-physical addresses from here on are empty: the table of pages ends. */
export const PHYSICAL_END = 2 ** 34;
/** Memory slots of a machine. */
export const SLOTS = 64;
/** Port and MMIO regions of a machine. */
export const REGIONS = 256;

/** Low bits of an entry of the table of guest-physical pages; the upper 20 bits are the host page's address. 0: nothing there. */
export const PHYS = {
  /** Reads and writes go straight to host memory. */
  RAM: 1,
  /** Reads go straight to host memory, writes to the bus. */
  ROM: 2,
  /** Everything goes to the bus. */
  MMIO: 4,
  /** The content is not here yet. */
  ABSENT: 8,
  /**
   * The page's slot logs writes and this page is not marked yet. Before the first write: clear this bit, then set the page's bit in
   * `dirtyBits`, both atomically and in this order; then the page may be written directly until write entries are flushed.
   */
  LOG: 32,
  /** Somebody watches accesses. */
  WATCH: 64,
} as const;

/** Byte offsets of what lies at a fixed place. Fields of 32 bits unless said otherwise. */
export const FIXED = {
  /** Counts committed changes of the guest-physical map. */
  mapGeneration: 0x1000,
  /** Counts changes of port and MMIO placements. */
  busGeneration: 0x1004,
  machineLock: 0x1008,
  /** Held while a CMPXCHG16B is under way. */
  pairLock: 0x1010,
  /** 1 while the A20 line holds address bit 20 at zero. */
  a20Masked: 0x100c,
  clock: 0x1040,
  deadlines: 0x1040 + CLOCK_BYTES,
  /** Counts changes of generations of all host pages, on a line of its own: it seldom changes and is read all the time. */
  codeEpoch: 0x17c0,
  /** `Requests` block for up to 32 vCPUs. */
  requests: 0x1800,
  /** SLOTS records of 32 bytes: f64 gpa, f64 size, u32 hva, u32 flags. */
  slots: 0x2000,
  /** REGIONS records of 16 bytes: f64 address, u32 enabled. */
  placements: 0x3000,
  /** u32 per guest-physical page below `PHYSICAL_END`. */
  physTable: 0x10000,
  /**
   * 16 bytes per host page: u32 code mask low, high (bit i: 64-byte granule i holds decoded code), u32 generation, u32 writers: of up to two
   * linear pages whose write entries lead here bits 0 to 13, with bit 14 set, in a half each; 0 none, all ones more.
   */
  pageInfo: 0x10000 + 0x100_0000,
  /** One bit per host page, as 32-bit words: written since its slot's dirty log was collected. */
  dirtyBits: 0x10000 + 0x200_0000,
  arena: 0x10000 + 0x200_0000 + 0x2_0000,
} as const;

if (FIXED.deadlines + DEADLINES_BYTES > FIXED.codeEpoch || FIXED.requests + requestsBytes(32) > FIXED.slots) {
  throw new RangeError('the fixed regions overlap');
}

/** Where the parts of one machine's memory lie, in bytes from its start. */
export interface MemoryMap {
  readonly physTable: number;
  readonly pageInfo: number;
  readonly dirtyBits: number;
  readonly mapGeneration: number;
  readonly a20Masked: number;
  readonly requests: number;
  readonly arena: number;
  readonly arenaBytes: number;
  readonly ramBase: number;
  readonly ramBytes: number;
}
