/**
 * Reference counts of a qcow2 image's clusters, and the allocation of clusters. Counts are cached and written when the image says so:
 * increments before anything refers to a cluster, decrements after nothing does any more (see `image.ts`).
 */
import { EngineError } from '../../base/index.ts';
import type { Storage } from '../storage.ts';
import { damaged, encodeHeader, type Header, viewOf } from './header.ts';

interface Block {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  dirty: boolean;
}

/** Clusters of one image are never more than this: counts of all of them are kept in memory while it is checked. */
export const MAXIMUM_CLUSTERS = 2 ** 31;

/** Bytes of a refcount table: more is more than any disk needs. */
const MAXIMUM_TABLE = 8 * 2 ** 20;

export class Refcounts {
  readonly #storage: Storage;
  readonly #header: Header;
  /** Offsets of refcount blocks; 0: none. */
  #table: Float64Array;
  readonly #blocks = new Map<number, Block>();
  /** Clusters that hold metadata: data is never written there, whatever an entry says. */
  readonly metadata = new Set<number>();
  /** No cluster below is free. */
  #firstFree = 0;
  /** Where to look for the next run: small holes before it are for single clusters. */
  #afterLastRun = 0;
  /** Freed clusters whose last reference may still be on the disk. */
  #pending: { cluster: number; count: number }[] = [];

  constructor(storage: Storage, header: Header) {
    this.#storage = storage;
    this.#header = header;
    this.#table = this.#readTable();
    this.#noteTables();
  }

