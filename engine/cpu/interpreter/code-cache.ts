/**
 * Decoded blocks of one vCPU: records in an arena, found by host page, offset and mode key. A page's generation in shared memory says
 * whether blocks of it are still what memory holds; overwritten blocks of this vCPU are also stopped in their middle (STALE records).
 */

import { Decoded } from '../../isa/decoded.ts';
import type { Decode } from '../../isa/decoder.ts';
import type { DecodeMode, Variant } from '../../isa/variants.ts';
import { FIXED, type MachineMemory } from '../../memory/index.ts';
import { BLOCK, BLOCK_BYTES, REC, RECORD_BYTES, SPECIAL } from '../regions.ts';
import { addressShape, type ShapedHandlers } from './address-shapes.ts';
import { packRecord } from './records.ts';
import { RecordTemplates } from './templates.ts';

const PAGE = 4096;
const LONGEST = 15;
const MAX_RECORDS = 64;
/** Bytes of a page that are copied at a time to be decoded. */
const CHUNK = 64;
const UD = 6;
const GP = 13;

/** Where code is decoded from and in which mode. */
export interface CodeAddress {
  /** Host address of the first byte. */
  readonly host: number;
  readonly modeKey: number;
  readonly mode: DecodeMode;
  /** Legacy modes: bit per segment that is flat. */
  readonly flat: number;
  /** Bytes from the first one to the end of the code segment, at least 1. */
  readonly withinLimit: number;
}

export interface CodeCacheOptions {
  readonly machine: MachineMemory;
  readonly arena: { readonly base: number; readonly bytes: number };
  readonly decode: Decode;
  readonly handlerOf: (variant: Variant) => number;
  readonly ends: readonly boolean[];
  readonly shaped: ShapedHandlers;
  /** Entries after which the JIT looks at a new block; 0: never. */
  readonly heat: () => number;
  /** Instructions retired so far, modulo 2^32; those of the present run may be missing. */
  readonly retired: () => number;
  /** Times a block has been entered, and what counts as such for one with a region. */
  readonly entriesOf: (block: number) => number;
  readonly ofRegion: number;
  /** Blocks of a host page, or all, are no longer valid. */
  readonly forgotten: (hostPage: number | 'all') => void;
  /** A block that lies in one page has been decoded. */
  readonly began: (block: number, host: number, modeKey: number) => void;
  /** Host address of the page after the one that holds this byte, or -1 when it cannot be fetched (the fault is queued). */
  readonly nextPage: () => number;
  /** The page begins to hold code: no vCPU may keep a write entry for it. */
  readonly protect: (hostPage: number) => void;
}

export interface PageSurvey {
  /** Offset of each block and the times it was entered, in turn. */
  readonly entries: Uint32Array;
  /** By the offset after a computed jump of the page: the offsets in the page it has led to, entered most often first. */
  readonly targets: ReadonlyMap<number, readonly number[]>;
}

interface Block {
  readonly at: number;
  readonly records: number;
}

export class CodeCache {
  readonly #o: CodeCacheOptions;
  readonly #pages = new Map<number, Map<number, Block>>();
  /** What is being decoded: the first bytes of a block, as they were when they were copied, and how many. Behind them is room to read on. */
  readonly #copy = new Uint8Array((MAX_RECORDS + 1) * LONGEST);
  #copied = 0;
  #next: number;
  readonly #templates: RecordTemplates;
  /** Times the arena was full and began anew. */
  resets = 0;
  decoded = 0;

  constructor(options: CodeCacheOptions) {
    this.#o = options;
    this.#next = options.arena.base;
    this.#templates = new RecordTemplates(options.machine.u32, this.#copy);
  }

  /** Block decoded before at a host address in this mode and still true; 0 when there is none. */
  known(host: number, modeKey: number): number {
    const block = this.#pages.get(host >>> 12)?.get((host & 0xfff) | (modeKey << 12));
    return block !== undefined && this.#isCurrent(block.at) ? block.at : 0;
  }

