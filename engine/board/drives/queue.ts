/**
 * Drives between the threads of a machine: controllers, on every thread, submit; the I/O thread, which alone has the files open, serves.
 * They meet in one block of shared memory for each drive, written under the machine lock; a doorbell word wakes the I/O thread. Nothing
 * in it is saved: the controller that waits submits again after a restore.
 */
import {
  type DriveLine,
  type DriveMedium,
  type DriveRequest,
  type DriveResult,
  type GuestRange,
  MAXIMUM_RANGES,
} from '../../devices/drive.ts';
import type { MachineMemory } from '../../memory/index.ts';

/** One drive of a machine as it was built. */
export interface DriveSpec {
  readonly kind: DriveLine['kind'];
  readonly serial: string;
  /** What a person calls it; the serial number when absent. */
  readonly title?: string;
}

const OPS = ['read', 'write', 'flush', 'discard', 'verify'] as const;

/** i32 words of a lane. */
const Lane = { Waiting: 0, Ticket: 1, Op: 2, Ranges: 3, Durable: 4, Direct: 5 } as const;
/** f64 words of a lane, behind 32 bytes of the above: offset, bytes, then ranges. */
const [OFFSET, BYTES, FIRST] = [0, 1, 2];
const LANE_HEAD = 32;
/** i32 words of the medium, before its size as f64. */
const Medium = { Present: 0, Readonly: 1, Changes: 2, Eject: 3 } as const;
const MEDIUM_BYTES = 32;

const laneBytes = (ranges: number) => LANE_HEAD + 8 * (FIRST + 2 * ranges);

/** A request that the I/O thread has taken. */
export interface TakenRequest extends Omit<DriveRequest, 'buffers'> {
  readonly ticket: number;
  readonly ranges: readonly GuestRange[];
  /** The controller's own buffer, in place of ranges. */
  readonly direct?: Uint8Array;
}

/** One submitter's place at a drive. Everything here is called under the machine lock. */
export class DriveLane {
  readonly #memory: MachineMemory;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #doorbell: () => void;
  #listener: (result: DriveResult) => void = () => undefined;

  constructor(memory: MachineMemory, at: number, { ranges, doorbell }: { readonly ranges: number; doorbell(): void }) {
    this.#memory = memory;
    this.#words = new Int32Array(memory.views.buffer as ArrayBuffer, at, LANE_HEAD / 4);
    this.#numbers = new Float64Array(memory.views.buffer as ArrayBuffer, at + LANE_HEAD, FIRST + 2 * ranges);
    this.#doorbell = doorbell;
  }

  submit({ op, offset, bytes, buffers = [], durable = false }: DriveRequest): void {
    const [words, numbers] = [this.#words, this.#numbers];
    words[Lane.Ticket] = (words[Lane.Ticket] as number) + 1;
    words[Lane.Op] = OPS.indexOf(op);
    words[Lane.Durable] = durable ? 1 : 0;
    numbers[OFFSET] = offset;
    numbers[BYTES] = bytes;
    if (buffers instanceof Uint8Array) {
      words[Lane.Direct] = 1;
      words[Lane.Ranges] = 1;
      numbers[FIRST] = buffers.byteOffset;
      numbers[FIRST + 1] = buffers.length;
    } else {
      words[Lane.Direct] = 0;
      words[Lane.Ranges] = buffers.length;
      let at = FIRST;
      for (const range of buffers) {
        numbers[at++] = range.gpa;
        numbers[at++] = range.bytes;
      }
    }
    Atomics.store(words, Lane.Waiting, 1);
    this.#doorbell();
  }

  cancel(): void {
    Atomics.store(this.#words, Lane.Waiting, 0);
    this.#words[Lane.Ticket] = (this.#words[Lane.Ticket] as number) + 1;
  }

  onDone(listener: (result: DriveResult) => void): void {
    this.#listener = listener;
  }

  /** Whether a request waits; true until it is done or cancelled. Needs no lock. */
  get waiting(): boolean {
    return Atomics.load(this.#words, Lane.Waiting) === 1;
  }

  /** A copy of the request that waits. */
  take(): TakenRequest | undefined {
    const [words, numbers] = [this.#words, this.#numbers];
    if (!this.waiting) return undefined;
    const ranges: GuestRange[] = [];
    for (let i = 0; i < (words[Lane.Ranges] as number); i++) {
      ranges.push({ gpa: numbers[FIRST + 2 * i] as number, bytes: numbers[FIRST + 2 * i + 1] as number });
    }
    const [first] = ranges;
    const direct = words[Lane.Direct] === 1 && first ? this.#memory.u8.subarray(first.gpa, first.gpa + first.bytes) : undefined;
    return {
      ticket: words[Lane.Ticket] as number,
      op: OPS[words[Lane.Op] as number] ?? 'flush',
      offset: numbers[OFFSET] as number,
      bytes: numbers[BYTES] as number,
      durable: words[Lane.Durable] === 1,
      ranges: direct ? [] : ranges,
      ...(direct && { direct }),
    };
  }

  /** The controller hears of the end, unless it has given the request up meanwhile. */
  complete(ticket: number, result: DriveResult): void {
    if (!this.waiting || this.#words[Lane.Ticket] !== ticket) return;
    Atomics.store(this.#words, Lane.Waiting, 0);
    this.#listener(result);
  }
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
  readonly #doorbell: () => void;

  constructor(memory: MachineMemory, spec: DriveSpec, { name, doorbell }: { readonly name: string; doorbell(): void }) {
    this.kind = spec.kind;
    this.serial = spec.serial;
    this.title = spec.title ?? spec.serial;
    this.#doorbell = doorbell;
    const { arena, views } = memory;
    const at = arena.take(`${name}.medium`, MEDIUM_BYTES, 64);
    this.#words = new Int32Array(views.buffer as ArrayBuffer, at, 4);
    this.#bytes = new Float64Array(views.buffer as ArrayBuffer, at + 16, 1);
    const lane = (which: string, ranges: number) =>
      new DriveLane(memory, arena.take(`${name}.${which}`, laneBytes(ranges), 64), { ranges, doorbell });
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
    this.#words[Medium.Present] = medium ? 1 : 0;
    this.#words[Medium.Readonly] = medium?.readonly ? 1 : 0;
    this.#words[Medium.Changes] = (this.#words[Medium.Changes] as number) + 1;
    this.#words[Medium.Eject] = 0;
    this.#bytes[0] = medium?.bytes ?? 0;
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
export function createDriveBay(memory: MachineMemory, specs: readonly (DriveSpec | undefined)[]): DriveBay {
  const index = memory.arena.take('drives.doorbell', 4, 64) >>> 2;
  const words = memory.i32;
  const doorbell = () => {
    Atomics.add(words, index, 1);
    Atomics.notify(words, index);
  };
  const drives = Array.from({ length: DRIVES }, (_, d) => {
    const spec = specs[d];
    return spec && new Drive(memory, spec, { name: `drive${d}`, doorbell });
  });
  return { drives, doorbell: { words, index } };
}
