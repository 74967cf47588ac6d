/**
 * A qcow2 image as a disk. Spec: QEMU, docs/interop/qcow2.
 *
 * Order on the disk, so that a crash at any moment damages nothing: data, then the counts of new clusters, then L2 tables, then L1
 * entries, then the counts of what is not referred to any more; each on stable storage before the next. Clusters can leak where a crash
 * falls between counts and tables. With lazy reference counts the image says that it is dirty, counts are written at the end, and who
 * finds it dirty counts anew.
 */
import { EngineError } from '../../base/index.ts';
import type { DiskImage, Extent } from '../image.ts';
import { isZero, type Storage, slice, zeroes } from '../storage.ts';
import { extentAt } from './extents.ts';
import { Compatible, damaged, encodeHeader, type Header, Incompatible, readHeader } from './header.ts';
import { Refcounts } from './refcounts.ts';
import { compressedEntry, dataEntry, NO_ENTRY, type Place, Tables, zeroEntry } from './tables.ts';

/** Compression of clusters, from outside: the engine's formats know no libraries. Both fail by throwing anything. */
export interface Codec {
  /** At most `bytes` bytes of what is compressed; more input than needed is no error. */
  decompress(method: 'zlib' | 'zstd', input: Uint8Array, bytes: number): Uint8Array;
  compress(method: 'zlib' | 'zstd', input: Uint8Array): Uint8Array;
}

export interface Qcow2Options {
  readonly codec: Codec;
  readonly readonly?: boolean;
  /** What unallocated clusters show. */
  readonly backing?: DiskImage | undefined;
}

export class Qcow2 implements DiskImage {
  readonly format = 'qcow2';
  readonly readonly: boolean;
  readonly header: Header;
  readonly storage: Storage;
  readonly refcounts: Refcounts;
  readonly tables: Tables;
  readonly backing: DiskImage | undefined;
  readonly #codec: Codec;
  /** The last compressed cluster that was read. */
  #unpacked: { readonly offset: number; readonly bytes: Uint8Array } | undefined;
  #fileEnd = 0;
  /** Where the next compressed cluster goes; 0: into a new cluster. */
  #compressedEnd = 0;

