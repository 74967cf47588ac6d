import { vcpuState } from './state.ts';

/** Entries of the first-level TLB, of the second level, and of the jump cache; entry sizes in bytes are in the names. */
export const TLB_ENTRIES = 8192;
export const TLB2_ENTRIES = 16384;
export const TLB_ENTRY_BYTES = 32;
export const JUMP_ENTRIES = 16384;
export const JUMP_ENTRY_BYTES = 16;
/** Entries of the cache of code pages and of the one of blocks by host address, 16 bytes each; blocks find place in sets of `BLOCK_SET`. */
export const CODE_PAGES = 2048;
/** Bits that say of which pages there is code in the jump cache, by the number of the page folded at `CODE_SEEN_FOLD`. */
export const CODE_SEEN_BITS = 16384;
export const CODE_SEEN_FOLD = 14;
export const BLOCK_ENTRIES = 32768;
export const BLOCK_SET = 4;
const CODE_ENTRY_BYTES = 16;

/** TLB contexts have twelve bits. The first sixteen are not given out: a tag of 0 belongs to no access then, whatever its alignment. */
export const FIRST_CONTEXT = 16;
export const LAST_CONTEXT = 4095;
/** Address spaces that MOV to CR3 finds by itself, by the low bits of their PCID: entries of `recentSpaces`, 0 when there is none. */
export const RECENT_SPACES = 16;
export const RECENT_SPACE = { pcid: 0xfff, shift: 12, known: 0x80000000 } as const;

/** Hash of a GiB of linear addresses into `largePages`: its number folded at this bit, modulo the bits there. */
export const LARGE_PAGES = { shift: 30, fold: 10, mask: 1023 } as const;

/** One TLB entry: tag for reads, tag for writes, addend (hva - gva, modulo 2^32 in memory32), page of the guest-physical address. */
export const TLB_ENTRY = { readTag: 0, writeTag: 8, addend: 16, pa: 24 } as const;
/**
 * Places of generated code by what forms their addresses, for reads and again for writes: the tag of the first-level TLB entry that was met there
 * last, 0 for none, and its addend. What changes the first level forgets them all. `known`: u32, not 0 where there may be any. `odd`: u32,
 * times regions were left for a float that they do not compute with (jit/floats.ts).
 */
const SITE_COUNT = 22;
export const SITES = {
  count: SITE_COUNT,
  writes: SITE_COUNT,
  tag: 0,
  addend: 16 * SITE_COUNT,
  known: 24 * SITE_COUNT,
  odd: 24 * SITE_COUNT + 4,
} as const;
const SITE_BYTES = 24 * SITE_COUNT + 8;
/** Of a host page's information: what its write entries are, as far as one word with two halves says it (engine/memory/map.ts). */
export const WRITER = { at: 12, page: TLB2_ENTRIES - 1, known: TLB2_ENTRIES, half: 16, several: 0xffffffff } as const;
/**
 * Pages of the guest's page tables as EPT maps them: guest-physical address with the context of global pages, which is another one whenever
 * such translations are flushed, and physical address.
 */
export const TABLE_PAGES = 128;
export const TABLE_PAGE_BYTES = 16;
export const TABLE_PAGE = { tag: 0, pa: 8 } as const;
/** One jump-cache entry: linear address, key, block. */
export const JUMP_ENTRY = { linear: 0, key: 8, block: 12 } as const;

/**
 * Regions with code of other pages (jit/form.ts), one entry for each: what such a region asks when it is entered. Beside the entries stands one
 * tag for each: linear address of the page of its entry with the TLB context in which all its pages were last found where `pages` says (pairs
 * of an i32 number, counted from that page, and the u32 number of the host page; number 0 ends them), 0: they are to be looked for; and the
 * epoch of that time, as links have it. `generations`: sum of those of the host pages when the code was compared. `instead`: slot of the region
 * to run where any of it is not so.
 */
export const FAR_ENTRIES = 512;
export const FAR_ENTRY_BYTES = 64;
export const FAR_ENTRY = { generations: 0, instead: 4, pages: 8 } as const;
export const FAR_TAG_BYTES = 16;
export const FAR_TAG = { tag: 0, epoch: 8 } as const;
export const FAR_PAGES = 6;

/**
 * Links: the region at a linear address, as it was found last, where that is all still so. `key` as in the jump cache. `epoch`: sum of
 * `FIXED.codeEpoch` and of the vCPU's own count of what else makes links wrong, which stands before the first link, modulo 2^32. `left`: times
 * the link may be taken; those were counted in the block's heat when it was made.
 */
export const LINK_ENTRIES = 4096;
export const LINK_ENTRY_BYTES = 32;
export const LINK_ENTRY = { linear: 0, key: 8, epoch: 12, slot: 16, left: 20 } as const;
const LINK_HEADER = 64;

