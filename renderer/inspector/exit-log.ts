/** Exits as they were recorded: columns of numbers, so that a million rows cost tens of megabytes and no garbage. */

/** An event as `machine-trace-read` tells it. */
export interface ExitEvent {
  readonly nanoseconds: number;
  readonly vcpu: number | null;
  readonly args: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, string>>;
}

/** VMCS fields that each recorded exit brings besides the probe's own. */
export const recordedFields = [
  'guestLinearAddress',
  'guestPhysicalAddress',
  'guestCr3',
  'guestRsp',
  'exitInstructionLength',
] as const;
export type RecordedField = (typeof recordedFields)[number];

export interface ExitRow {
  readonly at: number;
  readonly nanoseconds: number;
  readonly vcpu: number;
  readonly reason: string;
  readonly rip: bigint;
  readonly qualification: bigint;
  readonly info: bigint;
  /** Until the next exit of this vCPU, in nanoseconds; absent for the last one. */
  readonly until: number | undefined;
  readonly fields: Readonly<Record<RecordedField, bigint>>;
}

/** Most exits that are kept; older ones go first, a quarter at once. */
const maximumExits = 1 << 20;
const NONE = 0xff;

export class ExitLog {
  /** Reasons by number, in the order in which they were met. */
  readonly reasons: string[] = [];
  readonly #capacity: number;
  #time = new Float64Array(1024);
  #until = new Float32Array(1024);
  #vcpu = new Uint8Array(1024);
  #reason = new Uint8Array(1024);
  #words = new BigUint64Array(1024 * WORDS);
  #length = 0;
  /** Exits that were recorded and forgotten since. */
  forgotten = 0;
  readonly #numbers = new Map<string, number>();
  /** The last exit of each vCPU. */
  readonly #last = new Map<number, number>();

  constructor(capacity = maximumExits) {
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
    this.forgotten = 0;
    this.#last.clear();
  }

  /** Times do not go back. */
  add(events: readonly ExitEvent[]): void {
    for (const event of events) this.#add(event);
  }

  time(at: number): number {
    return this.#time[at] as number;
  }

  vcpu(at: number): number {
    return this.#vcpu[at] as number;
  }

  /** A number of `reasons`. */
  reason(at: number): number {
    return this.#reason[at] as number;
  }

  /** Nanoseconds until the next exit of the same vCPU; NaN for its last one. */
  until(at: number): number {
    return this.#until[at] as number;
  }

  row(at: number): ExitRow {
    const word = (i: number): bigint => this.#words[at * WORDS + i] as bigint;
    const until = this.until(at);
    return {
      ...{ at, nanoseconds: this.time(at), vcpu: this.vcpu(at), reason: this.reasons[this.reason(at)] ?? '' },
      ...{ rip: word(0), qualification: word(1), info: word(2), until: Number.isNaN(until) ? undefined : until },
      fields: Object.fromEntries(recordedFields.map((name, i) => [name, word(3 + i)])) as Record<RecordedField, bigint>,
    };
  }

  /** The exit of the same vCPU before this one; `undefined` where there is none. */
  before(at: number): number | undefined {
    for (let one = at - 1; one >= 0; one--) if (this.#vcpu[one] === this.#vcpu[at]) return one;
    return undefined;
  }

  /** The first exit at or after a time; `length` when there is none. */
  find(nanoseconds: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.time(middle) < nanoseconds) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * How many exits from `from` to before `to` fall into each power of two of nanoseconds until the next one, from 1 ns on. Reasons in
   * `hidden` do not count. Of a million, in a few milliseconds: the exponent of a number is its power of two.
   */
  histogram({
    from,
    to,
    hidden,
  }: {
    readonly from: number;
    readonly to: number;
    readonly hidden: ReadonlySet<number>;
  }): number[] {
    const bits = new Int32Array(this.#until.buffer);
    const counts = new Array<number>(EXPONENTS).fill(0);
    for (let at = from; at < to; at++) {
      if (hidden.size > 0 && hidden.has(this.#reason[at] as number)) continue;
      const exponent = ((bits[at] as number) >>> EXPONENT_SHIFT) & EXPONENT_MASK;
      // NaN, of the last exit, has the highest one.
      if (exponent < EXPONENT_MASK) counts[Math.max(0, exponent - EXPONENT_BIAS)]! += 1;
    }
    return counts.slice(0, counts.findLastIndex((count) => count > 0) + 1);
  }

  #add({ nanoseconds, vcpu, args, fields }: ExitEvent): void {
    if (this.#length === this.#capacity) this.#forget();
    if (this.#length === this.#time.length) this.#grow();
    const at = this.#length++;
    const of = vcpu ?? 0;
    this.#time[at] = nanoseconds;
    this.#vcpu[at] = of;
    this.#reason[at] = this.#number(args['reason'] ?? '');
    this.#until[at] = Number.NaN;
    const last = this.#last.get(of);
    if (last !== undefined) this.#until[last] = nanoseconds - (this.#time[last] as number);
    this.#last.set(of, at);
    const first = at * WORDS;
    this.#words[first] = BigInt(args['rip'] ?? 0);
    this.#words[first + 1] = BigInt(args['qualification'] ?? 0);
    this.#words[first + 2] = BigInt(args['info'] ?? 0);
    for (let i = 0; i < recordedFields.length; i++) {
      this.#words[first + 3 + i] = BigInt(fields[recordedFields[i] as RecordedField] ?? 0);
    }
  }

  #number(reason: string): number {
    const known = this.#numbers.get(reason);
    if (known !== undefined) return known;
    if (this.reasons.length === NONE) return NONE - 1;
    this.#numbers.set(reason, this.reasons.length);
    return this.reasons.push(reason) - 1;
  }

  #grow(): void {
    const size = Math.min(this.#time.length * 2, this.#capacity);
    const grown = <A extends { set(from: A): void }>(array: A, made: A): A => {
      made.set(array);
      return made;
    };
    this.#time = grown(this.#time, new Float64Array(size));
    this.#until = grown(this.#until, new Float32Array(size));
    this.#vcpu = grown(this.#vcpu, new Uint8Array(size));
    this.#reason = grown(this.#reason, new Uint8Array(size));
    this.#words = grown(this.#words, new BigUint64Array(size * WORDS));
  }

  #forget(): void {
    const gone = this.#capacity >>> 2;
    this.#time.copyWithin(0, gone);
    this.#until.copyWithin(0, gone);
    this.#vcpu.copyWithin(0, gone);
    this.#reason.copyWithin(0, gone);
    this.#words.copyWithin(0, gone * WORDS);
    this.#length -= gone;
    this.forgotten += gone;
    for (const [vcpu, at] of this.#last) {
      if (at < gone) this.#last.delete(vcpu);
      else this.#last.set(vcpu, at - gone);
    }
  }
}

/** Of numbers of 32 bits (IEEE 754): sign, eight bits of exponent, 23 of fraction. */
const EXPONENT_SHIFT = 23;
const EXPONENT_MASK = 0xff;
const EXPONENT_BIAS = 127;
const EXPONENTS = 128;
const WORDS = 3 + recordedFields.length;