  constructor(storage: Storage, options: Qcow2Options) {
    this.storage = storage;
    this.header = readHeader(storage);
    this.readonly = storage.readonly || options.readonly === true;
    this.backing = options.backing;
    this.#codec = options.codec;
    if (!this.readonly && this.header.incompatible & Incompatible.corrupt)
      throw damaged(storage.path, 'it was marked as damaged when it was last used');
    this.refcounts = new Refcounts(storage, this.header);
    this.tables = new Tables(storage, this.header, { refcounts: this.refcounts, writeOut: () => this.#writeOut() });
  }

  get bytes(): number {
    return Math.floor(this.header.size / 512) * 512;
  }

  get layout(): number {
    return this.tables.changes;
  }

  extentAt(at: number): Extent | undefined {
    return extentAt(this, at);
  }

  get lazy(): boolean {
    return this.header.version === 3 && (this.header.compatible & Compatible.lazyRefcounts) !== 0;
  }

  read(at: number, into: readonly Uint8Array[]): void {
    this.#pieces(at, into, (piece, parts) => this.#readPiece(piece, parts));
  }

  write(at: number, from: readonly Uint8Array[]): void {
    this.#mustWrite();
    this.#pieces(at, from, (piece, parts) => this.#writePiece(piece, parts), true);
  }

  /** Store one whole cluster compressed; uncompressed where that saves nothing. It must not be there yet. */
  writeCompressed(cluster: number, bytes: Uint8Array): void {
    this.#mustWrite();
    const { clusterBytes, clusterBits, compression } = this.header;
    const packed = this.#codec.compress(compression, bytes);
    if (packed.length >= clusterBytes) return this.write(cluster * clusterBytes, [bytes]);
    if (this.tables.place(cluster).kind !== 'none') throw damaged(this.storage.path, 'a cluster is compressed twice');
    this.tables.prepare(cluster);
    const room = Math.ceil(this.#compressedEnd / clusterBytes) * clusterBytes - this.#compressedEnd;
    let offset = this.#compressedEnd;
    if (room < packed.length) offset = this.refcounts.allocate(1);
    else this.refcounts.add(Math.floor(offset / clusterBytes), 1);
    this.storage.write(offset, [packed]);
    this.tables.set(cluster, compressedEntry(offset, packed.length, clusterBits));
    this.#compressedEnd = offset + packed.length;
  }

  zero(at: number, bytes: number): void {
    this.#mustWrite();
    this.#clusters(at, bytes, {
      whole: (cluster) => this.#zeroCluster(cluster),
      part: (from, count) => this.#zeroPart(from, count),
    });
  }

  discard(at: number, bytes: number): void {
    this.#mustWrite();
    this.#clusters(at, bytes, { whole: (cluster) => this.#zeroCluster(cluster), part: () => undefined });
  }

  /** Clusters that say nothing themselves any more: the backing file shows through, or zeros. */
  forget(first: number, end: number): void {
    this.#mustWrite();
    for (let cluster = first; cluster < end; cluster++) {
      const place = this.tables.place(cluster);
      if (place.kind === 'none') continue;
      this.tables.set(cluster, NO_ENTRY);
      this.#release(place);
    }
  }

  flush(): void {
    if (this.readonly) return;
    this.#writeOut();
    this.storage.flush();
  }

  close(): void {
    try {
      if (!this.readonly) {
        this.flush();
        this.settle();
        this.#setDirty(false);
      }
    } finally {
      this.storage.close();
      this.backing?.close();
    }
  }

  /** Everything, counts of freed clusters included, is on stable storage. */
  settle(): void {
    for (let round = 0; round < 4 && (this.refcounts.hasPending || this.refcounts.dirty || this.tables.dirty); round++) {
      this.#writeOut();
      this.storage.flush();
      this.refcounts.applyPending();
      this.refcounts.write();
    }
    this.storage.flush();
  }

  writeHeader(): void {
    this.storage.write(0, [encodeHeader(this.header, this.storage.path)]);
  }

  #mustWrite(): void {
    if (this.readonly) throw new EngineError('image-readonly', { path: this.storage.path });
    if (this.lazy) this.#setDirty(true);
    if (this.header.autoclear !== 0) {
      // Bitmaps and the like do not follow what is written here.
      this.header.autoclear = 0;
      this.writeHeader();
    }
  }

