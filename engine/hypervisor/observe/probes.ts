/**
 * Probes: what happened, when, on which vCPU, written into a ring of the vCPU while somebody listens. While nobody does, a probe costs
 * one load and a branch.
 */
import { assert } from '../../base/index.ts';
import type { MachineMemory } from '../../memory/index.ts';
import type { FieldReader, Happening } from './event-names.ts';
import type { ExitImages } from './exit-images.ts';
import type { Listeners } from './listeners.ts';
import { PROBE, PROBES, type Probe, type ProbeArguments, type ProbeName } from './probe-table.ts';

/** Records of one ring, a power of two: 8 ms of half a million exits a second, twice. */
const RECORDS = 8192;
/** Most VMCS fields that records carry beside their arguments. */
const MAXIMUM_FIELDS = 8;
const ARGUMENTS = 4;
const WORDS = ARGUMENTS + MAXIMUM_FIELDS;
/** A record: u32 sequence, u32 probe, i32 vCPU (-1: none), u32 fields read and from bit 8 places of listeners, f64 machine ns, then words of 64 bits. */
const RECORD = { sequence: 0, probe: 1, vcpu: 2, fields: 3, time: 4, words: 6 } as const;
const RECORD_BYTES = 128;
const RECORD_CELLS = RECORD_BYTES / 4;

assert(RECORD.words * 4 + WORDS * 8 <= RECORD_BYTES, 'a record has room for its words');
assert(
  PROBES.every(({ args }) => args.length <= ARGUMENTS),
  'a probe has at most four arguments',
);

/** One event as a listener gets it. */
export interface ProbeEvent extends Happening {
  /** Values of the fields asked for, in their order; none where there is no VMCS. */
  readonly fields: readonly bigint[];
  /** Bits of the places of listeners that want it. */
  readonly listeners: number;
}

/**
 * One ring per vCPU, written by the thread that runs it, and one written under the machine lock on behalf of no vCPU. A writer never
 * waits: the oldest record goes, and each reader counts what it missed. A record is valid while its sequence number is its position
 * plus one; readers look before and after they copy.
 */
export class Probes {
  readonly #listeners: Listeners;
  readonly #images: ExitImages;
  #fieldReader: FieldReader = () => undefined;
  /** What a probe reads for its listeners is no event itself. */
  #firing = false;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #clock: { now(): number };
  readonly #vcpus: number;
  /** Indices of 32-bit words: masks (one per vCPU, then that of no vCPU), number of fields, fields, positions of rings. */
  readonly #masks: number;
  readonly #fields: number;
  readonly #positions: number;
  readonly #rings: number;

  /** Sees every event of this thread before listeners do. What it wants must be enabled. */
  watcher: ((event: Happening) => void) | undefined;

  /** Takes its place from the arena: every thread does so at the same point. */
  constructor({ arena, views, vcpus, clock }: MachineMemory, listeners: Listeners, images: ExitImages) {
    this.#listeners = listeners;
    this.#images = images;
    this.#words = views.i32;
    this.#floats = new Float64Array(views.buffer as ArrayBuffer, 0, Math.floor(views.buffer.byteLength / 8));
    this.#clock = clock;
    this.#vcpus = vcpus;
    this.#masks = arena.take('probe-masks', 4 * (vcpus + 1), 64) >>> 2;
    this.#fields = arena.take('probe-fields', 4 * (1 + MAXIMUM_FIELDS), 64) >>> 2;
    // Positions stand apart from each other: every writer has a cache line of its own.
    this.#positions = arena.take('probe-positions', 64 * (vcpus + 1), 64) >>> 2;
    this.#rings = arena.take('probe-rings', RECORD_BYTES * RECORDS * (vcpus + 1), 4096) >>> 2;
  }

  /** The back end's, where it has VMCSs. Called on the vCPU's own thread. */
  set fieldReader(read: FieldReader) {
    this.#fieldReader = read;
    this.#listeners.readField = read;
  }

