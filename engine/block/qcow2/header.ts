/**
 * The header of a qcow2 image, versions 2 and 3. Spec: QEMU, docs/interop/qcow2. Numbers have their upper byte first. All of it is
 * hostile: whoever has a `Header` can trust its ranges and alignments, not that its tables say anything sensible.
 */
import { EngineError } from '../../base/index.ts';
import type { Storage } from '../storage.ts';

const MAGIC = 0x514649fb;
const V2_BYTES = 72;
const V3_BYTES = 104;
/** Clusters of 512 bytes to 2 MiB. */
const CLUSTER_BITS = [9, 21] as const;
const DEFAULT_REFCOUNT_ORDER = 4;
/** Bytes: tables larger than these are refused before memory is taken for them. */
const MAXIMUM = { l1: 32 * 2 ** 20, refcountTable: 8 * 2 ** 20, name: 1023, snapshots: 65536 } as const;
/** Sizes and offsets are kept as numbers. */
const LARGEST = 2 ** 53;

export const Incompatible = { dirty: 1, corrupt: 2, externalData: 4, compression: 8, extendedL2: 16 } as const;
export const Compatible = { lazyRefcounts: 1 } as const;
const Extension = { end: 0, backingFormat: 0xe2792aca, encryption: 0x0537be77 } as const;

export interface Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly clusterBytes: number;
  /** Bytes of the disk. */
  size: number;
  l1Entries: number;
  l1Offset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  snapshots: number;
  snapshotsOffset: number;
  incompatible: number;
  compatible: number;
  autoclear: number;
  readonly refcountOrder: number;
  readonly headerBytes: number;
  readonly compression: 'zlib' | 'zstd';
  backing: { readonly file: string; readonly format: string | undefined } | undefined;
  /** Extensions that are kept as they are. */
  readonly extensions: readonly { readonly type: number; readonly data: Uint8Array }[];
}

export function damaged(path: string, reason: string): EngineError {
  return new EngineError('image-damaged', { path, reason });
}

/** Numbers of a block of bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function isQcow2(start: Uint8Array): boolean {
  return start.length >= 8 && viewOf(start).getUint32(0) === MAGIC && viewOf(start).getUint32(4) >= 2;
}

/** Reads and checks the header. Fails with `image-format`, `image-damaged` or `image-encrypted`. */
export function readHeader(storage: Storage): Header {
  const { path } = storage;
  const fixed = new Uint8Array(112);
  storage.read(0, [fixed]);
  const view = viewOf(fixed);
  const refuse = (reason: string): never => {
    throw new EngineError('image-format', { path, reason });
  };
  const broken = (reason: string): never => {
    throw damaged(path, reason);
  };
  const long = (at: number, what: string): number => {
    const value = view.getBigUint64(at);
    return value > BigInt(LARGEST) ? broken(`its ${what} is ${value}`) : Number(value);
  };
  if (view.getUint32(0) !== MAGIC) refuse('it is not qcow2');
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) refuse(`it is qcow2 of version ${version}, this knows 2 and 3`);
  const clusterBits = view.getUint32(20);
  if (clusterBits < CLUSTER_BITS[0] || clusterBits > CLUSTER_BITS[1]) broken(`its clusters have 2^${clusterBits} bytes`);
  const clusterBytes = 2 ** clusterBits;
  if (storage.size() < V2_BYTES) broken('it is shorter than a header');
  if (view.getUint32(32) !== 0) throw new EngineError('image-encrypted', { path });
  const three = version === 3;
  const headerBytes = three ? view.getUint32(100) : V2_BYTES;
  if (three && (headerBytes < V3_BYTES || headerBytes > clusterBytes || headerBytes % 8 !== 0))
    broken(`its header has ${headerBytes} bytes`);
  const incompatible = three ? long(72, 'feature mask') : 0;
  if (incompatible & Incompatible.externalData) refuse('its data is in another file, which is not supported');
  if (incompatible & Incompatible.extendedL2) refuse('it has subclusters, which are not supported');
  if (incompatible >= 32) refuse(`it needs features that are not known (mask ${incompatible})`);
  const compressed = three && headerBytes > V3_BYTES ? (fixed[104] as number) : 0;
  if (compressed > 1) refuse(`it compresses by method ${compressed}, this knows zlib and zstd`);
  const refcountOrder = three ? view.getUint32(96) : DEFAULT_REFCOUNT_ORDER;
  if (refcountOrder > 6) broken(`its reference counts have 2^${refcountOrder} bits`);

  const size = long(24, 'size');
  const l1Entries = view.getUint32(36);
  const perL1 = (clusterBytes / 8) * clusterBytes;
  if (l1Entries * 8 > MAXIMUM.l1) broken(`its L1 table has ${l1Entries} entries`);
  if (l1Entries < Math.ceil(size / perL1)) broken(`its L1 table has ${l1Entries} entries, too few for ${size} bytes`);
  const refcountTableClusters = view.getUint32(56);
  if (refcountTableClusters === 0 || refcountTableClusters * clusterBytes > MAXIMUM.refcountTable)
    broken(`its refcount table has ${refcountTableClusters} clusters`);
  const snapshots = view.getUint32(60);
  if (snapshots > MAXIMUM.snapshots) broken(`it has ${snapshots} snapshots`);
  const aligned = (at: number, what: string): number => {
    const value = long(at, what);
    return value % clusterBytes !== 0 || value === 0 ? broken(`its ${what} is at ${value}`) : value;
  };
  const { backingFormat, kept } = readExtensions(storage, headerBytes, clusterBytes);
  return {
    version: version as 2 | 3,
    clusterBits,
    clusterBytes,
    size,
    l1Entries,
    l1Offset: l1Entries === 0 ? long(40, 'L1 table') : aligned(40, 'L1 table'),
    refcountTableOffset: aligned(48, 'refcount table'),
    refcountTableClusters,
    snapshots,
    snapshotsOffset: snapshots === 0 ? 0 : aligned(64, 'snapshot table'),
    incompatible,
    compatible: three ? long(80, 'feature mask') : 0,
    autoclear: three ? long(88, 'feature mask') : 0,
    refcountOrder,
    headerBytes,
    compression: compressed === 1 ? 'zstd' : 'zlib',
    backing: readBacking(storage, view, { clusterBytes, format: backingFormat }),
    extensions: kept,
  };
}

