/**
 * Drives between the threads of a machine: controllers, on every thread, submit; the I/O thread, which alone has the files open, serves.
 * They meet in one block of shared memory for each drive, written under the machine lock; a doorbell word wakes the I/O thread. Nothing
 * in it is saved: the controller that waits submits again after a restore.
 */
import { Lock } from '../../base/index.ts';
import { type DriveLine, type DriveMedium, type DriveRequest, MAXIMUM_RANGES } from '../../devices/drive.ts';
import type { MachineMemory } from '../../memory/index.ts';
import { EXTENTS_BYTES, Extents, type FilePlace } from './extents.ts';
import { DriveLane, laneBytes } from './lane.ts';

/** One drive of a machine as it was built. */
export interface DriveSpec {
  readonly kind: DriveLine['kind'];
  readonly serial: string;
  /** What a person calls it; the serial number when absent. */
  readonly title?: string;
}

/** i32 words of the medium; its size as f64 lies between. */
const Medium = { Present: 0, Readonly: 1, Changes: 2, Eject: 3, InUse: 6, Trust: 7 } as const;
const MEDIUM_SIZE_AT = 16;
const MEDIUM_BYTES = 64;

/**
 * Longest that a request may take to be a quick one: a transfer between guest memory and the host's, in ns and ns a byte, and some. What
 * has to wait for a disk takes longer, and then it is no matter what a thread's wake-up costs.
 */
const QUICK = { ns: 250_000, perByte: 1 } as const;
/**
 * Whether threads carry out their own requests: while this is above 0. Each quick request adds 1, each slow one takes away more; a single
 * one says nothing, for a busy host takes a thread its processor away now and then.
 */
const TRUST = { first: 0, most: 16, least: -64, slow: 8 } as const;

/** A thread's way to carry out its own requests. */
export interface Claims {
  /** Whether this thread takes what it has just submitted. Under the machine lock. */
  claim(drive: Drive, lane: DriveLane, what: { readonly ticket: number; readonly request: DriveRequest }): boolean;
}

interface DriveParts {
  readonly name: string;
  doorbell(): void;
  readonly claims: Claims | undefined;
}

/** One drive, as one thread sees it. */
export class Drive {
  readonly kind: DriveLine['kind'];
  readonly serial: string;
  readonly title: string;
  /** The controller's place and the BIOS's. */
  readonly lanes: readonly [DriveLane, DriveLane];
  readonly #words: Int32Array;
  readonly #bytes: Float64Array;
  readonly extents: Extents;
  /** Held by whoever carries out a request, so that one follows the other. Taken before the machine lock; under that, only tried. */
  readonly inUse: Lock;
  readonly #doorbell: () => void;

