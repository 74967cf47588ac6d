/**
 * One submitter's place at a drive, in shared memory: a controller, on any thread, submits; the I/O thread takes the request, or the
 * thread that submits claims it.
 */
import type { DriveBuffers, DriveRequest, DriveResult, GuestRange } from '../../devices/drive.ts';
import type { MachineMemory } from '../../memory/index.ts';

const OPS = ['read', 'write', 'flush', 'discard', 'verify'] as const;

/** i32 words of a lane. */
const Lane = { Waiting: 0, Ticket: 1, Op: 2, Ranges: 3, Durable: 4, Direct: 5 } as const;
/** f64 words of a lane, behind 32 bytes of the above: offset, bytes, then ranges. */
const [OFFSET, BYTES, FIRST] = [0, 1, 2];
const LANE_HEAD = 32;
export const laneBytes = (ranges: number) => LANE_HEAD + 8 * (FIRST + 2 * ranges);

/** A request that the I/O thread has taken. */
export interface TakenRequest extends DriveRequest {
  readonly ticket: number;
  readonly buffers: DriveBuffers;
}

/** Values of the first word. */
const Waiting = {
  Nothing: 0,
  /** For the I/O thread. */
  Submitted: 1,
  /** The thread that submitted carries it out. */
  Claimed: 2,
} as const;

export interface LaneParts {
  /** Most ranges of a request. */
  readonly ranges: number;
  /** Wakes the I/O thread. */
  doorbell(): void;
  /** Whether this thread takes what it has just submitted. */
  claim(ticket: number, request: DriveRequest): boolean;
}

/** Everything here is called under the machine lock, unless it says otherwise. */
export class DriveLane {
  readonly #memory: MachineMemory;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #parts: LaneParts;
  #listener: (result: DriveResult) => void = () => undefined;

  constructor(memory: MachineMemory, at: number, parts: LaneParts) {
    this.#memory = memory;
    this.#words = new Int32Array(memory.views.buffer as ArrayBuffer, at, LANE_HEAD / 4);
    this.#numbers = new Float64Array(memory.views.buffer as ArrayBuffer, at + LANE_HEAD, FIRST + 2 * parts.ranges);
    this.#parts = parts;
  }

  submit(request: DriveRequest): void {
    const { op, offset, bytes, buffers = [], durable = false } = request;
    const [words, numbers] = [this.#words, this.#numbers];
    const ticket = ((words[Lane.Ticket] as number) + 1) | 0;
    words[Lane.Ticket] = ticket;
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
    if (this.#parts.claim(ticket, request)) {
      Atomics.store(words, Lane.Waiting, Waiting.Claimed);
      return;
    }
    Atomics.store(words, Lane.Waiting, Waiting.Submitted);
    this.#parts.doorbell();
  }

  /** Whoever claimed a request leaves it to the I/O thread after all. */
  handOver(ticket: number): void {
    if (!this.#isUnderWay(ticket)) return;
    Atomics.store(this.#words, Lane.Waiting, Waiting.Submitted);
    this.#parts.doorbell();
  }

  cancel(): void {
    Atomics.store(this.#words, Lane.Waiting, Waiting.Nothing);
    this.#words[Lane.Ticket] = (this.#words[Lane.Ticket] as number) + 1;
  }

  onDone(listener: (result: DriveResult) => void): void {
    this.#listener = listener;
  }

  /** Whether a request waits for the I/O thread; true until it is done or cancelled. Needs no lock. */
  get waiting(): boolean {
    return Atomics.load(this.#words, Lane.Waiting) === Waiting.Submitted;
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
      buffers: direct ?? ranges,
    };
  }

  /** The controller hears of the end, unless it has given the request up meanwhile. */
  complete(ticket: number, result: DriveResult): void {
    if (!this.#isUnderWay(ticket)) return;
    Atomics.store(this.#words, Lane.Waiting, Waiting.Nothing);
    this.#listener(result);
  }

  #isUnderWay(ticket: number): boolean {
    return Atomics.load(this.#words, Lane.Waiting) !== Waiting.Nothing && this.#words[Lane.Ticket] === ticket;
  }
}

/** Where a request's bytes are in this thread's view of the machine's memory; what is no memory goes to scratch. Without the lock, too. */
export function partsOf({ dma }: MachineMemory, { op, buffers = [] }: Pick<DriveRequest, 'op' | 'buffers'>): Uint8Array[] {
  if (buffers instanceof Uint8Array) return [buffers];
  const parts: Uint8Array[] = [];
  for (const { gpa, bytes } of buffers) dma.inPlace(gpa, bytes, { write: op === 'read', parts });
  return parts;
}
