/** What a qcow2 image refers to, counted anew and compared with what it says: `rootmode image check`, and repair of dirty images. */
import { damaged, viewOf } from './header.ts';
import type { Qcow2 } from './image.ts';
import { MAXIMUM_CLUSTERS } from './refcounts.ts';
import { readSnapshots } from './snapshot-table.ts';
import { dataEntry, decodeEntry, isCopied, offsetOf, readL1, withCopied } from './tables.ts';

export interface CheckResult {
  /** Clusters that are counted and not referred to: lost room, no lost data. */
  leaks: number;
  /** References without count, entries that point nowhere: data is or will be lost. */
  corruptions: number;
  /** The first few, in words. */
  readonly findings: string[];
  /** Clusters of the disk that have a place of their own, compressed ones among them. */
  allocated: number;
  compressed: number;
  readonly clusters: number;
}

export type Repair = 'none' | 'leaks' | 'all';
export type Progress = (done: number, of: number) => void;

const FINDINGS = 20;

/** Checks an image that nobody else uses. What is repaired is counted all the same. */
export function checkQcow2(image: Qcow2, repair: Repair = 'none', progress: Progress = () => undefined): CheckResult {
  const { header, storage, refcounts } = image;
  const { clusterBytes } = header;
  const fileClusters = Math.ceil(storage.size() / clusterBytes);
  if (fileClusters > MAXIMUM_CLUSTERS / 8) throw damaged(storage.path, 'it has too many clusters to be checked');
  const counts = new Uint32Array(fileClusters + 1);
  const result: CheckResult = {
    leaks: 0,
    corruptions: 0,
    findings: [],
    allocated: 0,
    compressed: 0,
    clusters: Math.ceil(header.size / clusterBytes),
  };
  const corrupt = (text: string) => {
    result.corruptions++;
    if (result.findings.length < FINDINGS) result.findings.push(text);
  };
  /** Count references to a range; false when it leaves the file. */
  const refer = (offset: number, bytes: number, what: string): boolean => {
    const first = Math.floor(offset / clusterBytes);
    const last = Math.floor((offset + Math.max(1, bytes) - 1) / clusterBytes);
    if (last >= fileClusters) {
      corrupt(`${what} at ${offset} is behind the end of the file`);
      return false;
    }
    for (let i = first; i <= last; i++) counts[i] = (counts[i] as number) + 1;
    return true;
  };

  refer(0, clusterBytes, 'the header');
  refer(header.refcountTableOffset, header.refcountTableClusters * clusterBytes, 'the refcount table');
  refcounts.blockOffsets().forEach((offset, index) => {
    if (offset === 0) return;
    const usable = offset % clusterBytes === 0 && offset < storage.size();
    if (usable && refer(offset, clusterBytes, `refcount block ${index}`)) return;
    if (offset % clusterBytes !== 0) corrupt(`refcount block ${index} is said to be at ${offset}`);
    if (repair === 'all') refcounts.forgetBlock(index);
  });

  /** L1 tables that are walked: the active one and one of each snapshot. */
  const l1s: { readonly offset: number; readonly entries: number; readonly active: boolean }[] = [
    { offset: header.l1Offset, entries: header.l1Entries, active: true },
  ];
  if (header.snapshots > 0) {
    const { snapshots, bytes } = readSnapshots(storage, header);
    refer(header.snapshotsOffset, bytes, 'the snapshot table');
    for (const { l1Offset, l1Entries } of snapshots) l1s.push({ offset: l1Offset, entries: l1Entries, active: false });
  }
  const all = l1s.reduce((sum, { entries }) => sum + entries, 0);
  let walked = 0;
  for (const { offset, entries, active } of l1s) {
    if (entries > 0 && !refer(offset, entries * 8, 'an L1 table')) continue;
    for (const entry of readL1(storage, offset, entries)) {
      progress(walked++, all);
      const l2 = offsetOf(entry);
      if (l2 === 0) continue;
      if (l2 % clusterBytes !== 0) {
        corrupt(`an L2 table is said to be at ${l2}`);
        continue;
      }
      if (!refer(l2, clusterBytes, 'an L2 table')) continue;
      const bytes = new Uint8Array(clusterBytes);
      storage.read(l2, [bytes]);
      const view = viewOf(bytes);
      for (let at = 0; at < clusterBytes; at += 8) {
        const place = decodeEntry(view.getBigUint64(at), header);
        if (place.kind === 'none' || (place.kind === 'zero' && place.offset === 0)) continue;
        const compressed = place.kind === 'compressed';
        if (active) result.allocated++;
        if (active && compressed) result.compressed++;
        if (!compressed && place.offset % clusterBytes !== 0) corrupt(`data is said to be at ${place.offset}`);
        else refer(place.offset, compressed ? place.bytes : clusterBytes, 'data');
      }
    }
  }

  const known = Math.min(MAXIMUM_CLUSTERS, refcounts.blockOffsets().length * refcounts.perBlock);
  for (let i = 0; i < fileClusters; i++) {
    const expected = counts[i] as number;
    const counted = i < known ? refcounts.get(i) : 0;
    if (expected === counted) continue;
    const leak = counted > expected;
    if (leak) result.leaks++;
    else corrupt(`the cluster at ${i * clusterBytes} is counted ${counted} times and referred to ${expected} times`);
    if (repair === 'all' || (repair === 'leaks' && leak)) refcounts.set(i, expected);
  }
  checkCopied(image, { corrupt, counts, repair });
  if (repair !== 'none') {
    refcounts.write();
    storage.flush();
    image.tables.reload();
  }
  return result;
}