function readBacking(
  storage: Storage,
  view: DataView,
  { clusterBytes, format }: { clusterBytes: number; format: string | undefined },
): Header['backing'] {
  const at = view.getBigUint64(8);
  const length = view.getUint32(16);
  if (at === 0n) return undefined;
  if (length === 0) return undefined;
  if (length > MAXIMUM.name || at + BigInt(length) > BigInt(clusterBytes))
    throw damaged(storage.path, 'its backing file has no usable name');
  const name = new Uint8Array(length);
  storage.read(Number(at), [name]);
  const file = new TextDecoder().decode(name);
  if (file.includes('\0')) throw damaged(storage.path, 'its backing file has no usable name');
  return { file, format };
}

function readExtensions(storage: Storage, from: number, end: number) {
  const area = new Uint8Array(Math.min(end, 65536));
  storage.read(0, [area]);
  const view = viewOf(area);
  const kept: { type: number; data: Uint8Array }[] = [];
  let backingFormat: string | undefined;
  for (let at = from; at + 8 <= area.length; ) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === Extension.end) break;
    if (at + 8 + length > area.length) throw damaged(storage.path, 'an extension of its header leaves the header');
    const data = area.slice(at + 8, at + 8 + length);
    if (type === Extension.encryption) throw new EngineError('image-encrypted', { path: storage.path });
    if (type === Extension.backingFormat) backingFormat = new TextDecoder().decode(data);
    else kept.push({ type, data });
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return { backingFormat, kept };
}

/** The header's cluster up to the end of what is in it. Fails with `image-format` when it does not fit. */
export function encodeHeader(header: Header, path: string): Uint8Array {
  const { version, headerBytes, clusterBytes, backing } = header;
  const bytes = new Uint8Array(clusterBytes);
  const view = viewOf(bytes);
  view.setUint32(0, MAGIC);
  view.setUint32(4, version);
  view.setUint32(20, header.clusterBits);
  view.setBigUint64(24, BigInt(header.size));
  view.setUint32(36, header.l1Entries);
  view.setBigUint64(40, BigInt(header.l1Offset));
  view.setBigUint64(48, BigInt(header.refcountTableOffset));
  view.setUint32(56, header.refcountTableClusters);
  view.setUint32(60, header.snapshots);
  view.setBigUint64(64, BigInt(header.snapshotsOffset));
  if (version === 3) {
    view.setBigUint64(72, BigInt(header.incompatible));
    view.setBigUint64(80, BigInt(header.compatible));
    view.setBigUint64(88, BigInt(header.autoclear));
    view.setUint32(96, header.refcountOrder);
    view.setUint32(100, headerBytes);
    if (headerBytes > V3_BYTES) bytes[104] = header.compression === 'zstd' ? 1 : 0;
  }
  let at = headerBytes;
  const fail = (): never => {
    throw new EngineError('image-format', { path, reason: 'its header has no room for the name of a backing file' });
  };
  const extension = (type: number, data: Uint8Array) => {
    if (at + 8 + data.length + 8 > clusterBytes) fail();
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + Math.ceil(data.length / 8) * 8;
  };
  if (backing?.format !== undefined) extension(Extension.backingFormat, new TextEncoder().encode(backing.format));
  for (const { type, data } of header.extensions) extension(type, data);
  at += 8; // end of extensions
  if (backing) {
    const name = new TextEncoder().encode(backing.file);
    if (name.length > MAXIMUM.name || at + name.length > clusterBytes) fail();
    view.setBigUint64(8, BigInt(at));
    view.setUint32(16, name.length);
    bytes.set(name, at);
    at += name.length;
  }
  return bytes.subarray(0, Math.min(clusterBytes, Math.ceil(at / 512) * 512));
}

export const headerBytesOf = (version: 2 | 3): number => (version === 2 ? V2_BYTES : 112);
