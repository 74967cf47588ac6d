/** The I/O thread's side of the drives: requests carried out on images, straight into guest memory and out of it. */

import { EngineError, type HostNow } from '../../base/index.ts';
import type { DiskImage } from '../../block/image.ts';
import { zeroes } from '../../block/storage.ts';
import type { DriveResult } from '../../devices/drive.ts';
import type { MachineMemory } from '../../memory/index.ts';
import { type DriveLane, partsOf, type TakenRequest } from './lane.ts';
import type { Drive, DriveBay } from './queue.ts';

export type { DiskImage };

export interface DriveServerParts {
  readonly memory: MachineMemory;
  readonly bay: DriveBay;
  /** The host's monotonic clock in ns. */
  readonly now: HostNow;
  /** Device work: runs it under the machine lock, and lets deadlines be looked at again. */
  work(body: () => void): void;
  /** The host has no room: nothing is lost, the request waits for `serve` to be called again after `retry`. */
  onFull(drive: number, failure: EngineError): void;
  /** A request was carried out, or failed. Under the machine lock. */
  onDone?(op: TakenRequest['op'], bytes: number, result: DriveResult): void;
  /** A failure that the guest sees as a bad sector. */
  onFailure(drive: number, failure: EngineError): void;
}

export interface DriveServer {
  /** Put an image into a drive; undefined empties it. The one before is closed. */
  insert(drive: number, image: DiskImage | undefined): void;
  image(drive: number): DiskImage | undefined;
  /** Carry out what waits. True when there was something. */
  serve(): boolean;
  /** Requests that found no room are tried again. */
  retry(): void;
  /** Flush and close every image. Fails with the first failure, after all are closed. */
  close(): void;
  readonly doorbell: DriveBay['doorbell'];
}

export function createDriveServer({ memory, bay, now, work, onFull, onFailure, onDone }: DriveServerParts): DriveServer {
  const images: (DiskImage | undefined)[] = bay.drives.map(() => undefined);
  const layouts: (number | undefined)[] = images.map(() => undefined);
  /** Lanes whose request waits for room on the host. */
  const held = new Set<DriveLane>();
  const told = new Set<DiskImage>();

  const complain = (d: number, failure: unknown) => {
    const image = images[d];
    if (image === undefined || told.has(image)) return;
    told.add(image);
    onFailure(d, asEngineError(failure));
  };

  /** Once no thread has its file in use; the drive has another medium, or none, already. */
  const closeImage = (d: number) => {
    const image = images[d];
    images[d] = undefined;
    try {
      bay.drives[d]?.inUse.run(() => image?.close());
    } catch (failure) {
      onFailure(d, asEngineError(failure));
    }
  };

  const carryOutTaken = (d: number, drive: Drive, lane: DriveLane) => {
    let request: TakenRequest | undefined;
    let parts: Uint8Array[] = [];
    work(() => {
      request = lane.take();
      if (request) parts = partsOf(memory, request);
    });
    if (request === undefined) return undefined;
    const { op, bytes } = request;
    const begun = now();
    try {
      const result = carryOut(images[d], request, parts);
      if (op === 'read' || op === 'write') drive.took(bytes, now() - begun);
      return { request, result };
    } catch (failure) {
      if (failure instanceof EngineError && failure.code === 'disk-full') {
        held.add(lane);
        onFull(d, failure);
        return undefined;
      }
      complain(d, failure);
      return { request, result: 'failed' as DriveResult };
    }
  };

  /** Other threads hear where the bytes of a request are, and no longer of places that are none any more. */
  const tellPlaces = (d: number, drive: Drive, done: TakenRequest | undefined) => {
    const image = images[d];
    if (image?.layout !== layouts[d]) {
      layouts[d] = image?.layout;
      drive.extents.clear();
    }
    if (done?.op !== 'read' && done?.op !== 'write') return;
    try {
      const extent = image?.extentAt?.(done.offset);
      if (extent) drive.extents.add(extent);
    } catch {
      // What is wrong with the clusters behind is told to who asks for them.
    }
  };

  /** With the drive in use from before the request is taken: none is carried out after one that was submitted later. */
  const carryOutNext = (d: number, drive: Drive, lane: DriveLane) => {
    const done = carryOutTaken(d, drive, lane);
    // Even a request that failed may have moved what was there.
    tellPlaces(d, drive, done?.result === 'done' ? done.request : undefined);
    return done;
  };

  const serveLane = (d: number, drive: Drive, lane: DriveLane) => {
    const done = drive.inUse.run(() => carryOutNext(d, drive, lane));
    if (done) {
      const { request, result } = done;
      const { op, bytes, buffers, ticket } = request;
      work(() => {
        if (op === 'read' && !(buffers instanceof Uint8Array))
          for (const range of buffers) memory.dma.touched(range.gpa, range.bytes);
        onDone?.(op, bytes, result);
        lane.complete(ticket, result);
      });
    }
    if (drive.ejected && images[d] !== undefined) closeImage(d);
  };

  return {
    doorbell: bay.doorbell,
    image: (d) => images[d],
    insert: (d, image) => {
      const drive = bay.drives[d];
      if (drive === undefined) return;
      work(() => drive.insert(image));
      closeImage(d);
      images[d] = image;
    },
    serve: () => {
      let busy = false;
      bay.drives.forEach((drive, d) => {
        if (drive === undefined) return;
        for (const lane of drive.lanes) {
          if (!lane.waiting || held.has(lane)) continue;
          busy = true;
          serveLane(d, drive, lane);
        }
        if (drive.ejected && images[d] !== undefined) closeImage(d);
      });
      return busy;
    },
    retry: () => held.clear(),
    close: () => {
      let first: unknown;
      images.forEach((image, d) => {
        const drive = bay.drives[d];
        images[d] = undefined;
        try {
          work(() => drive?.keepOut());
          drive?.inUse.run(() => image?.close());
        } catch (failure) {
          first ??= failure;
        }
      });
      if (first !== undefined) throw asEngineError(first);
    },
  };
}

/** Largest piece that VERIFY reads at once. */
const VERIFIED = 1 << 20;

function carryOut(image: DiskImage | undefined, request: TakenRequest, parts: readonly Uint8Array[]): DriveResult {
  const { op, offset, bytes, durable } = request;
  if (image === undefined) {
    if (op === 'read') zeroes(parts);
    return 'no-medium';
  }
  if (offset < 0 || offset + bytes > image.bytes) return 'range';
  if ((op === 'write' || op === 'discard') && image.readonly) return 'read-only';
  switch (op) {
    case 'read':
      image.read(offset, parts);
      break;
    case 'write':
      image.write(offset, parts);
      if (durable) image.flush();
      break;
    case 'flush':
      if (!image.readonly) image.flush();
      break;
    case 'discard':
      image.discard(offset, bytes);
      break;
    case 'verify': {
      const buffer = new Uint8Array(Math.min(bytes, VERIFIED));
      for (let at = 0; at < bytes; at += buffer.length)
        image.read(offset + at, [buffer.subarray(0, Math.min(buffer.length, bytes - at))]);
    }
  }
  return 'done';
}

function asEngineError(failure: unknown): EngineError {
  if (failure instanceof EngineError) return failure;
  return new EngineError('internal', { reason: failure instanceof Error ? (failure.stack ?? failure.message) : String(failure) });
}
