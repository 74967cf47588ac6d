/**
 * Requests that the thread which submits them carries out itself, where the bytes lie in a file in a row and the host answers from its memory:
 * that costs the copy, without waking the I/O thread and being woken by it. It happens after the machine lock is released, at a safe point
 * of the vCPU that submitted. What could wait goes to the I/O thread: flushes, durable writes, long transfers, a drive whose requests took
 * long lately, and whatever fails here, which the I/O thread does again and tells.
 */
import type { HostNow } from '../../base/index.ts';
import type { DriveRequest, DriveResult } from '../../devices/drive.ts';
import type { MachineMemory } from '../../memory/index.ts';
import type { FilePlace } from './extents.ts';
import { type DriveLane, partsOf } from './lane.ts';
import type { Claims, Drive } from './queue.ts';

/** Files of the host by the handles that the I/O thread made known, from another thread of the process. Nothing here throws. */
export interface DirectFiles {
  /** True when every buffer was filled from the file's bytes from `at` on. */
  read(handle: number, at: number, into: readonly Uint8Array[]): boolean;
  /** True when every buffer was written. */
  write(handle: number, at: number, from: readonly Uint8Array[]): boolean;
}

export interface DirectParts {
  readonly files: DirectFiles;
  readonly now: HostNow;
  /** A request was carried out. Under the machine lock. */
  onDone?(op: DriveRequest['op'], bytes: number, result: DriveResult): void;
}

/** Longest transfer in bytes: as much as a guest may find its vCPU away for. */
const MOST = 1 << 20;

interface Claimed {
  readonly drive: Drive;
  readonly lane: DriveLane;
  readonly ticket: number;
  readonly request: DriveRequest;
  readonly place: FilePlace;
  readonly parts: readonly Uint8Array[];
}

export class DirectDrives implements Claims {
  readonly #memory: MachineMemory;
  readonly #o: DirectParts;
  #claimed: Claimed | undefined;
  #serving = false;
  /** The first request takes as long as this thread takes to learn how: it says nothing of the drive. */
  #learned = false;

  constructor(memory: MachineMemory, parts: DirectParts) {
    this.#memory = memory;
    this.#o = parts;
  }

  /** Whether this thread takes a request, which `serve` then carries out. Under the machine lock; the drive is held from now on. */
  claim(drive: Drive, lane: DriveLane, { ticket, request }: Pick<Claimed, 'ticket' | 'request'>): boolean {
    const { op, offset, bytes, durable } = request;
    if (this.#claimed || (op !== 'read' && op !== 'write') || durable === true || bytes > MOST) return false;
    if (!drive.isQuick || !drive.inUse.tryAcquire()) return false;
    const place = drive.placeOf(op, offset, bytes);
    if (place === undefined) {
      drive.inUse.release();
      return false;
    }
    const parts = partsOf(this.#memory, request);
    this.#claimed = { drive, lane, ticket, request, place, parts };
    return true;
  }

  /** Carry out what was claimed. After the machine lock was released. */
  serve(): void {
    // What a request's end starts is taken by the round that runs.
    if (this.#claimed === undefined || this.#serving) return;
    this.#serving = true;
    for (let next: Claimed | undefined = this.#claimed; next !== undefined; next = this.#claimed) {
      this.#claimed = undefined;
      this.#carryOut(next);
    }
    this.#serving = false;
  }

  #carryOut({ drive, lane, ticket, request, place, parts }: Claimed): void {
    const { files, now, onDone } = this.#o;
    const { op, bytes, buffers } = request;
    const { handle, offset } = place;
    const begun = now();
    const moved = op === 'read' ? files.read(handle, offset, parts) : files.write(handle, offset, parts);
    if (this.#learned) drive.took(bytes, now() - begun);
    this.#learned = true;
    drive.inUse.release();
    const { lock, dma } = this.#memory;
    lock.run(() => {
      if (op === 'read' && !(buffers instanceof Uint8Array))
        for (const range of buffers ?? []) dma.touched(range.gpa, range.bytes);
      if (!moved) return lane.handOver(ticket);
      onDone?.(op, bytes, 'done');
      lane.complete(ticket, 'done');
    });
  }
}