  #setDirty(dirty: boolean): void {
    const now = (this.header.incompatible & Incompatible.dirty) !== 0;
    if (now === dirty || this.header.version === 2) return;
    this.header.incompatible ^= Incompatible.dirty;
    this.writeHeader();
    this.storage.flush();
  }

  /** Caches to the disk, in the order that survives a crash. */
  #writeOut(): void {
    if (!this.lazy && this.refcounts.dirty) {
      this.refcounts.write();
      if (this.tables.dirty) this.storage.flush();
    }
    this.tables.writeL2();
    if (this.tables.l1Dirty) {
      this.storage.flush();
      this.tables.writeL1();
    }
    if (this.refcounts.hasPending) {
      this.storage.flush();
      this.refcounts.applyPending();
      if (!this.lazy) this.refcounts.write();
    }
  }

  /**
   * Runs of clusters that can be read or written at once: of the same kind, and in a row in the file where they are data. For writing,
   * all that need a new cluster are one kind.
   */
  #pieces(at: number, parts: readonly Uint8Array[], visit: (piece: Piece, parts: Uint8Array[]) => void, writing = false): void {
    const { clusterBytes } = this.header;
    let left = 0;
    for (const part of parts) left += part.length;
    for (let position = at, done = 0; left > 0; ) {
      const cluster = Math.floor(position / clusterBytes);
      const inside = position % clusterBytes;
      const place = this.#checked(cluster);
      let count = Math.min(left, clusterBytes - inside);
      for (let next = cluster + 1; count < left; next++) {
        if (!this.#continues(place, next - cluster, { next: this.#checked(next), writing })) break;
        count = Math.min(left, (next + 1) * clusterBytes - position);
        // A new run of clusters is never longer than this, so that a failed one costs little.
        if (writing && !inPlace(place) && next - cluster >= 255) break;
      }
      visit({ position, count, cluster, inside, place }, count === left && done === 0 ? [...parts] : slice(parts, done, count));
      position += count;
      done += count;
      left -= count;
    }
  }

  #continues(first: Place, distance: number, { next, writing }: { readonly next: Place; readonly writing: boolean }): boolean {
    if (writing) {
      if (!inPlace(first)) return !inPlace(next);
      return (
        inPlace(next) &&
        first.kind === 'data' &&
        next.kind === 'data' &&
        next.offset === first.offset + distance * this.header.clusterBytes
      );
    }
    if (next.kind !== first.kind || next.kind === 'compressed') return false;
    return first.kind !== 'data' || (next.kind === 'data' && next.offset === first.offset + distance * this.header.clusterBytes);
  }

  #checked(cluster: number): Place {
    const place = this.tables.place(cluster);
    if (place.kind === 'data' || (place.kind === 'zero' && place.offset !== 0)) {
      const { clusterBytes } = this.header;
      if (place.offset % clusterBytes !== 0)
        throw damaged(this.storage.path, `cluster ${cluster} is said to be at ${place.offset}`);
    }
    return place;
  }

  #readPiece({ position, count, inside, place }: Piece, parts: Uint8Array[]): void {
    switch (place.kind) {
      case 'zero':
        zeroes(parts);
        return;
      case 'data':
        this.storage.read(place.offset + inside, parts);
        return;
      case 'compressed': {
        const bytes = this.#unpack(place);
        let from = inside;
        for (const part of parts) {
          part.set(bytes.subarray(from, from + part.length));
          from += part.length;
        }
        return;
      }
      case 'none':
        this.#readBacking(position, count, parts);
    }
  }

  /** What the backing file shows; zeros behind its end. */
  #readBacking(position: number, count: number, parts: Uint8Array[]): void {
    const there = this.backing ? Math.max(0, Math.min(count, this.backing.bytes - position)) : 0;
    if (there > 0) this.backing?.read(position, there === count ? parts : slice(parts, 0, there));
    if (there < count) zeroes(slice(parts, there, count - there));
  }

  #unpack({ offset, bytes }: { readonly offset: number; readonly bytes: number }): Uint8Array {
    if (this.#unpacked?.offset === offset) return this.#unpacked.bytes;
    const { clusterBytes, compression } = this.header;
    const packed = new Uint8Array(bytes);
    this.storage.read(offset, [packed]);
    let plain: Uint8Array;
    try {
      plain = this.#codec.decompress(compression, packed, clusterBytes);
    } catch (cause) {
      throw new EngineError(
        'image-damaged',
        { path: this.storage.path, reason: `a compressed cluster at ${offset} cannot be read` },
        { cause },
      );
    }
    if (plain.length !== clusterBytes)
      throw damaged(this.storage.path, `a compressed cluster at ${offset} has ${plain.length} bytes`);
    this.#unpacked = { offset, bytes: plain };
    return plain;
  }

  #writePiece(piece: Piece, parts: Uint8Array[]): void {
    const { place, inside } = piece;
    if (place.kind === 'data' && place.copied) {
      this.#guard(place.offset, inside + piece.count);
      this.storage.write(place.offset + inside, parts);
      return;
    }
    this.#writeNew(piece, parts);
  }

  #guard(offset: number, bytes: number): void {
    const wrong = this.misplaced(offset, bytes);
    if (wrong !== undefined) throw damaged(this.storage.path, wrong);
  }

  /** Clusters that hold tables are never written as data: an image that says so would destroy itself. What it says, if it does. */
  misplaced(offset: number, bytes: number): string | undefined {
    const { clusterBytes } = this.header;
    if (offset + bytes > this.#fileEnd) {
      this.#fileEnd = this.storage.size();
      if (offset >= this.#fileEnd) return `data is said to be at ${offset}, behind the end of the file`;
    }
    for (let cluster = offset / clusterBytes; cluster * clusterBytes < offset + bytes; cluster++) {
      if (this.refcounts.metadata.has(cluster)) return `data is said to be at ${cluster * clusterBytes}, where tables are`;
    }
    return undefined;
  }

  /** Nothing else is to be done before data is overwritten in place. */
  get overwrites(): boolean {
    const { autoclear, incompatible } = this.header;
    return !this.readonly && autoclear === 0 && (!this.lazy || (incompatible & Incompatible.dirty) !== 0);
  }

  /** New clusters for a run; what of the first and the last is not written is copied from what they showed. */
  #writeNew({ position, count, cluster, inside }: Piece, parts: Uint8Array[]): void {
    const { clusterBytes } = this.header;
    const clusters = Math.ceil((inside + count) / clusterBytes);
    const before: Place[] = [];
    for (let i = 0; i < clusters; i++) {
      before.push(this.tables.place(cluster + i));
      this.tables.prepare(cluster + i);
    }
    const head = new Uint8Array(inside);
    const end = inside + count;
    const tail = new Uint8Array(clusters * clusterBytes - end);
    if (head.length > 0) this.#readWithin(position - inside, head);
    if (tail.length > 0) this.#readWithin(position + count, tail);
    const offset = this.refcounts.allocate(clusters);
    try {
      this.storage.write(offset, [head, ...parts, tail]);
    } catch (failure) {
      this.refcounts.unallocate(offset, clusters);
      throw failure;
    }
    for (let i = 0; i < clusters; i++) {
      this.tables.set(cluster + i, dataEntry(offset + i * clusterBytes));
      this.#release(before[i] as Place);
    }
  }

  /** As `read`, for bytes that may lie behind the disk's end in its last cluster. */
  #readWithin(at: number, into: Uint8Array): void {
    const there = Math.max(0, Math.min(into.length, this.header.size - at));
    if (there > 0) this.read(at, [into.subarray(0, there)]);
    into.fill(0, there);
  }

  #release(place: Place): void {
    const { clusterBytes } = this.header;
    if (place.kind === 'none') return;
    if (place.kind !== 'compressed') {
      if (place.offset !== 0) this.refcounts.freeLater(place.offset);
      return;
    }
    const first = Math.floor(place.offset / clusterBytes);
    const last = Math.floor((place.offset + place.bytes - 1) / clusterBytes);
    this.refcounts.freeLater(first * clusterBytes, last - first + 1);
    this.#compressedEnd = 0;
    this.#unpacked = undefined;
  }

  #zeroCluster(cluster: number): void {
    const place = this.tables.place(cluster);
    const bare = this.backing === undefined;
    if (place.kind === 'none' && bare) return;
    if (place.kind === 'zero' && place.offset === 0) return;
    if (this.header.version === 2 && !bare) {
      const { clusterBytes } = this.header;
      this.write(cluster * clusterBytes, [new Uint8Array(Math.min(clusterBytes, this.bytes - cluster * clusterBytes))]);
      return;
    }
    this.tables.set(cluster, bare ? NO_ENTRY : zeroEntry);
    this.#release(place);
  }

  #zeroPart(at: number, count: number): void {
    const there = new Uint8Array(count);
    this.read(at, [there]);
    if (!isZero(there)) this.write(at, [new Uint8Array(count)]);
  }

  #clusters(at: number, bytes: number, visit: { whole(cluster: number): void; part(at: number, bytes: number): void }): void {
    const { clusterBytes } = this.header;
    for (let position = at; position < at + bytes; ) {
      const cluster = Math.floor(position / clusterBytes);
      const end = Math.min((cluster + 1) * clusterBytes, at + bytes);
      const whole = position === cluster * clusterBytes && (end === (cluster + 1) * clusterBytes || end === this.bytes);
      if (whole) visit.whole(cluster);
      else visit.part(position, end - position);
      position = end;
    }
  }
}

interface Piece {
  /** Bytes of the disk. */
  readonly position: number;
  readonly count: number;
  readonly cluster: number;
  /** Where in the first cluster it begins. */
  readonly inside: number;
  /** Of the first cluster. */
  readonly place: Place;
}

const inPlace = (place: Place): boolean => place.kind === 'data' && place.copied;
