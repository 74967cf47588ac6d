/**
 * Coalesced MMIO and PIO (KVM_REGISTER_COALESCED_MMIO): guest writes that a device lets wait lie in one ring of the machine, in their
 * order, until somebody takes the machine lock. A write costs neither a safe point nor the lock then.
 */
import { Lock } from '../base/index.ts';
import type { Views } from '../state/index.ts';

/** A power of two: what a screen of planar graphics writes between two looks at it. */
const RECORDS = 8192;
/** Words of a record: address low and high, value, shape. */
const RECORD_WORDS = 4;
/** Of a shape: size in the low bits, a port, and the vCPU above. */
const SIZE = 7;
const PORT = 8;
const VCPU_SHIFT = 8;
const HEAD_WORDS = 16;
const [LOCK, WRITTEN, TAKEN] = [0, 1, 2] as const;

export const COALESCED_BYTES = 4 * (HEAD_WORDS + RECORDS * RECORD_WORDS);

export interface CoalescedWrite {
  readonly vcpu: number;
  readonly space: 'port' | 'mmio';
  /** Guest-physical address, or number of the port. */
  readonly at: number;
  readonly size: 1 | 2 | 4;
  readonly value: number;
}

export class CoalescedWrites {
  readonly #i32: Int32Array;
  readonly #at: number;
  readonly #lock: Lock;

  /** `place`: `COALESCED_BYTES` of the machine's memory, zero at first. */
  constructor({ i32 }: Views, place: number) {
    this.#i32 = i32;
    this.#at = place >>> 2;
    this.#lock = new Lock(i32, this.#at + LOCK);
  }

  /** From a vCPU that runs. False: the ring is full, and the write goes to the bus. */
  put({ vcpu, space, at, size, value }: CoalescedWrite): boolean {
    const words = this.#i32;
    this.#lock.acquire();
    const written = words[this.#at + WRITTEN] as number;
    const full = ((written - Atomics.load(words, this.#at + TAKEN)) | 0) >= RECORDS;
    if (!full) {
      const record = this.#record(written);
      words[record] = (at % 2 ** 32) | 0;
      words[record + 1] = Math.floor(at / 2 ** 32);
      words[record + 2] = value | 0;
      words[record + 3] = size | (space === 'port' ? PORT : 0) | (vcpu << VCPU_SHIFT);
      Atomics.store(words, this.#at + WRITTEN, (written + 1) | 0);
    }
    this.#lock.release();
    return !full;
  }

  /** Under the machine lock: does nothing wait? */
  get isEmpty(): boolean {
    return this.#i32[this.#at + TAKEN] === Atomics.load(this.#i32, this.#at + WRITTEN);
  }

  /** Under the machine lock: perform what waits, oldest first. */
  take(write: (written: CoalescedWrite) => void): void {
    const words = this.#i32;
    for (;;) {
      const taken = words[this.#at + TAKEN] as number;
      if (taken === Atomics.load(words, this.#at + WRITTEN)) return;
      const record = this.#record(taken);
      const at = ((words[record] as number) >>> 0) + (words[record + 1] as number) * 2 ** 32;
      const value = (words[record + 2] as number) >>> 0;
      const shape = words[record + 3] as number;
      Atomics.store(words, this.#at + TAKEN, (taken + 1) | 0);
      const space = (shape & PORT) === 0 ? 'mmio' : 'port';
      write({ vcpu: shape >> VCPU_SHIFT, space, at, size: (shape & SIZE) as 1 | 2 | 4, value });
    }
  }

  #record(position: number): number {
    return this.#at + HEAD_WORDS + (position & (RECORDS - 1)) * RECORD_WORDS;
  }
}