  constructor(memory: MachineMemory, spec: DriveSpec, { name, doorbell, claims }: DriveParts) {
    this.kind = spec.kind;
    this.serial = spec.serial;
    this.title = spec.title ?? spec.serial;
    this.#doorbell = doorbell;
    const { arena, views } = memory;
    const at = arena.take(`${name}.medium`, MEDIUM_BYTES, 64);
    this.#words = new Int32Array(views.buffer as ArrayBuffer, at, MEDIUM_BYTES / 4);
    this.#bytes = new Float64Array(views.buffer as ArrayBuffer, at + MEDIUM_SIZE_AT, 1);
    const runs = arena.take(`${name}.extents`, EXTENTS_BYTES, 64);
    this.extents = new Extents(new Float64Array(views.buffer as ArrayBuffer, runs, EXTENTS_BYTES / 8));
    this.inUse = new Lock(this.#words, Medium.InUse);
    const lane = (which: string, ranges: number): DriveLane => {
      const claim = (ticket: number, request: DriveRequest): boolean => claims?.claim(this, made, { ticket, request }) === true;
      const made = new DriveLane(memory, arena.take(`${name}.${which}`, laneBytes(ranges), 64), { ranges, doorbell, claim });
      return made;
    };
    this.lanes = [lane('controller', spec.kind === 'floppy' ? 2 : MAXIMUM_RANGES), lane('bios', 1)];
  }

  medium(): DriveMedium {
    return {
      present: this.#words[Medium.Present] === 1,
      bytes: this.#bytes[0] as number,
      readonly: this.#words[Medium.Readonly] === 1,
    };
  }

  changes(): number {
    return (this.#words[Medium.Changes] as number) >>> 0;
  }

  /** I/O thread, under the lock: what the drive holds from now on; undefined empties it. */
  insert(medium: Omit<DriveMedium, 'present'> | undefined): void {
    this.extents.clear();
    this.#words[Medium.Trust] = TRUST.first;
    this.#words[Medium.Present] = medium ? 1 : 0;
    this.#words[Medium.Readonly] = medium?.readonly ? 1 : 0;
    this.#words[Medium.Changes] = (this.#words[Medium.Changes] as number) + 1;
    this.#words[Medium.Eject] = 0;
    this.#bytes[0] = medium?.bytes ?? 0;
  }

  /** No thread uses the medium's files but the I/O thread, from now on. */
  keepOut(): void {
    this.#words[Medium.Trust] = TRUST.least;
    this.extents.clear();
  }

  /** The guest opens the tray: the medium is out at once, the I/O thread closes the file. */
  eject(): void {
    if (this.#words[Medium.Present] === 0) return;
    this.insert(undefined);
    this.#words[Medium.Eject] = 1;
    this.#doorbell();
  }

  /** Whether the guest has ejected since the last `insert`. */
  get ejected(): boolean {
    return this.#words[Medium.Eject] === 1;
  }

  /** May whoever asks expect a quick end? Under the machine lock. */
  get isQuick(): boolean {
    return (this.#words[Medium.Trust] as number) > 0;
  }

  /** Where bytes of the medium are in a file, as far as that is known. By whoever has the drive in use, under the machine lock. */
  placeOf(op: 'read' | 'write', offset: number, bytes: number): FilePlace | undefined {
    const { present, readonly, bytes: size } = this.medium();
    if (!present || offset < 0 || offset + bytes > size || (op === 'write' && readonly)) return undefined;
    return this.extents.find(op, offset, bytes);
  }

  /** How long a request took, in ns. By whoever has the drive in use. */
  took(bytes: number, ns: number): void {
    const words = this.#words;
    const slow = ns > QUICK.ns + bytes * QUICK.perByte;
    const trust = (words[Medium.Trust] as number) + (slow ? -TRUST.slow : 1);
    words[Medium.Trust] = Math.max(TRUST.least, Math.min(TRUST.most, trust));
  }

  /** As the controller sees it. */
  line(): DriveLine {
    const [lane] = this.lanes;
    return {
      kind: this.kind,
      serial: this.serial,
      medium: () => this.medium(),
      changes: () => this.changes(),
      submit: (request) => lane.submit(request),
      cancel: () => lane.cancel(),
      onDone: (listener) => lane.onDone(listener),
      eject: () => this.eject(),
    };
  }
}

/** All drives of a machine: 0 to 3 at the IDE channels, 4 and 5 at the floppy controller, then the file behind the firmware's flash. */
export const IDE_DRIVES = 4;
export const VARIABLES_DRIVE = 6;
export const DRIVES = 7;

export interface DriveBay {
  readonly drives: readonly (Drive | undefined)[];
  /** A word that changes with every request: what the I/O thread waits on. */
  readonly doorbell: { readonly words: Int32Array; readonly index: number };
}

/** Every thread makes the bay at the same point, with the same drives. */
export function createDriveBay(memory: MachineMemory, specs: readonly (DriveSpec | undefined)[], claims?: Claims): DriveBay {
  const index = memory.arena.take('drives.doorbell', 4, 64) >>> 2;
  const words = memory.i32;
  const doorbell = () => {
    Atomics.add(words, index, 1);
    Atomics.notify(words, index);
  };
  const drives = Array.from({ length: DRIVES }, (_, d) => {
    const spec = specs[d];
    return spec && new Drive(memory, spec, { name: `drive${d}`, doorbell, claims });
  });
  return { drives, doorbell: { words, index } };
}
