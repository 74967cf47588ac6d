/** The table of internal snapshots of a qcow2 image. */
import type { Storage } from '../storage.ts';
import { damaged, type Header, viewOf } from './header.ts';

export interface Snapshot {
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly id: string;
  readonly name: string;
  /** Seconds since 1970, and nanoseconds of a second. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Nanoseconds of guest time. */
  readonly guestTime: bigint;
  readonly stateBytes: number;
  /** Bytes of the disk when it was made; absent in old images: as now. */
  readonly diskBytes: number | undefined;
  readonly extra: Uint8Array;
}

const FIXED = 40;
const MAXIMUM = { extra: 1024, text: 1024, table: 64 * 2 ** 20 } as const;

export function readSnapshots(storage: Storage, header: Header): { readonly snapshots: Snapshot[]; readonly bytes: number } {
  const snapshots: Snapshot[] = [];
  let at = header.snapshotsOffset;
  const { path } = storage;
  for (let i = 0; i < header.snapshots; i++) {
    const fixed = new Uint8Array(FIXED);
    storage.read(at, [fixed]);
    const view = viewOf(fixed);
    const [idBytes, nameBytes, extraBytes] = [view.getUint16(12), view.getUint16(14), view.getUint32(36)];
    const l1Entries = view.getUint32(8);
    const l1Offset = Number(view.getBigUint64(0));
    if (extraBytes > MAXIMUM.extra || idBytes > MAXIMUM.text || nameBytes > MAXIMUM.text)
      throw damaged(path, `snapshot ${i} is too large`);
    if (
      l1Entries * 8 > 32 * 2 ** 20 ||
      l1Offset % header.clusterBytes !== 0 ||
      l1Offset + l1Entries * 8 > storage.size() + header.clusterBytes
    )
      throw damaged(path, `snapshot ${i} has no usable L1 table`);
    const rest = new Uint8Array(extraBytes + idBytes + nameBytes);
    storage.read(at + FIXED, [rest]);
    const extra = rest.slice(0, extraBytes);
    const text = new TextDecoder();
    snapshots.push({
      l1Offset,
      l1Entries,
      id: text.decode(rest.subarray(extraBytes, extraBytes + idBytes)),
      name: text.decode(rest.subarray(extraBytes + idBytes)),
      seconds: view.getUint32(16),
      nanoseconds: view.getUint32(20),
      guestTime: view.getBigUint64(24),
      stateBytes: extraBytes >= 8 ? Number(viewOf(extra).getBigUint64(0)) : view.getUint32(32),
      diskBytes: extraBytes >= 16 ? Number(viewOf(extra).getBigUint64(8)) : undefined,
      extra,
    });
    at += FIXED + Math.ceil((extraBytes + idBytes + nameBytes) / 8) * 8;
    if (at - header.snapshotsOffset > MAXIMUM.table) throw damaged(path, 'its snapshot table is too large');
  }
  return { snapshots, bytes: at - header.snapshotsOffset };
}

export function encodeSnapshots(snapshots: readonly Snapshot[]): Uint8Array {
  const parts = snapshots.map((snapshot) => {
    const text = new TextEncoder();
    const [id, name] = [text.encode(snapshot.id), text.encode(snapshot.name)];
    const extra = snapshot.extra.length >= 16 ? snapshot.extra.slice() : new Uint8Array(16);
    viewOf(extra).setBigUint64(0, BigInt(snapshot.stateBytes));
    viewOf(extra).setBigUint64(8, BigInt(snapshot.diskBytes ?? 0));
    const bytes = new Uint8Array(FIXED + Math.ceil((extra.length + id.length + name.length) / 8) * 8);
    const view = viewOf(bytes);
    view.setBigUint64(0, BigInt(snapshot.l1Offset));
    view.setUint32(8, snapshot.l1Entries);
    view.setUint16(12, id.length);
    view.setUint16(14, name.length);
    view.setUint32(16, snapshot.seconds);
    view.setUint32(20, snapshot.nanoseconds);
    view.setBigUint64(24, snapshot.guestTime);
    view.setUint32(32, snapshot.stateBytes % 2 ** 32);
    view.setUint32(36, extra.length);
    bytes.set(extra, FIXED);
    bytes.set(id, FIXED + extra.length);
    bytes.set(name, FIXED + extra.length + id.length);
    return bytes;
  });
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
