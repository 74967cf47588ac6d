/** L1 and L2 tables of a qcow2 image: which cluster of the disk is where in the file. Cached, written when the image says so. */
import type { Storage } from '../storage.ts';
import { damaged, type Header, viewOf } from './header.ts';
import type { Refcounts } from './refcounts.ts';

const OFFSET = 0x00ff_ffff_ffff_fe00n;
const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;
const ZERO = 1n;

/** What an L2 entry says of a cluster. */
export type Place =
  | { readonly kind: 'none' }
  /** Reads as zeros; `offset` is what stays set aside for it, 0 when nothing. */
  | { readonly kind: 'zero'; readonly offset: number; readonly copied: boolean }
  | { readonly kind: 'data'; readonly offset: number; readonly copied: boolean }
  /** `bytes` from `offset` on hold the compressed cluster, and maybe more. */
  | { readonly kind: 'compressed'; readonly offset: number; readonly bytes: number };

export function decodeEntry(entry: bigint, { version, clusterBits }: Pick<Header, 'version' | 'clusterBits'>): Place {
  if (entry & COMPRESSED) {
    const bits = BigInt(62 - (clusterBits - 8));
    const offset = Number(entry & ((1n << bits) - 1n));
    const sectors = Number((entry & ((1n << 62n) - 1n)) >> bits) + 1;
    return { kind: 'compressed', offset, bytes: sectors * 512 - (offset & 511) };
  }
  const offset = Number(entry & OFFSET);
  const copied = (entry & COPIED) !== 0n;
  if (version === 3 && entry & ZERO) return { kind: 'zero', offset, copied };
  return offset === 0 ? { kind: 'none' } : { kind: 'data', offset, copied };
}

export const dataEntry = (offset: number, copied = true): bigint => BigInt(offset) | (copied ? COPIED : 0n);
export const zeroEntry = ZERO;
export const NO_ENTRY = 0n;
export const offsetOf = (entry: bigint): number => Number(entry & OFFSET);
export const isCopied = (entry: bigint): boolean => (entry & COPIED) !== 0n;
export const withCopied = (entry: bigint, copied: boolean): bigint => (copied ? entry | COPIED : entry & ~COPIED);

/** A compressed cluster's place and length, rounded up to sectors. */
export function compressedEntry(offset: number, bytes: number, clusterBits: number): bigint {
  const bits = BigInt(62 - (clusterBits - 8));
  const sectors = Math.floor((offset + bytes - 1) / 512) - Math.floor(offset / 512);
  return COMPRESSED | (BigInt(sectors) << bits) | BigInt(offset);
}

export interface L2 {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  dirty: boolean;
}

/** Bytes of L2 tables that are kept. */
const CACHE = 16 * 2 ** 20;

export class Tables {
  readonly #storage: Storage;
  readonly #header: Header;
  readonly #refcounts: Refcounts;
  #l1: BigUint64Array;
  #l1Dirty = new Set<number>();
  readonly #cache = new Map<number, L2>();
  /** Called before a dirty table leaves the cache. */
  readonly #writeOut: () => void;

  constructor(storage: Storage, header: Header, { refcounts, writeOut }: { readonly refcounts: Refcounts; writeOut(): void }) {
    this.#storage = storage;
    this.#header = header;
    this.#refcounts = refcounts;
    this.#writeOut = writeOut;
    this.#l1 = readL1(storage, header.l1Offset, header.l1Entries);
    this.#noteMetadata();
  }

  get perL2(): number {
    return this.#header.clusterBytes / 8;
  }

  get l1(): BigUint64Array {
    return this.#l1;
  }

