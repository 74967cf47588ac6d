/**
 * Internal snapshots: a snapshot is a second L1 table, whose clusters count one reference more. Each step leaves an image that is right,
 * or one with leaked clusters: references are counted before they are made and given back after they are gone.
 */
import { EngineError } from '../../base/index.ts';
import { damaged, viewOf } from './header.ts';
import type { Qcow2 } from './image.ts';
import { encodeSnapshots, readSnapshots, type Snapshot } from './snapshot-table.ts';
import { decodeEntry, offsetOf, readL1, withCopied } from './tables.ts';

export function listSnapshots(image: Qcow2): Snapshot[] {
  return readSnapshots(image.storage, image.header).snapshots;
}

/** By name, or by id where no snapshot has the name. */
function find(image: Qcow2, name: string): { readonly all: Snapshot[]; readonly index: number; readonly snapshot: Snapshot } {
  const all = listSnapshots(image);
  const byName = all.findIndex((one) => one.name === name);
  const index = byName >= 0 ? byName : all.findIndex((one) => one.id === name);
  const snapshot = all[index];
  if (snapshot === undefined)
    throw new EngineError('image-snapshot', { path: image.storage.path, name, reason: 'does not exist' });
  return { all, index, snapshot };
}

/** `seconds` since 1970. Fails with `image-snapshot` when the name is taken. */
export function createSnapshot(image: Qcow2, name: string, seconds: number): void {
  const { header, storage, refcounts } = image;
  const all = listSnapshots(image);
  if (all.some((one) => one.name === name || one.id === name))
    throw new EngineError('image-snapshot', { path: storage.path, name, reason: 'exists already' });
  image.settle();
  const l1 = readL1(storage, header.l1Offset, header.l1Entries);
  const clusters = Math.max(1, Math.ceil((l1.length * 8) / header.clusterBytes));
  const l1Offset = refcounts.allocate(clusters);
  count(image, l1, 1);
  storage.write(l1Offset, [
    encodeL1(
      l1.map((entry) => withCopied(entry, false)),
      clusters * header.clusterBytes,
    ),
  ]);
  refcounts.write();
  storage.flush();
  markCopied(image);
  const id = String(1 + all.reduce((most, one) => Math.max(most, /^\d{1,9}$/.test(one.id) ? Number(one.id) : 0), 0));
  const snapshot: Snapshot = {
    l1Offset,
    l1Entries: l1.length,
    id,
    name,
    seconds,
    nanoseconds: 0,
    guestTime: 0n,
    stateBytes: 0,
    diskBytes: header.size,
    extra: new Uint8Array(16),
  };
  replaceTable(image, [...all, snapshot]);
}

export function deleteSnapshot(image: Qcow2, name: string): void {
  const { all, index, snapshot } = find(image, name);
  image.settle();
  replaceTable(
    image,
    all.filter((_, i) => i !== index),
  );
  const l1 = readL1(image.storage, snapshot.l1Offset, snapshot.l1Entries);
  count(image, l1, -1);
  const clusters = Math.max(1, Math.ceil((l1.length * 8) / image.header.clusterBytes));
  image.refcounts.freeLater(snapshot.l1Offset, clusters);
  image.settle();
  markCopied(image);
  image.settle();
}

/** The disk is again what it was when the snapshot was made. The snapshot stays. */
export function applySnapshot(image: Qcow2, name: string): void {
  const { snapshot } = find(image, name);
  const { header, storage, refcounts } = image;
  if (snapshot.l1Entries > header.l1Entries)
    throw new EngineError('image-snapshot', { path: storage.path, name, reason: 'is of a larger disk' });
  image.settle();
  const old = readL1(storage, header.l1Offset, header.l1Entries);
  const kept = readL1(storage, snapshot.l1Offset, snapshot.l1Entries);
  const next = new BigUint64Array(header.l1Entries);
  next.set(kept.map((entry) => withCopied(entry, false)));
  count(image, next, 1);
  refcounts.write();
  storage.flush();
  storage.write(header.l1Offset, [encodeL1(next, next.length * 8)]);
  storage.flush();
  image.tables.reload();
  if (snapshot.diskBytes !== undefined && snapshot.diskBytes !== header.size) {
    header.size = snapshot.diskBytes;
    image.writeHeader();
  }
  count(image, old, -1);
  image.settle();
  markCopied(image);
  image.settle();
}

