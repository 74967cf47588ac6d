/**
 * Who listens to probes and for what: a few places in shared memory. Every thread judges its own events where they happen, so that what
 * nobody wants neither fills a ring nor wakes a reader.
 */
import type { MachineMemory } from '../../memory/index.ts';
import { compileWhere, type FieldReader, type Happening } from './event-names.ts';
import { readTimes, TIME_CELLS, TimeRecorder, type VcpuTimes } from './times.ts';
import { MAXIMUM_WHERE } from './where.ts';

/** Most listeners at once. */
export const MAXIMUM_LISTENERS = 8;

export interface Listener {
  /** Bits of the probes. */
  readonly mask: number;
  /** An expression that compiles. */
  readonly where?: string | undefined;
  /** Wants times added up instead of events. */
  readonly times: boolean;
}

/** Words of a place: mask (0: nobody), kind, serial number, length of the text; then the text, in units of 16 bits. */
const PLACE = { mask: 0, kind: 1, serial: 2, length: 3, text: 4 } as const;
const PLACE_WORDS = PLACE.text + MAXIMUM_WHERE / 2;
const KIND = { events: 0, times: 1 } as const;

interface Heard {
  readonly mask: number;
  readonly serial: number;
  readonly wanted: (event: Happening) => boolean;
  /** By vCPU; absent: wants events. */
  readonly times?: Map<number, TimeRecorder>;
}

export class Listeners {
  /** The back end's, where it has VMCSs. */
  readField: FieldReader = () => undefined;
  readonly #words: Int32Array;
  readonly #units: Uint16Array;
  readonly #cells: Float64Array;
  readonly #vmcsFields: Readonly<Record<string, number>>;
  readonly #vcpus: number;
  /** Index of the word that counts changes; places follow. */
  readonly #at: number;
  #generation = 0;
  #heard: (Heard | undefined)[] = [];
  #serial = 0;

  /** Takes its place from the arena: every thread does so at the same point. */
  constructor({ arena, views, vcpus }: MachineMemory, vmcsFields: Readonly<Record<string, number>>) {
    this.#words = views.i32;
    this.#units = views.u16;
    this.#vcpus = vcpus;
    this.#vmcsFields = vmcsFields;
    this.#at = arena.take('probe-listeners', 64 + 4 * PLACE_WORDS * MAXIMUM_LISTENERS, 64) >>> 2;
    const bytes = 8 * TIME_CELLS * vcpus * MAXIMUM_LISTENERS;
    this.#cells = new Float64Array(views.buffer as ArrayBuffer, arena.take('probe-times', bytes, 64), bytes / 8);
  }

  // The listening side, one thread.

  /** Begin to listen in a free place, 0 to MAXIMUM_LISTENERS - 1. */
  set(place: number, { mask, where = '', times }: Listener): void {
    for (let vcpu = 0; vcpu < this.#vcpus; vcpu++) this.#timesOf(place, vcpu).fill(0);
    const at = this.#place(place);
    for (let i = 0; i < where.length; i++) this.#units[(at + PLACE.text) * 2 + i] = where.charCodeAt(i);
    Atomics.store(this.#words, at + PLACE.length, where.length);
    Atomics.store(this.#words, at + PLACE.kind, times ? KIND.times : KIND.events);
    Atomics.store(this.#words, at + PLACE.serial, ++this.#serial);
    Atomics.store(this.#words, at + PLACE.mask, mask);
    Atomics.add(this.#words, this.#at, 1);
  }

  clear(place: number): void {
    Atomics.store(this.#words, this.#place(place) + PLACE.mask, 0);
    Atomics.add(this.#words, this.#at, 1);
  }

  /** Times added up for the listener in a place. */
  times(place: number): VcpuTimes[] {
    return Array.from({ length: this.#vcpus }, (_, vcpu) => readTimes(vcpu, this.#timesOf(place, vcpu)));
  }

  // The probes' side, each thread for itself.

  /** Give an event to all who listen. Bits of the places that want it kept; 0: nobody does. */
  hear(event: Happening): number {
    const generation = Atomics.load(this.#words, this.#at);
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#heard = Array.from({ length: MAXIMUM_LISTENERS }, (_, place) => this.#look(place));
    }
    let keep = 0;
    for (let place = 0; place < this.#heard.length; place++) {
      const heard = this.#heard[place];
      if (heard === undefined || (heard.mask & event.probe.bit) === 0) continue;
      if (heard.times !== undefined) this.#recorder(heard, place, event.vcpu)?.feed(event);
      else if (heard.wanted(event)) keep |= 1 << place;
    }
    return keep;
  }

  #look(place: number): Heard | undefined {
    const at = this.#place(place);
    const mask = Atomics.load(this.#words, at + PLACE.mask);
    const serial = Atomics.load(this.#words, at + PLACE.serial);
    const known = this.#heard[place];
    if (mask === 0) return undefined;
    if (known?.serial === serial && known.mask === mask) return known;
    const text = (at + PLACE.text) * 2;
    const length = Math.min(MAXIMUM_WHERE, Atomics.load(this.#words, at + PLACE.length) >>> 0);
    const where = String.fromCharCode(...this.#units.subarray(text, text + length));
    const times = Atomics.load(this.#words, at + PLACE.kind) === KIND.times ? { times: new Map<number, TimeRecorder>() } : {};
    return { mask, serial, wanted: this.#compile(where), ...times };
  }

  #compile(where: string): (event: Happening) => boolean {
    if (where === '') return () => true;
    try {
      return compileWhere(where, this.#vmcsFields, (vcpu, encoding) => this.readField(vcpu, encoding));
    } catch {
      // It was judged before it was put there: its writer is at it again, and will say so.
      return () => false;
    }
  }

  #recorder({ times, wanted }: Heard, place: number, vcpu: number): TimeRecorder | undefined {
    if (times === undefined || vcpu < 0) return undefined;
    const known = times.get(vcpu);
    if (known !== undefined) return known;
    const recorder = new TimeRecorder(this.#timesOf(place, vcpu), wanted);
    times.set(vcpu, recorder);
    return recorder;
  }

  #place(place: number): number {
    return this.#at + 16 + place * PLACE_WORDS;
  }

  #timesOf(place: number, vcpu: number): Float64Array {
    const first = (place * this.#vcpus + vcpu) * TIME_CELLS;
    return this.#cells.subarray(first, first + TIME_CELLS);
  }
}
