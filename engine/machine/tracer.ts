/**
 * Traces of a running machine, on the main thread: reads the rings of probes and keeps what a trace asks for until somebody fetches it.
 * What a trace wants is judged where events happen (`hypervisor/observe/listeners.ts`). A trace that nobody fetches for a while ends by
 * itself, so that a client that went away costs nothing.
 */
import { EngineError } from '../base/index.ts';
import {
  type Capabilities,
  compileWhere,
  type ExitImageReader,
  MAXIMUM_LISTENERS,
  type Observation,
  PROBES,
  type ProbeEvent,
  type ProbeName,
  type VcpuTimes,
  WhereError,
} from '../hypervisor/index.ts';
import { ExitHistory } from './exit-history.ts';

export interface TraceOptions {
  /** Absent: exits where the back end has them, otherwise everything. */
  readonly probes?: readonly string[] | undefined;
  readonly where?: string | undefined;
  readonly vcpu?: number | undefined;
  /** Names of VMCS fields each event is to bring. */
  readonly fields: readonly string[];
  /** Times added up instead of events. */
  readonly histogram: boolean;
  /** Keep the whole VMCS of each exit, in `exits`. */
  readonly vmcs?: boolean | undefined;
}

export interface TraceEvent {
  readonly event: ProbeEvent;
  /** The VMCS fields asked for. */
  readonly fields: Readonly<Record<string, bigint>>;
}

export interface TraceNews {
  readonly events: readonly TraceEvent[];
  /** Events that came faster than they could be read or were fetched. */
  readonly dropped: number;
  /** Since the trace began, for the vCPUs it is about. */
  readonly times: readonly VcpuTimes[] | undefined;
}

export interface TracerOptions {
  readonly observation: Observation;
  readonly capabilities: Pick<Capabilities, 'backend' | 'probes' | 'vmcsFields'>;
  readonly vcpus: number;
  /** Calls back once after so many milliseconds, unless the function it returns is called before. */
  after(milliseconds: number, callback: () => void): () => void;
}

const MOST_FIELDS = 8;
/** Events kept for a client that is slow to fetch them. */
const MOST_WAITING = 50_000;
/** Events taken from a ring at once. */
const BATCH = 2048;
/** How often rings are looked at when nobody wakes this thread, in milliseconds. */
const LOOK = 20;
/** A trace that nobody fetches for so long ends, in milliseconds. */
const LEASE = 10_000;

type Reader = ReturnType<Observation['probes']['reader']>;

interface Trace {
  readonly id: number;
  /** Its place among the listeners. */
  readonly place: number;
  readonly mask: number;
  readonly vcpus: readonly number[];
  /** Of its vCPUs; none when it adds up times. */
  readonly readers: readonly Reader[];
  readonly fields: readonly string[];
  /** None when it keeps no VMCSs. */
  readonly images: readonly { readonly vcpu: number; readonly reader: ExitImageReader }[];
  waiting: ProbeEvent[];
  dropped: number;
  stopped: boolean;
  cancelLease: () => void;
}

export class Tracer {
  readonly #o: TracerOptions;
  readonly #traces = new Map<number, Trace>();
  /** Names of the fields that records carry now, in their order, which stays while there is any trace. */
  #captured: string[] = [];
  #serial = 0;
  /** VMCSs of recorded exits, of the last recording that wanted them. */
  readonly exits = new ExitHistory();
  /** Probes that fire for stops. */
  #stopMask = 0;

  constructor(options: TracerOptions) {
    this.#o = options;
  }