  /** Does somebody listen (to one of them)? Ask before arguments are put together. */
  on(vcpu: number, probe: Pick<Probe, 'bit'>): boolean {
    return ((this.#words[this.#masks + (vcpu < 0 ? this.#vcpus : vcpu)] as number) & probe.bit) !== 0;
  }

  /** Record an event. `vcpu` is the vCPU this thread runs; -1 under the machine lock, on behalf of no vCPU. Arguments are unsigned. */
  fire<N extends ProbeName>(vcpu: number, name: N, args: ProbeArguments<N>): void {
    if (this.#firing) return;
    this.#firing = true;
    try {
      const probe = PROBE[name];
      const values = probe.args.map((arg) => BigInt.asUintN(64, BigInt(args[arg as keyof typeof args])));
      const event = { probe, vcpu, time: this.#clock.now(), args: values };
      this.watcher?.(event);
      const listeners = this.#listeners.hear(event);
      if (listeners === 0) return;
      if (probe === PROBE.exit && this.#images.recording) this.#images.write(vcpu, event.time);
      this.#write(event, listeners);
    } finally {
      this.#firing = false;
    }
  }

  /** Which probes fire for a vCPU (-1: for none): bits of `Probe.bit`. For the one who keeps account of all listeners. */
  enable(vcpu: number, mask: number): void {
    Atomics.store(this.#words, this.#masks + (vcpu < 0 ? this.#vcpus : vcpu), mask);
  }

  /** Encodings of the VMCS fields that records carry, at most `MAXIMUM_FIELDS`. */
  captureFields(encodings: readonly number[]): void {
    assert(encodings.length <= MAXIMUM_FIELDS, `records carry at most ${MAXIMUM_FIELDS} fields`);
    Atomics.store(this.#words, this.#fields, 0);
    for (const [i, encoding] of encodings.entries()) Atomics.store(this.#words, this.#fields + 1 + i, encoding);
    Atomics.store(this.#words, this.#fields, encodings.length);
  }

  /** A reader of a vCPU's ring (-1: of no vCPU), from here on. */
  reader(vcpu: number): ProbeReader {
    const ring = vcpu < 0 ? this.#vcpus : vcpu;
    const place = this.#positions + ring * 16;
    return new ProbeReader({
      words: this.#words,
      floats: this.#floats,
      place,
      record: (position) => this.#record(ring, position),
    });
  }

  #write({ probe, vcpu, time, args }: Happening, listeners: number): void {
    const ring = vcpu < 0 ? this.#vcpus : vcpu;
    const words = this.#words;
    const place = this.#positions + ring * 16;
    const position = words[place] as number;
    const at = this.#record(ring, position);
    // Whoever copies the old record now finds out.
    Atomics.store(words, at + RECORD.sequence, 0);
    words[at + RECORD.probe] = probe.id;
    words[at + RECORD.vcpu] = vcpu;
    this.#floats[(at + RECORD.time) >>> 1] = time;
    for (const [i, arg] of args.entries()) this.#put(at + RECORD.words + 2 * i, arg);
    words[at + RECORD.fields] = (vcpu < 0 ? 0 : this.#captureFields(vcpu, at)) | (listeners << 8);
    Atomics.store(words, at + RECORD.sequence, (position + 1) | 0);
    Atomics.store(words, place, (position + 1) | 0);
    // A sleeping reader is woken in time for what it has not read yet.
    if (((position + 1) & (RECORDS / 4 - 1)) === 0) Atomics.notify(words, place);
  }

  #record(ring: number, position: number): number {
    return this.#rings + (ring * RECORDS + (position & (RECORDS - 1))) * RECORD_CELLS;
  }

  #put(at: number, value: bigint): void {
    this.#words[at] = Number(BigInt.asIntN(32, value));
    this.#words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }

  #captureFields(vcpu: number, at: number): number {
    const count = this.#words[this.#fields] as number;
    for (let i = 0; i < count; i++) {
      const value = this.#fieldReader(vcpu, this.#words[this.#fields + 1 + i] as number);
      if (value === undefined) return 0;
      this.#put(at + RECORD.words + 2 * (ARGUMENTS + i), value);
    }
    return count;
  }
}

interface ReaderPlace {
  readonly words: Int32Array;
  readonly floats: Float64Array;
  /** Index of the ring's position. */
  readonly place: number;
  record(position: number): number;
}

/** One listener's way through a ring, on any thread. */
export class ProbeReader {
  readonly #p: ReaderPlace;
  #next: number;

  constructor(place: ReaderPlace) {
    this.#p = place;
    this.#next = Atomics.load(place.words, place.place);
  }

  /** Events since the last call, at most `limit`, oldest first, and how many were overwritten before they could be read. */
  read(limit: number): { readonly events: readonly ProbeEvent[]; readonly dropped: number } {
    const events: ProbeEvent[] = [];
    let dropped = 0;
    while (events.length < limit) {
      const behind = (Atomics.load(this.#p.words, this.#p.place) - this.#next) | 0;
      if (behind <= 0) break;
      const lost = behind - RECORDS;
      if (lost > 0) {
        dropped += lost;
        this.#next = (this.#next + lost) | 0;
      }
      const event = this.#copy();
      if (event === undefined) dropped++;
      else events.push(event);
      this.#next = (this.#next + 1) | 0;
    }
    return { events, dropped };
  }

  /** Resolves when a good part of the ring has been written anew since the last call, or after `milliseconds`. */
  async ready(milliseconds: number): Promise<void> {
    const { words, place } = this.#p;
    const waited = Atomics.waitAsync(words as Int32Array<SharedArrayBuffer>, place, Atomics.load(words, place), milliseconds);
    if (waited.async) await waited.value;
  }

  /** The record at `#next`, unless its writer was there meanwhile. */
  #copy(): ProbeEvent | undefined {
    const { words, floats } = this.#p;
    const at = this.#p.record(this.#next);
    const sequence = (this.#next + 1) | 0;
    if (Atomics.load(words, at + RECORD.sequence) !== sequence) return undefined;
    const probe = PROBES[words[at + RECORD.probe] as number];
    const vcpu = words[at + RECORD.vcpu] as number;
    const time = floats[(at + RECORD.time) >>> 1] as number;
    const about = words[at + RECORD.fields] as number;
    const count = Math.min(MAXIMUM_FIELDS, about & 0xff);
    const word = (i: number): bigint => {
      const low = BigInt((words[at + RECORD.words + 2 * i] as number) >>> 0);
      return low | (BigInt((words[at + RECORD.words + 2 * i + 1] as number) >>> 0) << 32n);
    };
    const args = probe?.args.map((_, i) => word(i)) ?? [];
    const fields = Array.from({ length: count }, (_, i) => word(ARGUMENTS + i));
    if (Atomics.load(words, at + RECORD.sequence) !== sequence || probe === undefined) return undefined;
    return { probe, vcpu, time, args, fields, listeners: (about >>> 8) & 0xff };
  }
}
