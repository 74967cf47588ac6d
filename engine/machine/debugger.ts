/** Stops of a machine on the main thread: the list people make, what a step adds to it, and why the machine stands still. */
import { EngineError } from '../base/index.ts';
import { maximumStops } from '../contract/stop-limit.ts';
import type { StopCondition, Stopped } from '../contract/stops.ts';
import { type Capabilities, compileWhere, PROBES, WhereError } from '../hypervisor/index.ts';
import { type ArmedStop, probeOf, whereOf } from './armed-stops.ts';
import type { NextInstruction } from './messages.ts';
import type { TextCell } from './text-cell.ts';

export interface ListedStop {
  readonly stop: number;
  readonly condition: StopCondition;
  readonly vcpu: number | undefined;
  enabled: boolean;
  hits: number;
}

export interface DebuggerOptions {
  readonly list: TextCell;
  readonly vcpus: number;
  readonly capabilities: Pick<Capabilities, 'backend' | 'probes' | 'vmcsFields'>;
  /** Events of these probes are wanted: bits of `Probe.bit`. */
  enableProbes(mask: number): void;
  /** Every vCPU thread looks at the list before it runs on. */
  wake(): void;
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

export class Debugger {
  readonly #o: DebuggerOptions;
  readonly #stops = new Map<number, ListedStop>();
  readonly #listeners = new Set<(stopped: Stopped | undefined) => void>();
  #step: ArmedStop | undefined;
  #serial = 0;
  #next = 1;
  #stopped: Stopped | undefined;

  constructor(options: DebuggerOptions) {
    this.#o = options;
  }

  get stops(): readonly ListedStop[] {
    return [...this.#stops.values()];
  }

  /** Why the machine stands still; undefined while it does not. */
  get stopped(): Stopped | undefined {
    return this.#stopped;
  }

  /** Told of every change of `stopped`. Returns what ends that. */
  listen(listener: (stopped: Stopped | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(condition: StopCondition, { vcpu, enabled }: { readonly vcpu: number | undefined; readonly enabled: boolean }): number {
    const { vcpus } = this.#o;
    if (vcpu !== undefined && vcpu >= vcpus) throw new EngineError('vcpu-unknown', { vcpu, vcpus });
    if (this.#stops.size >= maximumStops) throw new EngineError('stop-limit', { maximum: maximumStops });
    this.#judge(condition);
    const stop = this.#next++;
    this.#stops.set(stop, { stop, condition, vcpu, enabled, hits: 0 });
    this.#publish();
    return stop;
  }

  change(stop: number, enabled: boolean): void {
    const known = this.#stops.get(stop);
    if (known === undefined) throw new EngineError('stop-unknown', { stop });
    known.enabled = enabled;
    this.#publish();
  }

  /** Absent: all of them. */
  remove(stop: number | undefined): void {
    if (stop === undefined) this.#stops.clear();
    else this.#stops.delete(stop);
    this.#publish();
  }

  /** The machine is about to go on until this is reached, besides all stops. */
  arm(step: Omit<ArmedStop, 'stop'>): void {
    this.#step = { ...step, stop: 0 };
    this.#publish();
  }

  /** A vCPU met a stop. */
  met({ vcpu, stop, what }: { readonly vcpu: number; readonly stop: number; readonly what: string }): void {
    const listed = this.#stops.get(stop);
    if (listed !== undefined) listed.hits++;
    const who = vcpu < 0 ? {} : { vcpu };
    this.standsStill(stop === 0 ? { why: 'step', ...who } : { why: 'stop', ...who, stop, ...(what !== '' && { what }) });
  }

  standsStill(stopped: Stopped): void {
    this.#stopped = stopped;
    if (this.#step !== undefined) {
      this.#step = undefined;
      this.#publish();
    }
    this.#tell();
  }

  goesOn(): void {
    if (this.#stopped === undefined) return;
    this.#stopped = undefined;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(this.#stopped);
  }

  /** Refuse what could never be met, or would not compile where events happen. */
  #judge(condition: StopCondition): void {
    const { backend, probes: offered, vmcsFields } = this.#o.capabilities;
    const name = probeOf(condition);
    if (name === undefined) {
      if (backend === 'kvm') throw new EngineError('stop-unsupported', { on: condition.on, backend });
      return;
    }
    const probe = PROBES.find((one) => one.name === name);
    if (probe === undefined) throw new EngineError('probe-unknown', { probe: name, probes: PROBES.map((one) => one.name) });
    if (!offered.includes(probe.name)) {
      if (condition.on === 'probe') throw new EngineError('probe-missing', { probe: name, backend, probes: offered });
      throw new EngineError('stop-unsupported', { on: condition.on, backend });
    }
    const where = whereOf(condition);
    try {
      if (where !== '') compileWhere(where, vmcsFields, () => undefined);
    } catch (error) {
      if (!(error instanceof WhereError)) throw error;
      throw new EngineError('trace-where', { where, reason: error.message, at: error.at + 1 });
    }
  }

  #publish(): void {
    const armed: ArmedStop[] = this.stops
      .filter(({ enabled }) => enabled)
      .map(({ stop, condition, vcpu }) => ({ stop, condition, vcpu }));
    if (this.#step !== undefined) armed.push(this.#step);
    const names = new Set(armed.map(({ condition }) => probeOf(condition)));
    this.#o.enableProbes(PROBES.filter(({ name }) => names.has(name)).reduce((mask, { bit }) => mask | bit, 0));
    this.#o.list.put(++this.#serial, JSON.stringify(armed));
    this.#o.wake();
  }
}

/** The frame of a function that is about to run on: its own code after this, and that of what it returns to. */
export function frameOf({ rsp, cr3, cpl }: NextInstruction): NonNullable<ArmedStop['frame']> {
  return { rsp: hex(rsp), cr3: hex(cr3), cpl };
}
