/**
 * The whole VMCS of each exit that somebody records: what changed since the exit before, in a ring of words for each vCPU, and everything
 * again every few hundred exits. Nothing is written, nor looked at, while nobody records.
 */
import { assert } from '../../base/index.ts';
import type { MachineMemory } from '../../memory/index.ts';

/** Words of one vCPU's ring, a power of two. */
const RING_WORDS = 1 << 17;
/** Records from one whole image to the next. */
const WHOLE_EVERY = 256;
/** A record: words in all, 1 for a whole image, machine nanoseconds as two halves of a double; then pairs of place and value. */
const HEAD = 4;
/** Shared words of a vCPU: end of what is written, end of what is being written, where the last whole image begins. */
const PLACE = { end: 0, claimed: 1, whole: 2 } as const;
const PLACE_WORDS = 16;

/** Words of 32 bits: those of a VMCS region that say something, in the source's order, then the physical address of the region. */
export type ExitImage = Uint32Array;

/** Where a vCPU's VMCS stands as it is now. */
export interface ImageSource {
  /** Indices in the region of the words of an image but the last one. */
  readonly words: readonly number[];
  /** Byte address of the region, whose every field is up to date. On the vCPU's own thread. */
  region(vcpu: number): number;
}

interface Writer {
  readonly image: ExitImage;
  session: number;
  /** Records since the last whole image. */
  since: number;
}

interface Written {
  readonly writer: Writer;
  readonly whole: boolean;
  readonly time: number;
  readonly region: number;
  readonly words: readonly number[];
}

export class ExitImages {
  /** The back end's, where it has VMCSs. */
  source: ImageSource | undefined;
  readonly #words: Int32Array;
  readonly #time = new Float64Array(1);
  readonly #halves = new Int32Array(this.#time.buffer);
  readonly #session: number;
  readonly #places: number;
  readonly #rings: number;
  readonly #writers = new Map<number, Writer>();

  /** Takes its place from the arena: every thread does so at the same point. */
  constructor({ arena, views, vcpus }: MachineMemory) {
    this.#words = views.i32;
    const places = arena.take('exit-images', 64 + 4 * PLACE_WORDS * vcpus, 64) >>> 2;
    this.#session = places;
    this.#places = places + 16;
    this.#rings = arena.take('exit-image-rings', 4 * RING_WORDS * vcpus, 4096) >>> 2;
  }

  /** From now on exits are kept, or no longer. The one who keeps account of recordings calls it. */
  record(on: boolean): void {
    const before = Atomics.load(this.#words, this.#session);
    // Odd while somebody records; each time a new number, so that writers begin with a whole image.
    if ((before & 1) === (on ? 1 : 0)) return;
    Atomics.store(this.#words, this.#session, (before + 1) & 0x7fffffff);
  }

  get recording(): boolean {
    return ((this.#words[this.#session] as number) & 1) === 1;
  }

  /** An exit that is recorded as an event at this moment. On the vCPU's own thread. */
  write(vcpu: number, time: number): void {
    const { source } = this;
    const session = this.#words[this.#session] as number;
    if (source === undefined || (session & 1) === 0) return;
    let writer = this.#writers.get(vcpu);
    if (writer === undefined) {
      writer = { image: new Uint32Array(source.words.length + 1), session: 0, since: 0 };
      this.#writers.set(vcpu, writer);
    }
    const whole = writer.session !== session || writer.since >= WHOLE_EVERY;
    writer.session = session;
    writer.since = whole ? 1 : writer.since + 1;
    this.#put(vcpu, { writer, whole, time, region: source.region(vcpu), words: source.words });
  }

  #put(vcpu: number, { writer: { image }, whole, time, region, words }: Written): void {
    const memory = this.#words;
    const place = this.#places + vcpu * PLACE_WORDS;
    const ring = this.#rings + vcpu * RING_WORDS;
    const start = memory[place + PLACE.end] as number;
    Atomics.store(memory, place + PLACE.claimed, (start + HEAD + 2 * image.length) | 0);
    if (whole) image.fill(0);
    let at = start + HEAD;
    const from = region >>> 2;
    for (let i = 0; i < image.length; i++) {
      const value = (i === words.length ? region : (memory[from + (words[i] as number)] as number)) >>> 0;
      if (image[i] === value) continue;
      image[i] = value;
      memory[ring + (at++ & (RING_WORDS - 1))] = i;
      memory[ring + (at++ & (RING_WORDS - 1))] = value | 0;
    }
    this.#time[0] = time;
    const head = [at - start, whole ? 1 : 0, this.#halves[0] as number, this.#halves[1] as number];
    for (let i = 0; i < HEAD; i++) memory[ring + ((start + i) & (RING_WORDS - 1))] = head[i] as number;
    if (whole) Atomics.store(memory, place + PLACE.whole, start | 0);
    Atomics.store(memory, place + PLACE.end, at | 0);
  }

  /** A reader of a vCPU's ring, from here on. */
  reader(vcpu: number): ExitImageReader {
    return new ExitImageReader(this.#words, this.#places + vcpu * PLACE_WORDS, this.#rings + vcpu * RING_WORDS);
  }
}

/** Whole records in their order; `lost`: some before them were overwritten, and the first one is a whole image. */
export interface ReadImages {
  readonly words: Int32Array;
  readonly lost: boolean;
}

export class ExitImageReader {
  readonly #words: Int32Array;
  readonly #place: number;
  readonly #ring: number;
  #next: number;
  #isLost = false;

  constructor(words: Int32Array, place: number, ring: number) {
    this.#words = words;
    this.#place = place;
    this.#ring = ring;
    this.#next = Atomics.load(words, place + PLACE.end);
  }

  /** What was written since the last call. */
  read(): ReadImages {
    const words = this.#words;
    const end = Atomics.load(words, this.#place + PLACE.end);
    let from = this.#next;
    let lost = this.#isLost;
    if (((Atomics.load(words, this.#place + PLACE.claimed) - from) | 0) > RING_WORDS) {
      from = Atomics.load(words, this.#place + PLACE.whole);
      lost = true;
    }
    const count = (end - from) | 0;
    const copy = new Int32Array(Math.max(0, count));
    for (let i = 0; i < count; i++) copy[i] = words[this.#ring + ((from + i) & (RING_WORDS - 1))] as number;
    // The writer may have come round while words were copied.
    if (((Atomics.load(words, this.#place + PLACE.claimed) - from) | 0) > RING_WORDS) {
      this.#next = Atomics.load(words, this.#place + PLACE.whole);
      this.#isLost = true;
      return { words: new Int32Array(0), lost: true };
    }
    this.#next = end;
    this.#isLost = false;
    return { words: copy, lost };
  }
}

/** Where a record ends, whether it is whole, and when it was. */
export function imageHead(
  words: Int32Array,
  at: number,
): { readonly end: number; readonly whole: boolean; readonly time: number } {
  const length = words[at] as number;
  assert(length >= HEAD, 'a record has its head');
  const time = new Float64Array(new Int32Array([words[at + 2] as number, words[at + 3] as number]).buffer)[0] as number;
  return { end: at + length, whole: words[at + 1] === 1, time };
}

/** Carry a record out on the image before it. */
export function applyImage(words: Int32Array, at: number, image: ExitImage): void {
  const { end, whole } = imageHead(words, at);
  if (whole) image.fill(0);
  for (let i = at + HEAD; i < end; i += 2) image[words[i] as number] = (words[i + 1] as number) >>> 0;
}