  /** Host page of a block's last byte. */
  secondPage(at: number): number {
    return ((this.#o.machine.u32[(at + BLOCK.generationAt2) >>> 2] as number) - FIXED.pageInfo) >>> 4;
  }

  /** Offset after the computed jump in the page of this block, of a mode, that led to it last; undefined when there was none. */
  cameFrom(at: number, modeKey: number): number | undefined {
    const { u32 } = this.#o.machine;
    const page = ((u32[(at + BLOCK.generationAt) >>> 2] as number) - FIXED.pageInfo) >>> 4;
    return this.#jumpOf(u32[(at + BLOCK.source) >>> 2] as number, page, modeKey);
  }

  /** Offset after the computed jump of a page that a source is, which names the jump or the block that ends in it. */
  #jumpOf(source: number, page: number, modeKey: number): number | undefined {
    if (source === 0) return undefined;
    if (source >>> 12 === page) return source & 0xfff;
    const first = this.#o.machine.u32[(source + BLOCK.first) >>> 2] as number;
    const block = this.#pages.get(page)?.get(first | (modeKey << 12));
    return block?.at === source ? this.#endOf(block) : undefined;
  }

  /** Offset after the last instruction of a block. */
  #endOf({ at, records }: Block): number {
    return this.#o.machine.dv.getUint16(at + BLOCK_BYTES + (records - 1) * RECORD_BYTES + REC.nextIp, true);
  }

  /** What is known of the blocks of a host page in a mode that are still true: in one go, while the guest waits. */
  survey(hostPage: number, modeKey: number): PageSurvey {
    const { u32 } = this.#o.machine;
    const blocks = this.#pages.get(hostPage);
    const entries = new Uint32Array(2 * (blocks?.size ?? 0));
    let length = 0;
    const led = new Map<number, { readonly offset: number; readonly entries: number }[]>();
    for (const [key, { at }] of blocks ?? []) {
      if (key < 0 || key >>> 12 !== modeKey || !this.#isCurrent(at)) continue;
      const offset = key & 0xfff;
      const times = this.#o.entriesOf(at);
      entries[length++] = offset;
      entries[length++] = u32[(at + BLOCK.region) >>> 2] === 0 ? times : this.#o.ofRegion;
      if (u32[(at + BLOCK.crossing) >>> 2] !== 0) continue;
      const end = this.#jumpOf(u32[(at + BLOCK.source) >>> 2] as number, hostPage, modeKey);
      if (end === undefined) continue;
      const list = led.get(end);
      if (list === undefined) led.set(end, [{ offset, entries: times }]);
      else list.push({ offset, entries: times });
    }
    const targets = new Map<number, number[]>();
    for (const [end, list] of led) {
      list.sort((a, b) => b.entries - a.entries);
      targets.set(
        end,
        list.map(({ offset }) => offset),
      );
    }
    return { entries: entries.slice(0, length), targets };
  }

  /** Decode the block at an address; 0 when the arena began anew (look up again) or a fetch fault is queued. */
  decode(address: CodeAddress): number {
    if (this.#next + BLOCK_BYTES + (MAX_RECORDS + 1) * RECORD_BYTES > this.#o.arena.base + this.#o.arena.bytes) {
      this.reset();
      return 0;
    }
    return this.#decode(address, address.host >>> 12, (address.host & 0xfff) | (address.modeKey << 12));
  }

  /** Forget everything: stop what runs, begin the arena anew. */
  reset(): void {
    for (const page of this.#pages.values()) for (const block of page.values()) this.#stop(block);
    this.#pages.clear();
    this.#o.forgotten('all');
    this.#next = this.#o.arena.base;
    this.resets++;
  }

  /** Bytes in a host page were overwritten: its blocks of this vCPU end at the next instruction. */
  invalidate(hostPage: number): void {
    this.#o.forgotten(hostPage);
    const blocks = this.#pages.get(hostPage);
    if (!blocks) return;
    for (const block of blocks.values()) this.#stop(block);
    this.#pages.delete(hostPage);
  }

  #stop(block: Block): void {
    const { dv } = this.#o.machine;
    for (let i = 0; i < block.records; i++) dv.setUint16(block.at + BLOCK_BYTES + i * RECORD_BYTES + REC.op, SPECIAL.stale, true);
  }

  #isCurrent(at: number): boolean {
    const { u32 } = this.#o.machine;
    const word = (offset: number): number => u32[(at + offset) >>> 2] as number;
    return (
      u32[word(BLOCK.generationAt) >>> 2] === word(BLOCK.generation) &&
      u32[word(BLOCK.generationAt2) >>> 2] === word(BLOCK.generation2)
    );
  }