  get dirty(): boolean {
    if (this.#l1Dirty.size > 0) return true;
    for (const table of this.#cache.values()) if (table.dirty) return true;
    return false;
  }

  get l1Dirty(): boolean {
    return this.#l1Dirty.size > 0;
  }

  entry(cluster: number): bigint {
    const table = this.#table(Math.floor(cluster / this.perL2));
    return table ? table.view.getBigUint64(8 * (cluster % this.perL2)) : NO_ENTRY;
  }

  /** Entries that `set` has changed. */
  changes = 0;

  place(cluster: number): Place {
    return decodeEntry(this.entry(cluster), this.#header);
  }

  set(cluster: number, entry: bigint): void {
    const table = this.#writable(Math.floor(cluster / this.perL2));
    table.view.setBigUint64(8 * (cluster % this.perL2), entry);
    table.dirty = true;
    this.changes++;
  }

  /** Make sure that `set` needs no cluster for this cluster's table any more. */
  prepare(cluster: number): void {
    this.#writable(Math.floor(cluster / this.perL2));
  }

  writeL2(): void {
    for (const table of this.#cache.values()) {
      if (!table.dirty) continue;
      this.#storage.write(table.offset, [table.bytes]);
      table.dirty = false;
    }
  }

  writeL1(): void {
    for (const index of this.#l1Dirty) {
      const entry = new Uint8Array(8);
      viewOf(entry).setBigUint64(0, this.#l1[index] as bigint);
      this.#storage.write(this.#header.l1Offset + 8 * index, [entry]);
    }
    this.#l1Dirty.clear();
  }

  /** Forget what is cached and read the L1 table again: a snapshot took its place, or a repair changed it. */
  reload(): void {
    this.#cache.clear();
    this.#l1Dirty.clear();
    this.#l1 = readL1(this.#storage, this.#header.l1Offset, this.#header.l1Entries);
    this.#noteMetadata();
  }

  /** L2 table of an L1 entry that is not the active one's, read anew. */
  readL2(offset: number): DataView {
    const cached = this.#cache.get(offset);
    if (cached) return cached.view;
    return this.#read(offset).view;
  }

  #noteMetadata(): void {
    const { clusterBytes, l1Offset, l1Entries } = this.#header;
    const { metadata } = this.#refcounts;
    for (let at = l1Offset; at < l1Offset + l1Entries * 8; at += clusterBytes) metadata.add(at / clusterBytes);
    for (const entry of this.#l1) if (offsetOf(entry) !== 0) metadata.add(Math.floor(offsetOf(entry) / clusterBytes));
  }

  #table(index: number): L2 | undefined {
    const entry = this.#l1[index] ?? NO_ENTRY;
    const offset = offsetOf(entry);
    if (offset === 0) return undefined;
    const known = this.#cache.get(offset);
    if (known) return known;
    this.#makeRoom();
    const table = this.#read(offset);
    this.#cache.set(offset, table);
    return table;
  }

  #read(offset: number): L2 {
    const { clusterBytes } = this.#header;
    if (offset % clusterBytes !== 0 || offset >= this.#storage.size())
      throw damaged(this.#storage.path, `an L2 table is said to be at ${offset}`);
    const bytes = new Uint8Array(clusterBytes);
    this.#storage.read(offset, [bytes]);
    return { offset, bytes, view: viewOf(bytes), dirty: false };
  }

  /** The table of an L1 entry, for writing: made when there is none, copied when a snapshot has it too. */
  #writable(index: number): L2 {
    const entry = this.#l1[index] ?? NO_ENTRY;
    const before = this.#table(index);
    if (before && isCopied(entry)) return before;
    const { clusterBytes } = this.#header;
    this.#makeRoom();
    const offset = this.#refcounts.allocate(1);
    const bytes = before ? before.bytes.slice() : new Uint8Array(clusterBytes);
    const table = { offset, bytes, view: viewOf(bytes), dirty: true };
    this.#cache.set(offset, table);
    this.#refcounts.metadata.add(offset / clusterBytes);
    this.#l1[index] = dataEntry(offset);
    this.#l1Dirty.add(index);
    if (before) this.#refcounts.freeLater(before.offset);
    return table;
  }

  #makeRoom(): void {
    const most = Math.max(8, CACHE / this.#header.clusterBytes);
    if (this.#cache.size < most) return;
    this.#writeOut();
    // The oldest half: a map keeps the order in which they came.
    const keys = [...this.#cache.keys()];
    for (const offset of keys.slice(0, keys.length / 2)) this.#cache.delete(offset);
  }
}

export function readL1(storage: Storage, offset: number, entries: number): BigUint64Array {
  const bytes = new Uint8Array(entries * 8);
  storage.read(offset, [bytes]);
  const view = viewOf(bytes);
  return BigUint64Array.from({ length: entries }, (_, i) => view.getBigUint64(8 * i));
}
