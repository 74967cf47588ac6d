/**
 * A drive's far side as its controller sees it: a medium, and one request at a time to whoever serves it. The controller never waits: it
 * submits, and hears later under the machine lock, on any thread. The request in flight is the controller's state, submitted again after
 * a restore.
 */
import { definePort } from './ports.ts';

export interface DriveMedium {
  /** False: the drive is empty, and everything else means nothing. */
  readonly present: boolean;
  /** Bytes, whole sectors of 512. */
  readonly bytes: number;
  readonly readonly: boolean;
}

/** A run of guest-physical addresses. */
export interface GuestRange {
  readonly gpa: number;
  readonly bytes: number;
}

/** Where the bytes of a request are: in guest memory, in order; or in the controller's own buffer in the machine's memory. */
export type DriveBuffers = readonly GuestRange[] | Uint8Array;

export interface DriveRequest {
  /** `discard`: the content of the range may be forgotten and reads as zeros afterwards where the image can say so. */
  readonly op: 'read' | 'write' | 'flush' | 'discard' | 'verify';
  /** Bytes from the medium's start. 0 for a flush. */
  readonly offset: number;
  /** Bytes; as many as the buffers have, for a read or a write. */
  readonly bytes: number;
  readonly buffers?: DriveBuffers;
  /** The bytes are on stable storage before the request is done. */
  readonly durable?: boolean;
}

/** `failed`: a sector that the host cannot give or take. */
export type DriveResult = 'done' | 'failed' | 'no-medium' | 'range' | 'read-only';

export interface DriveLine {
  readonly kind: 'disk' | 'cdrom' | 'floppy';
  /** 1 to 20 printable ASCII characters. */
  readonly serial: string;
  medium(): DriveMedium;
  /** Counts media put in and taken out, modulo 2^32. */
  changes(): number;
  /** Begin a request; the one under way, if any, is cancelled first. */
  submit(request: DriveRequest): void;
  /** The result of the request under way is not wanted; its effects may or may not happen. */
  cancel(): void;
  /** Called once, by the controller, when it is made. */
  onDone(listener: (result: DriveResult) => void): void;
  /** Take the medium out (the file is closed). Empty drives stay empty. */
  eject(): void;
}

/** The drives of a controller by number; absent entries are unconnected. */
export const driveLines = definePort<readonly (DriveLine | undefined)[]>('drive-lines', () => []);

/** Most ranges of one request: a table of region descriptors of 64 KiB (SFF-8038i). */
export const MAXIMUM_RANGES = 8192;
