/** A qcow2 image of another size. */
import { EngineError } from '../../base/index.ts';
import { largestDisk } from './create.ts';
import { viewOf } from './header.ts';
import type { Qcow2 } from './image.ts';

/** `bytes` is whole sectors. What a smaller disk loses is gone. */
export function resizeQcow2(image: Qcow2, bytes: number): void {
  const { header, storage } = image;
  if (bytes > largestDisk(header.clusterBytes))
    throw new EngineError('image-size', {
      bytes,
      reason: `with its clusters it has at most ${largestDisk(header.clusterBytes)}`,
    });
  if (bytes < header.size) {
    const whole = Math.ceil(bytes / header.clusterBytes) * header.clusterBytes;
    if (bytes < Math.min(whole, image.bytes)) image.zero(bytes, Math.min(whole, image.bytes) - bytes);
    if (whole < image.bytes) image.forget(whole / header.clusterBytes, Math.ceil(header.size / header.clusterBytes));
    image.settle();
  } else growL1(image, bytes);
  header.size = bytes;
  image.writeHeader();
  storage.flush();
}

function growL1(image: Qcow2, bytes: number): void {
  const { header, storage, refcounts, tables } = image;
  const { clusterBytes } = header;
  const needed = Math.ceil(bytes / ((clusterBytes / 8) * clusterBytes));
  if (needed <= header.l1Entries) return;
  image.settle();
  const clusters = Math.ceil((needed * 8) / clusterBytes);
  const encoded = new Uint8Array(clusters * clusterBytes);
  tables.l1.forEach((entry, i) => {
    viewOf(encoded).setBigUint64(8 * i, entry);
  });
  const before = { offset: header.l1Offset, clusters: Math.ceil((header.l1Entries * 8) / clusterBytes) };
  const offset = refcounts.allocate(clusters);
  refcounts.write();
  storage.write(offset, [encoded]);
  storage.flush();
  header.l1Offset = offset;
  header.l1Entries = needed;
  image.writeHeader();
  storage.flush();
  tables.reload();
  if (before.clusters > 0) refcounts.freeLater(before.offset, before.clusters);
  image.settle();
}