  /** Counts of one refcount block. */
  get perBlock(): number {
    return (this.#header.clusterBytes * 8) >>> this.#header.refcountOrder;
  }

  get maximum(): number {
    const bits = 1 << this.#header.refcountOrder;
    return bits >= 32 ? 0xffff_ffff : 2 ** bits - 1;
  }

  get dirty(): boolean {
    for (const block of this.#blocks.values()) if (block.dirty) return true;
    return false;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  get(cluster: number): number {
    const block = this.#block(cluster);
    return block ? this.#read(block, cluster % this.perBlock) : 0;
  }

  set(cluster: number, count: number): void {
    if (count > this.maximum)
      throw new EngineError('image-format', { path: this.#storage.path, reason: 'a cluster has too many references' });
    const block = this.#block(cluster) ?? this.#newBlock(cluster);
    this.#write(block, cluster % this.perBlock, count);
    if (count === 0) this.#firstFree = Math.min(this.#firstFree, cluster);
  }

  /** A reference more or less. What is not counted has none to lose. */
  add(cluster: number, delta: number): void {
    const count = this.get(cluster);
    if (count + delta >= 0) this.set(cluster, count + delta);
  }

  /** `count` clusters in a row, each with one reference. Returns the first one's offset. */
  allocate(count: number): number {
    const { clusterBytes } = this.#header;
    const start = count === 1 ? this.#firstFree : Math.max(this.#firstFree, this.#afterLastRun);
    for (let cluster = start, run = 0; ; cluster++) {
      if (cluster >= MAXIMUM_CLUSTERS) throw new EngineError('disk-full', { path: this.#storage.path });
      const free = this.get(cluster) === 0 && !this.metadata.has(cluster);
      if (!free && cluster === this.#firstFree) this.#firstFree++;
      run = free ? run + 1 : 0;
      if (run < count) continue;
      const first = cluster - count + 1;
      // Counting them may itself take a cluster of the run, for a new block; then another run is looked for.
      for (let i = first; i <= cluster; i++) this.#block(i) ?? this.#newBlock(i);
      let taken = false;
      for (let i = first; i <= cluster; i++) taken ||= this.get(i) !== 0 || this.metadata.has(i);
      if (taken) {
        run = 0;
        continue;
      }
      for (let i = first; i <= cluster; i++) this.set(i, 1);
      if (first === this.#firstFree) this.#firstFree = cluster + 1;
      if (count > 1) this.#afterLastRun = cluster + 1;
      return first * clusterBytes;
    }
  }

  /** Give back what `allocate` gave and nothing on the disk refers to yet. */
  unallocate(offset: number, count: number): void {
    const first = offset / this.#header.clusterBytes;
    for (let i = first; i < first + count; i++) this.set(i, 0);
  }

  /** One reference less, once everything that is cached now is on the disk. */
  freeLater(offset: number, count = 1): void {
    this.#pending.push({ cluster: Math.floor(offset / this.#header.clusterBytes), count });
  }

  /** Nothing on the disk refers to the freed clusters any more: count them. What they occupied is given back to the host. */
  applyPending(): void {
    const { clusterBytes } = this.#header;
    const pending = this.#pending;
    this.#pending = [];
    const freed: number[] = [];
    for (const { cluster, count } of pending) {
      for (let i = cluster; i < cluster + count; i++) {
        this.add(i, -1);
        if (this.get(i) > 0) continue;
        this.metadata.delete(i);
        freed.push(i);
      }
    }
    // In runs as long as can be: hosts give back large ranges faster, or only those.
    freed.sort((one, other) => one - other);
    for (let i = 0; i < freed.length; ) {
      const first = freed[i] as number;
      let end = first;
      for (; freed[i] === end; i++) end++;
      this.#storage.punch(first * clusterBytes, (end - first) * clusterBytes);
    }
  }

  /** Write cached counts. */
  write(): void {
    for (const block of this.#blocks.values()) {
      if (!block.dirty) continue;
      this.#storage.write(block.offset, [block.bytes]);
      block.dirty = false;
    }
  }

  /** Offsets of all blocks, as the table has them. */
  blockOffsets(): Float64Array {
    return this.#table;
  }

  /** For a repair: a block that lies where none can be is forgotten, and made anew when it is needed. */
  forgetBlock(index: number): void {
    this.#table[index] = 0;
    this.#blocks.delete(index);
    this.#writeTableEntry(index);
  }

  #readTable(): Float64Array {
    const { refcountTableOffset, refcountTableClusters, clusterBytes } = this.#header;
    const bytes = new Uint8Array(refcountTableClusters * clusterBytes);
    this.#storage.read(refcountTableOffset, [bytes]);
    const view = viewOf(bytes);
    return Float64Array.from({ length: bytes.length / 8 }, (_, i) => {
      // Bits 0 to 8 are reserved.
      return view.getUint32(8 * i) * 2 ** 32 + ((view.getUint32(8 * i + 4) & ~0x1ff) >>> 0);
    });
  }

  #noteTables(): void {
    const { refcountTableOffset, refcountTableClusters, clusterBytes } = this.#header;
    this.metadata.add(0);
    for (let i = 0; i < refcountTableClusters; i++) this.metadata.add(refcountTableOffset / clusterBytes + i);
    for (const offset of this.#table) if (offset !== 0) this.metadata.add(Math.floor(offset / clusterBytes));
  }

  #block(cluster: number): Block | undefined {
    const index = Math.floor(cluster / this.perBlock);
    const known = this.#blocks.get(index);
    if (known) return known;
    const offset = this.#table[index] ?? 0;
    if (offset === 0) return undefined;
    const { clusterBytes } = this.#header;
    if (offset % clusterBytes !== 0 || offset >= this.#storage.size())
      throw damaged(this.#storage.path, `a block of reference counts is said to be at ${offset}`);
    return this.#remember(index, offset, true);
  }

  #remember(index: number, offset: number, read: boolean): Block {
    const bytes = new Uint8Array(this.#header.clusterBytes);
    if (read) this.#storage.read(offset, [bytes]);
    const block = { offset, bytes, view: viewOf(bytes), dirty: !read };
    this.#blocks.set(index, block);
    return block;
  }

  /** A block for a range of clusters that has none: it lies at the start of the range, where everything is free, and counts itself. */
  #newBlock(cluster: number): Block {
    const index = Math.floor(cluster / this.perBlock);
    if (index >= this.#table.length) this.#growTable(index);
    const known = this.#blocks.get(index);
    if (known) return known;
    const { clusterBytes } = this.#header;
    // Behind the end of the file at any rate: a damaged image may refer to clusters that nothing counts.
    const end = Math.ceil(this.#storage.size() / clusterBytes);
    const first = index * this.perBlock;
    let own = end < first + this.perBlock ? Math.max(first, end) : first;
    while (this.metadata.has(own)) own++;
    if (own >= first + this.perBlock) throw damaged(this.#storage.path, 'its reference counts leave no room for themselves');
    const block = this.#remember(index, own * clusterBytes, false);
    this.metadata.add(own);
    this.#table[index] = block.offset;
    this.#write(block, own % this.perBlock, 1);
    // The block is on the disk before the table says where.
    this.#storage.write(block.offset, [block.bytes]);
    this.#storage.flush();
    this.#writeTableEntry(index);
    return block;
  }

  #writeTableEntry(index: number): void {
    const entry = new Uint8Array(8);
    viewOf(entry).setBigUint64(0, BigInt(this.#table[index] as number));
    this.#storage.write(this.#header.refcountTableOffset + 8 * index, [entry]);
  }

  /** A larger table, behind everything the old one could count, with the blocks that count it and themselves. */
  #growTable(index: number): void {
    const header = this.#header;
    const { clusterBytes } = header;
    const [oldOffset, oldClusters] = [header.refcountTableOffset, header.refcountTableClusters];
    const start = Math.max(this.#table.length, index) * this.perBlock;
    const clusters = Math.max(Math.ceil(oldClusters * 1.5), Math.ceil(((index + 2) * 8) / clusterBytes) + 1);
    if (clusters * clusterBytes > 2 * MAXIMUM_TABLE)
      throw damaged(this.#storage.path, `it refers to a cluster at ${index * this.perBlock * clusterBytes}`);
    const blocks = Math.ceil((clusters + 8) / (this.perBlock - 1)) + 1;
    const table = new Float64Array((clusters * clusterBytes) / 8);
    table.set(this.#table);
    const first = start / this.perBlock;
    if (first + blocks > table.length) throw new EngineError('disk-full', { path: this.#storage.path });
    const made: Block[] = [];
    for (let b = 0; b < blocks; b++) {
      const cluster = start + clusters + b;
      table[first + b] = cluster * clusterBytes;
      made.push(this.#remember(first + b, cluster * clusterBytes, false));
      this.metadata.add(cluster);
    }
    for (let i = 0; i < clusters + blocks; i++) {
      const block = made[Math.floor(i / this.perBlock)] as Block;
      this.#write(block, i % this.perBlock, 1);
    }
    for (const block of made) this.#storage.write(block.offset, [block.bytes]);
    const bytes = new Uint8Array(clusters * clusterBytes);
    const view = viewOf(bytes);
    table.forEach((offset, i) => {
      view.setBigUint64(8 * i, BigInt(offset));
    });
    this.#storage.write(start * clusterBytes, [bytes]);
    this.#storage.flush();
    header.refcountTableOffset = start * clusterBytes;
    header.refcountTableClusters = clusters;
    this.#storage.write(0, [encodeHeader(header, this.#storage.path)]);
    this.#storage.flush();
    this.#table = table;
    for (let i = 0; i < clusters; i++) this.metadata.add(start + i);
    for (let i = 0; i < oldClusters; i++) this.metadata.delete(oldOffset / clusterBytes + i);
    this.freeLater(oldOffset, oldClusters);
  }

  #read({ bytes, view }: Block, i: number): number {
    switch (this.#header.refcountOrder) {
      case 4:
        return view.getUint16(2 * i);
      case 3:
        return bytes[i] as number;
      case 5:
        return view.getUint32(4 * i);
      case 6:
        return Math.min(0xffff_ffff, Number(view.getBigUint64(8 * i)));
      default: {
        const bits = 1 << this.#header.refcountOrder;
        const at = i * bits;
        return ((bytes[at >>> 3] as number) >>> (at & 7)) & (2 ** bits - 1);
      }
    }
  }

  #write(block: Block, i: number, count: number): void {
    const { bytes, view } = block;
    block.dirty = true;
    switch (this.#header.refcountOrder) {
      case 4:
        return view.setUint16(2 * i, count);
      case 3:
        bytes[i] = count;
        return;
      case 5:
        return view.setUint32(4 * i, count);
      case 6:
        return view.setBigUint64(8 * i, BigInt(count));
      default: {
        const bits = 1 << this.#header.refcountOrder;
        const at = i * bits;
        const mask = (2 ** bits - 1) << (at & 7);
        bytes[at >>> 3] = ((bytes[at >>> 3] as number) & ~mask) | (count << (at & 7));
      }
    }
  }
}