  #decode(address: CodeAddress, page: number, key: number): number {
    const { u8 } = this.#o.machine;
    const { host } = address;
    this.#beginProtection(host);
    for (;;) {
      // The copy is what is decoded; it counts only if memory still says the same once its granules are marked.
      const block = this.#decodeCopy(address);
      if (block === undefined) return this.#crossing(address, page, key);
      this.mark(host, block.bytes);
      if (!sameBytes(this.#copy, u8, host, block.bytes)) continue;
      this.#header(host, host);
      const at = this.#remember({ page, key, records: block.records });
      this.#o.began(at, host, address.modeKey);
      return at;
    }
  }

  /** Decode into the arena what lies in this page; undefined when not even the first instruction does. */
  #decodeCopy(address: CodeAddress): { records: number; bytes: number } | undefined {
    const { host, withinLimit, mode } = address;
    const start = host & 0xfff;
    const is64 = mode.code === 64;
    const most = Math.min(PAGE - start, MAX_RECORDS * LONGEST);
    let record = this.#next + BLOCK_BYTES;
    let at = 0;
    this.#copied = 0;
    for (let count = 0; count < MAX_RECORDS; count++) {
      const available = Math.min(most - at, withinLimit - at);
      if (available <= 0 && count > 0) break;
      this.#copyTo(host, Math.min(most, at + LONGEST));
      const written = is64 ? this.#templates.write(at, record, start + at) : 0;
      const length = written < 0 ? ~written : written;
      if (length !== 0 && length <= available) {
        this.decoded++;
        record += RECORD_BYTES;
        at += length;
        if (written > 0) continue;
        return { records: count + 1, bytes: at };
      }
      const step = this.#o.decode(this.#copy, at, available, mode);
      if (step === 'need-more') {
        if (count > 0) break;
        if (available === withinLimit) {
          this.#raise(record, start, GP);
          return { records: 1, bytes: Math.max(1, available) };
        }
        return undefined;
      }
      const ended = this.#emit(record, step, start + at, address);
      if (is64 && step instanceof Decoded) this.#templates.learn({ decoded: step, ends: ended, at, record, offset: start + at });
      record += RECORD_BYTES;
      at += typeof step === 'string' ? 1 : step.length;
      if (ended) return { records: count + 1, bytes: at };
    }
    this.#fall(record, start + at);
    return { records: (record - this.#next - BLOCK_BYTES) / RECORD_BYTES + 1, bytes: at };
  }

  /** So many bytes, or more of the same page, stand in the copy. */
  #copyTo(host: number, end: number): void {
    if (end <= this.#copied) return;
    const { u8 } = this.#o.machine;
    const to = Math.min(this.#copied + CHUNK, PAGE - (host & 0xfff), MAX_RECORDS * LONGEST);
    for (let i = this.#copied; i < to; i++) this.#copy[i] = u8[host + i] as number;
    this.#copied = to;
  }

  /** One instruction that lies on two pages. */
  #crossing(address: CodeAddress, page: number, key: number): number {
    const { u8 } = this.#o.machine;
    const { host } = address;
    const offset = host & 0xfff;
    const have = PAGE - offset;
    const second = this.#o.nextPage();
    if (second < 0) return 0;
    this.#beginProtection(second);
    this.mark(host, have);
    this.mark(second, LONGEST);
    const bytes = new Uint8Array(2 * LONGEST);
    bytes.set(u8.subarray(host, host + have));
    bytes.set(u8.subarray(second, second + LONGEST), have);
    const step = this.#o.decode(bytes, 0, Math.min(have + LONGEST, address.withinLimit), address.mode);
    const record = this.#next + BLOCK_BYTES;
    const ended = this.#emit(record, step === 'need-more' ? 'too-long' : step, offset, address);
    if (!ended) this.#fall(record + RECORD_BYTES, offset + (step as Decoded).length);
    this.#header(host, second);
    const records = ended ? 1 : 2;
    const at = this.#remember({ page, key, records });
    const others = this.#pages.get(second >>> 12) ?? new Map<number, Block>();
    others.set(-key - 1, { at, records });
    this.#pages.set(second >>> 12, others);
    return at;
  }

  /** Returns whether the block ends here. */
  #emit(at: number, decoded: Decoded | string, offset: number, address: CodeAddress): boolean {
    this.decoded++;
    if (!(decoded instanceof Decoded)) {
      this.#raise(at, offset, decoded === 'undefined' ? UD : GP);
      return true;
    }
    const { variant } = decoded;
    const long = address.mode.code === 64;
    let handler = this.#o.handlerOf(variant);
    if (long && variant.memory) {
      const shape = addressShape(decoded);
      if (shape !== 'general') handler = this.#o.shaped[shape][handler] as number;
    }
    packRecord(this.#o.machine.u32, decoded, { at, offset, handler, long, flat: address.flat });
    return this.#o.ends[handler] === true;
  }

  #raise(at: number, offset: number, vector: number): void {
    const { dv } = this.#o.machine;
    dv.setUint16(at + REC.op, SPECIAL.raise, true);
    dv.setUint8(at + REC.length, 0);
    dv.setUint16(at + REC.nextIp, offset, true);
    dv.setInt32(at + REC.immediate, vector, true);
  }

  #fall(at: number, offset: number): void {
    const { dv } = this.#o.machine;
    dv.setUint16(at + REC.op, SPECIAL.fall, true);
    dv.setUint8(at + REC.length, 0);
    dv.setUint16(at + REC.nextIp, offset, true);
  }

  #header(first: number, second: number): void {
    const { u32 } = this.#o.machine;
    const generationAt = (host: number): number => FIXED.pageInfo + (host >>> 12) * 16 + 8;
    const word = this.#next >>> 2;
    u32[word + (BLOCK.generationAt >>> 2)] = generationAt(first);
    u32[word + (BLOCK.generation >>> 2)] = u32[generationAt(first) >>> 2] as number;
    u32[word + (BLOCK.generationAt2 >>> 2)] = generationAt(second);
    u32[word + (BLOCK.generation2 >>> 2)] = u32[generationAt(second) >>> 2] as number;
    u32[word + (BLOCK.first >>> 2)] = first & 0xfff;
    u32[word + (BLOCK.crossing >>> 2)] = first >>> 12 === second >>> 12 ? 0 : 1;
    u32[word + (BLOCK.region >>> 2)] = 0;
    u32[word + (BLOCK.source >>> 2)] = 0;
    u32[word + (BLOCK.heat >>> 2)] = this.#o.heat();
    u32[word + (BLOCK.since >>> 2)] = this.#o.retired();
    u32[word + (BLOCK.entries >>> 2)] = 0;
    u32[word + (BLOCK.before >>> 2)] = 0;
  }