  /** Begin. Fails with an `EngineError` that says what is wrong with the options, and then nothing has begun. */
  start(options: TraceOptions): number {
    const { vcpus, observation, capabilities } = this.#o;
    const { vcpu, fields, histogram, where } = options;
    if (vcpu !== undefined && vcpu >= vcpus) throw new EngineError('vcpu-unknown', { vcpu, vcpus });
    const place = this.#freePlace();
    const mask = this.#mask(options);
    const captured = [...this.#captured];
    for (const name of fields) this.#captureField(name, captured);
    if (where !== undefined) this.#judge(where);
    if (captured.length > this.#captured.length) {
      observation.probes.captureFields(captured.map((name) => capabilities.vmcsFields[name] as number));
      this.#captured = captured;
    }
    if (options.vmcs) this.#begin(options);
    const watched = vcpu === undefined ? [...Array(vcpus).keys(), -1] : [vcpu];
    const trace: Trace = {
      id: ++this.#serial,
      place,
      mask,
      vcpus: watched,
      readers: histogram ? [] : watched.map((one) => observation.probes.reader(one)),
      fields,
      images: options.vmcs ? this.#imageReaders(watched) : [],
      waiting: [],
      dropped: 0,
      stopped: false,
      cancelLease: () => undefined,
    };
    this.#traces.set(trace.id, trace);
    this.#renew(trace);
    observation.listeners.set(place, { mask, where, times: histogram });
    this.#enable();
    if (!histogram) void this.#pump(trace);
    return trace.id;
  }

  /** What came since the last call, at most `limit` events; waits up to `milliseconds` for the first. */
  async fetch(id: number, limit: number, milliseconds: number): Promise<TraceNews> {
    const trace = this.#traces.get(id);
    if (trace === undefined) throw new EngineError('trace-unknown', { trace: id });
    for (let waited = 0; waited < milliseconds && trace.waiting.length === 0 && !trace.stopped; waited += LOOK) {
      await this.#pause(Math.min(LOOK, milliseconds - waited));
    }
    if (!trace.stopped) this.#renew(trace);
    if (trace.readers.length === 0) {
      const times = this.#o.observation.listeners.times(trace.place).filter(({ vcpu }) => trace.vcpus.includes(vcpu));
      return { events: [], dropped: 0, times };
    }
    this.#drain(trace);
    const events = trace.waiting.splice(0, limit).map((event) => ({ event, fields: this.#fieldsOf(trace, event) }));
    const { dropped } = trace;
    trace.dropped = 0;
    return { events, dropped, times: undefined };
  }

  /** Ending a trace that is over succeeds. */
  stop(id: number): void {
    const trace = this.#traces.get(id);
    if (trace === undefined) return;
    const { probes, listeners } = this.#o.observation;
    trace.stopped = true;
    trace.cancelLease();
    this.#traces.delete(id);
    this.#enable();
    listeners.clear(trace.place);
    if (trace.images.length > 0) this.#drainImages(trace);
    if (trace.images.length > 0) this.#o.observation.images.record(false);
    if (this.#traces.size > 0 || this.#captured.length === 0) return;
    this.#captured = [];
    probes.captureFields([]);
  }

  /** The machine ends. */
  close(): void {
    for (const id of [...this.#traces.keys()]) this.stop(id);
  }

  /** Only one recording keeps VMCSs; what the last one kept goes. */
  #begin({ histogram }: TraceOptions): void {
    const { backend, vmcsFields } = this.#o.capabilities;
    if (histogram || Object.keys(vmcsFields).length === 0) throw new EngineError('trace-vmcs', { backend });
    for (const { id, images } of [...this.#traces.values()]) if (images.length > 0) this.stop(id);
    this.exits.clear();
  }

  #imageReaders(vcpus: readonly number[]): Trace['images'] {
    const { images } = this.#o.observation;
    const readers = vcpus.filter((vcpu) => vcpu >= 0).map((vcpu) => ({ vcpu, reader: images.reader(vcpu) }));
    images.record(true);
    return readers;
  }

  #drainImages({ images }: Trace): void {
    for (const { vcpu, reader } of images) this.exits.take(vcpu, reader);
  }

  #freePlace(): number {
    const taken = new Set([...this.#traces.values()].map(({ place }) => place));
    for (let place = 0; place < MAXIMUM_LISTENERS; place++) if (!taken.has(place)) return place;
    throw new EngineError('trace-limit', { maximum: MAXIMUM_LISTENERS });
  }

  #mask({ probes: asked, histogram }: TraceOptions): number {
    const { backend, probes: offered } = this.#o.capabilities;
    const usual: readonly ProbeName[] = offered.includes('exit') ? ['exit'] : offered;
    const names: readonly string[] = histogram ? ['entry', 'exit'] : (asked ?? usual);
    let mask = 0;
    for (const name of names) {
      const probe = PROBES.find((one) => one.name === name);
      if (probe === undefined) throw new EngineError('probe-unknown', { probe: name, probes: PROBES.map((one) => one.name) });
      if (!offered.includes(probe.name)) throw new EngineError('probe-missing', { probe: name, backend, probes: offered });
      mask |= probe.bit;
    }
    return mask;
  }

  /** Append a field to `captured` unless it is there. */
  #captureField(name: string, captured: string[]): void {
    const { backend, vmcsFields } = this.#o.capabilities;
    if (!Object.hasOwn(vmcsFields, name)) throw new EngineError('trace-field', { field: name, backend });
    if (captured.includes(name)) return;
    if (captured.length === MOST_FIELDS) throw new EngineError('trace-fields', { maximum: MOST_FIELDS });
    captured.push(name);
  }

  /** Refuse what would not compile where events happen. */
  #judge(where: string): void {
    try {
      compileWhere(where, this.#o.capabilities.vmcsFields, () => undefined);
    } catch (error) {
      if (!(error instanceof WhereError)) throw error;
      throw new EngineError('trace-where', { where, reason: error.message, at: error.at + 1 });
    }
  }

  #fieldsOf({ fields }: Trace, event: ProbeEvent): Record<string, bigint> {
    const values: Record<string, bigint> = {};
    for (const name of fields) {
      const value = event.fields[this.#captured.indexOf(name)];
      if (value !== undefined) values[name] = value;
    }
    return values;
  }

  /** Probes that fire whether a trace wants them or not: bits of `Probe.bit`. */
  enableForStops(mask: number): void {
    this.#stopMask = mask;
    this.#enable();
  }

  #enable(): void {
    const { probes } = this.#o.observation;
    for (let vcpu = -1; vcpu < this.#o.vcpus; vcpu++) {
      const traces = [...this.#traces.values()].filter(({ vcpus }) => vcpus.includes(vcpu));
      probes.enable(
        vcpu,
        traces.reduce((bits, { mask }) => bits | mask, this.#stopMask),
      );
    }
  }

  #renew(trace: Trace): void {
    trace.cancelLease();
    trace.cancelLease = this.#o.after(LEASE, () => this.stop(trace.id));
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#o.after(milliseconds, resolve);
    });
  }

  async #pump(trace: Trace): Promise<void> {
    while (!trace.stopped) {
      this.#drain(trace);
      await Promise.race(trace.readers.map((reader) => reader.ready(LOOK)));
    }
  }

  #drain(trace: Trace): void {
    this.#drainImages(trace);
    const { place, readers, waiting } = trace;
    const before = waiting.length;
    for (const reader of readers) {
      for (;;) {
        const { events, dropped } = reader.read(BATCH);
        trace.dropped += dropped;
        for (const event of events) if (((event.listeners >>> place) & 1) !== 0) waiting.push(event);
        if (events.length < BATCH) break;
      }
    }
    // Rings of several vCPUs come one after the other; people read by time.
    if (waiting.length > before && readers.length > 1) sortTail(waiting, before);
    const many = waiting.length - MOST_WAITING;
    if (many <= 0) return;
    waiting.splice(0, many);
    trace.dropped += many;
  }
}

function sortTail(events: ProbeEvent[], from: number): void {
  const tail = events.splice(from).sort((a, b) => a.time - b.time);
  for (const event of tail) events.push(event);
}
