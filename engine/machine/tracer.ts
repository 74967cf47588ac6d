/**
 * Traces of a running machine, on the main thread: reads the rings of probes and keeps what a trace asks for until somebody fetches it.
 * A trace that nobody fetches for a while ends by itself, so that a client that went away costs nothing.
 */
import { EngineError } from '../base/index.ts';
import { type Capabilities, type Observation, PROBES, type ProbeEvent, type ProbeName } from '../hypervisor/index.ts';
import { TimeHistograms } from './time-histograms.ts';
import { argumentOf } from './trace-names.ts';
import { parseWhere, WhereError } from './where.ts';

export interface TraceOptions {
  /** Absent: exits where the back end has them, otherwise everything. */
  readonly probes?: readonly string[] | undefined;
  readonly where?: string | undefined;
  readonly vcpu?: number | undefined;
  /** Names of VMCS fields each event is to bring. */
  readonly fields: readonly string[];
  /** Histograms of time instead of events. */
  readonly histogram: boolean;
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
  /** Since the trace began. */
  readonly histograms: TimeHistograms | undefined;
}

export interface TracerOptions {
  readonly observation: Observation;
  readonly capabilities: Pick<Capabilities, 'backend' | 'probes' | 'vmcsFields'>;
  readonly vcpus: number;
  /** Calls back once after so many milliseconds, unless the function it returns is called before. */
  after(milliseconds: number, callback: () => void): () => void;
}

const MOST_TRACES = 8;
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
  readonly mask: number;
  readonly rings: readonly { readonly vcpu: number; readonly reader: Reader }[];
  readonly fields: readonly string[];
  readonly wanted: (event: ProbeEvent) => boolean;
  readonly histograms: TimeHistograms | undefined;
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

  constructor(options: TracerOptions) {
    this.#o = options;
  }

  /** Begin. Fails with an `EngineError` that says what is wrong with the options, and then nothing has begun. */
  start(options: TraceOptions): number {
    const { vcpus, observation } = this.#o;
    const { vcpu, fields, histogram } = options;
    if (vcpu !== undefined && vcpu >= vcpus) throw new EngineError('vcpu-unknown', { vcpu, vcpus });
    if (this.#traces.size >= MOST_TRACES) throw new EngineError('trace-limit', { maximum: MOST_TRACES });
    const mask = this.#mask(options);
    const captured = [...this.#captured];
    for (const name of fields) this.#captureField(name, captured);
    const wanted = this.#compile(options.where, captured);
    if (captured.length > this.#captured.length) {
      observation.probes.captureFields(captured.map((name) => this.#o.capabilities.vmcsFields[name] as number));
      this.#captured = captured;
    }
    const rings = vcpu === undefined ? [...Array(vcpus).keys(), -1] : [vcpu];
    const trace: Trace = {
      id: ++this.#serial,
      mask,
      rings: rings.map((ring) => ({ vcpu: ring, reader: observation.probes.reader(ring) })),
      fields,
      wanted,
      histograms: histogram ? new TimeHistograms(wanted) : undefined,
      waiting: [],
      dropped: 0,
      stopped: false,
      cancelLease: () => undefined,
    };
    this.#traces.set(trace.id, trace);
    this.#renew(trace);
    this.#enable();
    void this.#pump(trace);
    return trace.id;
  }

  /** What came since the last call, at most `limit` events; waits up to `milliseconds` for the first, or for more to be measured. */
  async fetch(id: number, limit: number, milliseconds: number): Promise<TraceNews> {
    const trace = this.#known(id);
    for (let waited = 0; waited < milliseconds && trace.waiting.length === 0 && !trace.stopped; waited += LOOK) {
      await this.#pause(Math.min(LOOK, milliseconds - waited));
    }
    this.#drain(trace);
    const events = trace.waiting.splice(0, limit).map((event) => ({ event, fields: this.#fieldsOf(trace, event) }));
    const { dropped, histograms } = trace;
    trace.dropped = 0;
    if (!trace.stopped) this.#renew(trace);
    return { events, dropped, histograms };
  }

  /** Ending a trace that is over succeeds. */
  stop(id: number): void {
    const trace = this.#traces.get(id);
    if (trace === undefined) return;
    trace.stopped = true;
    trace.cancelLease();
    this.#traces.delete(id);
    if (this.#traces.size === 0 && this.#captured.length > 0) {
      this.#captured = [];
      this.#o.observation.probes.captureFields([]);
    }
    this.#enable();
  }

  /** The machine ends. */
  close(): void {
    for (const id of [...this.#traces.keys()]) this.stop(id);
  }

  #known(id: number): Trace {
    const trace = this.#traces.get(id);
    if (trace === undefined) throw new EngineError('trace-unknown', { trace: id });
    return trace;
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

  /** Where in `captured` a field's value stands; appended when it is not there yet. */
  #captureField(name: string, captured: string[]): number {
    const { backend, vmcsFields } = this.#o.capabilities;
    if (!Object.hasOwn(vmcsFields, name)) throw new EngineError('trace-field', { field: name, backend });
    const at = captured.indexOf(name);
    if (at >= 0) return at;
    if (captured.length === MOST_FIELDS) throw new EngineError('trace-fields', { maximum: MOST_FIELDS });
    return captured.push(name) - 1;
  }

  #compile(where: string | undefined, captured: string[]): (event: ProbeEvent) => boolean {
    if (where === undefined) return () => true;
    let current: ProbeEvent | undefined;
    const resolve = (name: string): (() => bigint | undefined) | undefined => {
      const argument = argumentOf(name);
      if (argument !== undefined) return () => (current === undefined ? undefined : argument(current));
      if (!Object.hasOwn(this.#o.capabilities.vmcsFields, name)) return undefined;
      const at = this.#captureField(name, captured);
      return () => current?.fields[at];
    };
    try {
      const holds = parseWhere(where, resolve);
      return (event) => {
        current = event;
        return holds();
      };
    } catch (error) {
      if (error instanceof WhereError) throw new EngineError('trace-where', { where, reason: error.message, at: error.at + 1 });
      throw error;
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

  #enable(): void {
    const { probes } = this.#o.observation;
    for (let vcpu = -1; vcpu < this.#o.vcpus; vcpu++) {
      const traces = [...this.#traces.values()].filter(({ rings }) => rings.some((ring) => ring.vcpu === vcpu));
      probes.enable(
        vcpu,
        traces.reduce((bits, { mask }) => bits | mask, 0),
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
      await Promise.race(trace.rings.map(({ reader }) => reader.ready(LOOK)));
    }
  }

  #drain(trace: Trace): void {
    const { mask, wanted, histograms, waiting } = trace;
    const before = waiting.length;
    for (const { vcpu, reader } of trace.rings) {
      for (;;) {
        const { events, dropped } = reader.read(BATCH);
        trace.dropped += dropped;
        if (dropped > 0) histograms?.interrupted(vcpu);
        for (const event of events) {
          if ((event.probe.bit & mask) === 0) continue;
          if (histograms !== undefined) histograms.feed(event);
          else if (wanted(event)) waiting.push(event);
        }
        if (events.length < BATCH) break;
      }
    }
    // Rings of several vCPUs come one after the other; people read by time.
    if (waiting.length > before && trace.rings.length > 1) sortTail(waiting, before);
    const many = waiting.length - MOST_WAITING;
    if (many > 0) {
      waiting.splice(0, many);
      trace.dropped += many;
    }
  }
}

function sortTail(events: ProbeEvent[], from: number): void {
  const tail = events.splice(from).sort((a, b) => a.time - b.time);
  for (const event of tail) events.push(event);
}