interface CopiedCheck {
  corrupt(text: string): void;
  readonly counts: Uint32Array;
  readonly repair: Repair;
}

/** The flag of an entry says that its cluster has one reference. Wrong ones are corruptions, or are set right. */
function checkCopied(image: Qcow2, { corrupt, counts, repair }: CopiedCheck): void {
  const { header, storage } = image;
  const { clusterBytes } = header;
  const once = (offset: number) => counts[offset / clusterBytes] === 1;
  const l1 = readL1(storage, header.l1Offset, header.l1Entries);
  l1.forEach((entry, index) => {
    const offset = offsetOf(entry);
    if (offset === 0 || offset % clusterBytes !== 0 || offset >= storage.size()) return;
    if (isCopied(entry) !== once(offset)) {
      corrupt(`L1 entry ${index} ${flagText(isCopied(entry))}`);
      if (repair === 'all') {
        const fixed = new Uint8Array(8);
        viewOf(fixed).setBigUint64(0, dataEntry(offset, once(offset)));
        storage.write(header.l1Offset + 8 * index, [fixed]);
      }
    }
    const bytes = new Uint8Array(clusterBytes);
    storage.read(offset, [bytes]);
    const view = viewOf(bytes);
    let changed = false;
    for (let at = 0; at < clusterBytes; at += 8) {
      const raw = view.getBigUint64(at);
      const place = decodeEntry(raw, header);
      if (place.kind === 'none' || place.kind === 'compressed' || place.offset === 0 || place.offset % clusterBytes !== 0)
        continue;
      if (place.copied === once(place.offset)) continue;
      corrupt(`an L2 entry for data at ${place.offset} ${flagText(place.copied)}`);
      view.setBigUint64(at, withCopied(raw, once(place.offset)));
      changed = true;
    }
    if (changed && repair === 'all') storage.write(offset, [bytes]);
  });
}

const flagText = (copied: boolean) =>
  copied ? 'would be overwritten although a snapshot has it' : 'has a wrong flag, which costs a copy';

/** Bytes of the disk that have a place in this file. */
export function allocatedBytes(image: Qcow2): number {
  let clusters = 0;
  const { l1, perL2 } = image.tables;
  for (let i = 0; i < Math.ceil(image.header.size / image.header.clusterBytes); i++) {
    // A disk may be said to be of any size.
    if (i % perL2 === 0 && offsetOf(l1[i / perL2] ?? 0n) === 0) {
      i += perL2 - 1;
      continue;
    }
    const { kind } = image.tables.place(i);
    if (kind === 'data' || kind === 'compressed') clusters++;
  }
  return clusters * image.header.clusterBytes;
}