/** A page of code: linear address of the page, key as in the jump cache, host address. */
export const CODE_PAGE = { linear: 0, key: 8, host: 12 } as const;
/** A decoded block: host address of its first byte, mode key, block. */
export const BLOCK_ENTRY = { host: 0, mode: 4, block: 8 } as const;

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Offsets of the parts of a vCPU region from its base; the state block comes first. */
export const CPU_SITES = align(vcpuState.size, 64);
export const CPU_TABLES = align(CPU_SITES + SITE_BYTES, 64);
export const CPU_TLB = CPU_TABLES + TABLE_PAGES * TABLE_PAGE_BYTES;
export const CPU_TLB2 = CPU_TLB + TLB_ENTRIES * TLB_ENTRY_BYTES;
export const CPU_FAR = CPU_TLB2 + TLB2_ENTRIES * TLB_ENTRY_BYTES;
export const CPU_FAR_TAGS = CPU_FAR + FAR_ENTRIES * FAR_ENTRY_BYTES;
export const CPU_LINK_EPOCH = CPU_FAR_TAGS + FAR_ENTRIES * FAR_TAG_BYTES;
export const CPU_LINKS = CPU_LINK_EPOCH + LINK_HEADER;
export const CPU_JUMPS = CPU_LINKS + LINK_ENTRIES * LINK_ENTRY_BYTES;
export const CPU_CODE_PAGES = CPU_JUMPS + JUMP_ENTRIES * JUMP_ENTRY_BYTES;
export const CPU_CODE_SEEN = CPU_CODE_PAGES + CODE_PAGES * CODE_ENTRY_BYTES;
/** What follows the jumps and lies before the blocks is forgotten with them. */
export const CPU_BLOCKS = CPU_CODE_SEEN + CODE_SEEN_BITS / 8;
/** Bytes of one vCPU region. */
export const CPU_REGION_BYTES = align(CPU_BLOCKS + BLOCK_ENTRIES * CODE_ENTRY_BYTES, 4096);

/** A decoded record, 32 bytes. Register fields are byte offsets into the state block. */
export const RECORD_BYTES = 32;
export const REC = {
  op: 0, // u16 handler
  length: 2, // u8 bytes of the instruction
  flags: 3, // u8, REC_FLAG
  a: 4, // u16 first register operand
  b: 6, // u16 second register operand
  base: 8, // u16 base register of the memory operand
  index: 10, // u16 index register
  segmentBase: 12, // u16 base of the segment
  scale: 14, // u8 shift of the index
  segment: 15, // u8 segment number
  displacement: 16, // i32; second immediate where there is no memory operand
  nextIp: 20, // u16 offset of the next instruction from the start of the page
  mask: 22, // u16 address mask (state offset)
  immediate: 24, // i64; for relative branches i32 displacement, then u32 linked block
  link: 28,
} as const;
/** `checkedSegment`: limits of the memory operand's segment are checked; `samePage`: the branch target lies in the same page. */
export const REC_FLAG = { checkedSegment: 1, samePage: 2 } as const;

/** Header of a decoded block, 64 bytes, followed by its records. */
export const BLOCK_BYTES = 64;
export const BLOCK = {
  generationAt: 0, // u32 address of the generation word of the page
  generation: 4, // u32
  generationAt2: 8, // u32 same for the page of the last byte
  generation2: 12, // u32
  first: 16, // u32 offset of the first instruction from the start of its page
  crossing: 20, // u32 1 when the block touches two pages
  region: 24, // u32 slot of the region that begins here in the table of regions, 0 when there is none
  heat: 28, // u32 entries, into its region as well, left until the JIT looks at the block
  source: 32, // u32 where the last computed jump from interpreted code to here was: its block, or the host address after it in a region
  since: 36, // u32 instructions retired, modulo 2^32, when it was decoded or was found to be entered too seldom
  entries: 40, // u32 entries until it was looked at last
  before: 44, // u32 entries until `since`
  // For branches of other pages that are linked to it: where it was found last, all as in a link.
  linear: 48, // u64
  key: 56, // u32
  epoch: 60, // u32
} as const;

/** What a handler tells the dispatch loop. */
export const STATUS = { next: 0, fault: 1, branch: 2, repeat: 3, leave: 4, takeRel: 5, fall: 6, shadow: 7 } as const;
/** Why the generated `run` returned. */
export const EXIT = { limit: 0, fault: 1, poll: 2, leave: 3, lookupFault: 4, repeat: 5 } as const;

/** In the shape of a watched access: it writes. Below this bit its size in bytes, which is 576 for XSAVE. */
export const WATCH_WRITE = 0x8000;

/**
 * What a region returns, as bits. `skip`: the interpreter executes what stands at RIP before it enters a region again; `shadow`: interrupts
 * are held back for the next instruction.
 */
export const LEFT = { skip: 1, shadow: 2 } as const;

/**
 * How and where a region is left, in one i64: distance of RIP from where the region was entered above `shift`, below it instructions retired
 * since the budget was brought up to date and one of the bits. `chain`: another region may follow; otherwise the interpreter executes what
 * stands at RIP, and where an exception was queued (`faulted`) it meets that again.
 */
export const LEAVING = { shift: 16, chain: 0x8000, faulted: 0x4000, retired: 0x3fff } as const;

/** Handler numbers that are no instruction: a record of a block that was overwritten, the end of a block, bytes that do not decode. */
export const SPECIAL = { stale: 0, fall: 1, raise: 2 } as const;
export const SPECIAL_COUNT = 3;