function encodeL1(entries: BigUint64Array, bytes: number): Uint8Array {
  const encoded = new Uint8Array(bytes);
  const view = viewOf(encoded);
  entries.forEach((entry, i) => {
    view.setBigUint64(8 * i, entry);
  });
  return encoded;
}

/** One reference more or less for everything an L1 table reaches. */
function count(image: Qcow2, l1: BigUint64Array, delta: 1 | -1): void {
  const { header, storage, refcounts, tables } = image;
  const { clusterBytes } = header;
  const end = storage.size();
  const add = (first: number, last: number) => {
    for (let i = first; i <= last; i++) {
      if (delta > 0) refcounts.add(i, 1);
      else refcounts.freeLater(i * clusterBytes);
    }
  };
  for (const entry of l1) {
    const l2 = offsetOf(entry);
    if (l2 === 0) continue;
    const table = Math.floor(l2 / clusterBytes);
    add(table, table);
    const view = tables.readL2(l2);
    for (let at = 0; at < clusterBytes; at += 8) {
      const place = decodeEntry(view.getBigUint64(at), header);
      if (place.kind === 'none' || (place.kind !== 'compressed' && place.offset === 0)) continue;
      if (place.offset >= end) throw damaged(storage.path, `data is said to be at ${place.offset}, behind the end of the file`);
      const last = place.kind === 'compressed' ? place.offset + place.bytes : place.offset + clusterBytes;
      add(Math.floor(place.offset / clusterBytes), Math.floor((last - 1) / clusterBytes));
    }
  }
}

/** Flags of the active tables as the counts are now: a cluster that a snapshot has too is copied before it is written. */
function markCopied(image: Qcow2): void {
  const { header, storage, refcounts } = image;
  const { clusterBytes } = header;
  const once = (offset: number) => refcounts.get(Math.floor(offset / clusterBytes)) === 1;
  const l1 = readL1(storage, header.l1Offset, header.l1Entries);
  l1.forEach((entry, index) => {
    const l2 = offsetOf(entry);
    if (l2 === 0) return;
    const bytes = new Uint8Array(clusterBytes);
    storage.read(l2, [bytes]);
    const view = viewOf(bytes);
    let changed = false;
    for (let at = 0; at < clusterBytes; at += 8) {
      const raw = view.getBigUint64(at);
      const place = decodeEntry(raw, header);
      if (place.kind === 'none' || place.kind === 'compressed' || place.offset === 0 || place.copied === once(place.offset))
        continue;
      view.setBigUint64(at, withCopied(raw, once(place.offset)));
      changed = true;
    }
    if (changed) storage.write(l2, [bytes]);
    l1[index] = withCopied(entry, once(l2));
  });
  storage.write(header.l1Offset, [encodeL1(l1, l1.length * 8)]);
  storage.flush();
  image.tables.reload();
}

/** The table goes to a new place; the header then names it. */
function replaceTable(image: Qcow2, snapshots: readonly Snapshot[]): void {
  const { header, storage, refcounts } = image;
  const before =
    header.snapshots > 0 ? { offset: header.snapshotsOffset, bytes: readSnapshots(storage, header).bytes } : undefined;
  const bytes = encodeSnapshots(snapshots);
  const clusters = Math.ceil(bytes.length / header.clusterBytes);
  const offset = clusters === 0 ? 0 : refcounts.allocate(clusters);
  if (clusters > 0) storage.write(offset, [bytes, new Uint8Array(clusters * header.clusterBytes - bytes.length)]);
  refcounts.write();
  storage.flush();
  header.snapshots = snapshots.length;
  header.snapshotsOffset = offset;
  image.writeHeader();
  storage.flush();
  if (before) refcounts.freeLater(before.offset, Math.ceil(before.bytes / header.clusterBytes));
  image.settle();
}
