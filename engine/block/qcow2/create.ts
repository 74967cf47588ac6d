/** Making an empty qcow2 image. */
import { EngineError } from '../../base/index.ts';
import type { Storage } from '../storage.ts';
import { Compatible, encodeHeader, type Header, headerBytesOf, Incompatible, viewOf } from './header.ts';

export interface CreateOptions {
  /** Bytes of the disk, whole sectors. */
  readonly size: number;
  readonly version?: 2 | 3;
  /** A power of two from 512 to 2 MiB; 64 KiB when absent. */
  readonly clusterBytes?: number;
  readonly compression?: 'zlib' | 'zstd';
  readonly lazyRefcounts?: boolean;
  readonly backing?: { readonly file: string; readonly format: string | undefined };
}

const L1_LIMIT = 32 * 2 ** 20;

/** Largest disk for a size of clusters: the L1 table has at most 32 MiB. */
export function largestDisk(clusterBytes: number): number {
  return (L1_LIMIT / 8) * (clusterBytes / 8) * clusterBytes;
}

/** Writes the metadata of an empty image into an empty storage. The header comes last: before, it is no image. */
export function createQcow2(storage: Storage, options: CreateOptions): void {
  const { size, version = 3, clusterBytes = 65536, compression = 'zlib', lazyRefcounts = false } = options;
  const clusterBits = Math.log2(clusterBytes);
  if (!Number.isInteger(clusterBits) || clusterBits < 9 || clusterBits > 21)
    throw new EngineError('image-size', { bytes: size, reason: 'clusters have 512 bytes to 2 MiB, a power of two' });
  if (size > largestDisk(clusterBytes))
    throw new EngineError('image-size', {
      bytes: size,
      reason: `with clusters of ${clusterBytes} bytes it has at most ${largestDisk(clusterBytes)}`,
    });
  if (version === 2 && (compression === 'zstd' || lazyRefcounts))
    throw new EngineError('image-size', { bytes: size, reason: 'version 2 has neither zstd nor lazy reference counts' });
  const l1Entries = Math.max(1, Math.ceil(size / ((clusterBytes / 8) * clusterBytes)));
  const l1Clusters = Math.ceil((l1Entries * 8) / clusterBytes);
  const perBlock = clusterBytes / 2;
  // Header, refcount table, blocks, L1 table.
  const blocks = Math.ceil((2 + l1Clusters + 2) / (perBlock - 1));
  const used = 2 + blocks + l1Clusters;
  const header: Header = {
    version,
    clusterBits,
    clusterBytes,
    size,
    l1Entries,
    l1Offset: (2 + blocks) * clusterBytes,
    refcountTableOffset: clusterBytes,
    refcountTableClusters: 1,
    snapshots: 0,
    snapshotsOffset: 0,
    incompatible: compression === 'zstd' ? Incompatible.compression : 0,
    compatible: lazyRefcounts ? Compatible.lazyRefcounts : 0,
    autoclear: 0,
    refcountOrder: 4,
    headerBytes: headerBytesOf(version),
    compression,
    backing: options.backing,
    extensions: [],
  };
  const head = encodeHeader(header, storage.path);
  const table = new Uint8Array(clusterBytes);
  const counts = new Uint8Array(blocks * clusterBytes);
  if (blocks > clusterBytes / 8) throw new EngineError('image-size', { bytes: size, reason: 'its tables need larger clusters' });
  for (let b = 0; b < blocks; b++) viewOf(table).setBigUint64(8 * b, BigInt((2 + b) * clusterBytes));
  for (let i = 0; i < used; i++) viewOf(counts).setUint16(2 * i, 1);
  storage.write(clusterBytes, [table, counts, new Uint8Array(l1Clusters * clusterBytes)]);
  storage.flush();
  storage.write(0, [head]);
  storage.flush();
}