  #remember(block: { page: number; key: number; records: number }): number {
    const at = this.#next;
    const blocks = this.#pages.get(block.page) ?? new Map<number, Block>();
    blocks.set(block.key, { at, records: block.records });
    this.#pages.set(block.page, blocks);
    this.#next = at + BLOCK_BYTES + block.records * RECORD_BYTES;
    return at;
  }

  /** Writes to this page are seen from now on, though none is a write to code before granules are marked. */
  #beginProtection(host: number): void {
    const { i32 } = this.#o.machine;
    const info = (FIXED.pageInfo + (host >>> 12) * 16) >>> 2;
    if (i32[info] !== 0 || i32[info + 1] !== 0) return;
    this.mark(host, 1);
    this.#o.protect(host >>> 12);
  }

  /** Bytes of any page are code: writes to them are noticed from now on. */
  guard(host: number, bytes: number): void {
    this.#beginProtection(host);
    this.mark(host, bytes);
  }

  /** Bytes of a page that holds code are decoded: a write to them is one to code. */
  mark(host: number, bytes: number): void {
    const { i32 } = this.#o.machine;
    const info = (FIXED.pageInfo + (host >>> 12) * 16) >>> 2;
    const last = Math.min((host & 0xfff) + bytes, PAGE) - 1;
    for (let granule = (host & 0xfff) >>> 6; granule <= last >>> 6; granule++) {
      const bit = 1 << (granule & 31);
      const word = info + (granule >>> 5);
      if (((i32[word] as number) & bit) === 0) Atomics.or(i32, word, bit);
    }
  }
}

function sameBytes(copy: Uint8Array, memory: Uint8Array, host: number, bytes: number): boolean {
  for (let i = 0; i < bytes; i++) if (copy[i] !== memory[host + i]) return false;
  return true;
}
