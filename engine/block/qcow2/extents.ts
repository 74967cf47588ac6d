/** Where a qcow2 image's data can be read and written past it. */
import type { DiskImage, Extent } from '../image.ts';
import type { Storage } from '../storage.ts';
import type { Header } from './header.ts';
import type { Place, Tables } from './tables.ts';

/** What of an image is looked at. */
interface Clusters {
  readonly bytes: number;
  readonly header: Pick<Header, 'clusterBytes'>;
  readonly tables: Pick<Tables, 'place'>;
  readonly storage: Pick<Storage, 'handle'>;
  readonly backing: DiskImage | undefined;
  /** Nothing else is to be done before data is overwritten in place. */
  readonly overwrites: boolean;
  /** Why data cannot be at a place of the file; undefined where it can. */
  misplaced(offset: number, bytes: number): string | undefined;
}

/** Most clusters that one look takes in. */
const LONGEST = 256;

/** The run of clusters of one kind from that of byte `at` on: data, or what the backing file shows. */
export function extentAt(image: Clusters, at: number): Extent | undefined {
  const { tables, bytes } = image;
  const { clusterBytes } = image.header;
  if (at < 0 || at >= bytes) return undefined;
  const first = Math.floor(at / clusterBytes);
  const place = tables.place(first);
  let count = 1;
  while (count < LONGEST && (first + count) * clusterBytes < bytes) {
    if (!continues(place, tables.place(first + count), count * clusterBytes)) break;
    count++;
  }
  const run = { at: first * clusterBytes, end: Math.min((first + count) * clusterBytes, bytes) };
  if (place.kind === 'none') return within(image.backing?.extentAt?.(at), run);
  const { handle } = image.storage;
  if (place.kind !== 'data' || handle === undefined || place.offset % clusterBytes !== 0) return undefined;
  const length = run.end - run.at;
  const writable = place.copied && image.overwrites && image.misplaced(place.offset, length) === undefined;
  return { at: run.at, bytes: length, handle, offset: place.offset, writeFrom: writable ? run.at : run.end };
}

function continues(first: Place, next: Place, distance: number): boolean {
  if (first.kind === 'none') return next.kind === 'none';
  if (first.kind !== 'data' || next.kind !== 'data') return false;
  return next.offset === first.offset + distance && next.copied === first.copied;
}

/** Of a backing file's extent what a run of the disk shows; that is never written. */
function within(below: Extent | undefined, run: { readonly at: number; readonly end: number }): Extent | undefined {
  if (below === undefined) return undefined;
  const at = Math.max(run.at, below.at);
  const end = Math.min(run.end, below.at + below.bytes);
  return end <= at
    ? undefined
    : { at, bytes: end - at, handle: below.handle, offset: below.offset + at - below.at, writeFrom: end };
}
