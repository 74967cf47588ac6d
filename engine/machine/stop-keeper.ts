/**
 * Stops on a thread that runs vCPUs: what is armed, in the words of the back end and of its probes, and what happens when one is met. The
 * main thread writes the list; every vCPU thread reads it between two runs.
 */
import { REQUEST, type Requests, type WatchedEvent, type WatchedFrame, type Watcher } from '../base/index.ts';
import { compileWhere, type Observation } from '../hypervisor/index.ts';
import type { MachineMemory } from '../memory/index.ts';
import { type ArmedStop, matchesEvent, probeOf, STEP, whereOf, wordsOf } from './armed-stops.ts';
import type { Gate } from './gate.ts';
import type { FromVcpus, NextInstruction } from './messages.ts';
import type { Channel } from './ports.ts';
import type { SerialTail } from './serial-tail.ts';
import { TextCell } from './text-cell.ts';

/** Room for `maximumStops` with their expressions. */
const STOPS_BYTES = 160 * 1024;

/** The list in the machine's memory. Every thread takes it from the arena at the same point. */
export function takeStopList(memory: MachineMemory): TextCell {
  return new TextCell(memory, 'stops', STOPS_BYTES);
}

export interface StopKeeperParts {
  readonly memory: MachineMemory;
  readonly list: TextCell;
  readonly tail: SerialTail;
  readonly gate: Gate;
  readonly requests: Requests;
  readonly observation: Observation;
  readonly vmcsFields: Readonly<Record<string, number>>;
}

interface WatchedVcpu {
  readonly id: number;
  watch(watcher: Watcher | undefined): void;
}

type ProbeTest = { readonly stop: ArmedStop; readonly probe: string; readonly wanted: (event: ProbeHappening) => boolean };
type ProbeHappening = Parameters<NonNullable<Observation['probes']['watcher']>>[0];

export class StopKeeper {
  readonly #p: StopKeeperParts;
  readonly #watchers = new Map<number, StopWatcher>();
  #serial = 0;
  #probes: readonly ProbeTest[] = [];
  #texts: readonly { readonly stop: ArmedStop; readonly bytes: Uint8Array }[] = [];
  /** The vCPU whose turn it is on this thread. */
  #running = -1;
  #channel: Pick<Channel<FromVcpus, never>, 'post'> | undefined;
  /** Single steps meet no stops. */
  quiet = false;

  constructor(parts: StopKeeperParts) {
    this.#p = parts;
  }

  /** Where hits are told. */
  connect(channel: Pick<Channel<FromVcpus, never>, 'post'>): void {
    this.#channel = channel;
    this.#p.observation.probes.watcher = (event) => this.#probe(event);
  }

  /** Before a vCPU runs: it is this one's turn. */
  turn(vcpu: number): void {
    this.#running = vcpu;
  }

  /** Between two runs: take over a list that has changed. */
  refresh(vcpus: readonly WatchedVcpu[]): void {
    if (this.#p.list.serial === this.#serial) return; // asked thousands of times a second
    const read = this.#p.list.read();
    if (read === undefined || read.serial === this.#serial) return;
    this.#serial = read.serial;
    const stops = JSON.parse(read.text) as ArmedStop[];
    this.#probes = stops.flatMap((stop) => this.#test(stop));
    this.#texts = stops.flatMap((stop) =>
      stop.condition.on === 'serial' ? [{ stop, bytes: new TextEncoder().encode(stop.condition.text) }] : [],
    );
    this.#p.tail.kept = this.#texts.length > 0;
    for (const vcpu of vcpus) {
      const own = stops.filter((stop) => stop.vcpu === undefined || stop.vcpu === vcpu.id);
      const watcher = new StopWatcher(own, (stop, what) => this.#hit(vcpu.id, stop, what));
      const before = this.#watchers.get(vcpu.id);
      if (!watcher.idle) this.#watchers.set(vcpu.id, watcher);
      else this.#watchers.delete(vcpu.id);
      if (!watcher.idle || before !== undefined) vcpu.watch(watcher.idle ? undefined : watcher);
    }
  }

  /** A vCPU goes on from here after it stood still: it does not stop here again at once. */
  resumed(vcpu: number, next: NextInstruction): void {
    this.#watchers.get(vcpu)?.pass(next);
  }

  /** The guest sends a byte to its first serial port. Under the machine lock. */
  serial(byte: number): void {
    if (!this.#p.tail.kept) return;
    this.#p.tail.push(byte);
    for (const { stop, bytes } of this.#texts) {
      if (bytes.at(-1) === byte && this.#p.tail.endsWith(bytes)) this.#hit(this.#running, stop, wordsOf(stop.condition));
    }
  }

  #test(stop: ArmedStop): ProbeTest[] {
    const probe = probeOf(stop.condition);
    if (probe === undefined) return [];
    const { observation, vmcsFields } = this.#p;
    const where = whereOf(stop.condition);
    const wanted =
      where === '' ? () => true : compileWhere(where, vmcsFields, (vcpu, field) => observation.listeners.readField(vcpu, field));
    return [{ stop, probe, wanted }];
  }

  #probe(event: ProbeHappening): void {
    for (const { stop, probe, wanted } of this.#probes) {
      if (probe !== event.probe.name || (stop.vcpu !== undefined && stop.vcpu !== event.vcpu)) continue;
      if (wanted(event)) this.#hit(event.vcpu < 0 ? this.#running : event.vcpu, stop, wordsOf(stop.condition, event));
    }
  }

  /** Nothing runs on after this; the first to close the gate says why. */
  #hit(vcpu: number, { stop }: ArmedStop, what: string): boolean {
    if (this.quiet) return false;
    const first = this.#p.gate.close();
    this.#p.requests.raise(-1, REQUEST.stop);
    if (first) this.#channel?.post({ kind: 'stopped', vcpu, stop, what });
    return true;
  }
}

/** Instructions that return, without their prefixes: RET, RETF and IRET. */
const RETURNS = [0xc3, 0xc2, 0xcb, 0xca, 0xcf];
const isPrefix = (byte: number): boolean => byte === 0x66 || byte === 0xf3 || byte === 0xf2 || (byte & 0xf0) === 0x40;

/** What may be met in the middle of a run of instructions. */
const ALONE: ReadonlySet<string> = new Set(['port', 'mmio', 'msr', 'serial', 'probe']);

/** The stops of one vCPU that its back end watches. */
class StopWatcher implements Watcher {
  readonly pages: ReadonlySet<bigint>;
  readonly each: boolean;
  readonly data: boolean;
  readonly modes: boolean;
  readonly events: boolean;
  readonly alone: boolean;
  readonly #code = new Map<bigint, ArmedStop[]>();
  readonly #ranges: readonly { readonly stop: ArmedStop; readonly from: bigint; readonly end: bigint; readonly access: string }[];
  readonly #events: readonly ArmedStop[];
  readonly #returns: readonly ArmedStop[];
  readonly #hit: (stop: ArmedStop, what: string) => boolean;
  /** Where the vCPU went on; an interrupt may come first and return there. */
  #passed: NextInstruction | undefined;
  /** The instruction that runs now returns from the function that is to be left. */
  #returning: ArmedStop | undefined;

  constructor(stops: readonly ArmedStop[], hit: (stop: ArmedStop, what: string) => boolean) {
    this.#hit = hit;
    for (const stop of stops) {
      if (stop.condition.on !== 'code') continue;
      const at = BigInt(stop.condition.gva);
      this.#code.set(at, [...(this.#code.get(at) ?? []), stop]);
    }
    this.pages = new Set([...this.#code.keys()].map((at) => at >> 12n));
    this.#ranges = stops.flatMap((stop) => {
      if (stop.condition.on !== 'data') return [];
      const { gva, bytes, access } = stop.condition;
      return [{ stop, from: BigInt(gva), end: BigInt(gva) + BigInt(bytes), access }];
    });
    this.data = this.#ranges.length > 0;
    this.#events = stops.filter(({ condition: { on } }) => on === 'msr' || on === 'cr' || on === 'exception' || on === 'mode');
    this.modes = this.#events.some(({ condition }) => condition.on === 'mode');
    this.events = this.#events.length > 0;
    this.alone = stops.some(({ condition: { on } }) => ALONE.has(on));
    this.#returns = stops.filter(({ condition }) => condition.on === 'return');
    this.each = this.#returns.length > 0;
  }

  /** Nothing for a back end to watch. */
  get idle(): boolean {
    return this.pages.size === 0 && !this.data && !this.each && !this.alone && this.#events.length === 0;
  }

  pass(next: NextInstruction): void {
    this.#passed = next;
    this.#returning = undefined;
  }

  before(linear: bigint, frame: WatchedFrame): boolean {
    const passed = this.#passed?.linear === linear && this.#passed.rsp === frame.rsp && this.#passed.cr3 === frame.cr3;
    if (passed) this.#passed = undefined;
    if (this.#returning !== undefined && this.#hit(this.#returning, STEP)) return true;
    if (!passed && this.#stopsAt(linear, frame)) return true;
    this.#returning = this.#returns.find(
      ({ condition }) => condition.on === 'return' && sameFrame(condition, frame) && returns(frame),
    );
    return false;
  }

  #stopsAt(linear: bigint, frame: WatchedFrame): boolean {
    for (const stop of this.#code.get(linear) ?? []) {
      if (stop.frame !== undefined && !sameFrame(stop.frame, frame)) continue;
      if (this.#hit(stop, stop.stop === 0 ? STEP : wordsOf(stop.condition))) return true;
    }
    return false;
  }

  access(linear: bigint, size: number, write: boolean): boolean {
    const end = linear + BigInt(size);
    for (const { stop, from, end: last, access } of this.#ranges) {
      if (linear >= last || end <= from || (access !== 'any' && (access === 'write') !== write)) continue;
      if (this.#hit(stop, `0x${linear.toString(16)} ${write ? 'written' : 'read'}, ${size} byte${size === 1 ? '' : 's'}`))
        return true;
    }
    return false;
  }

  event(event: WatchedEvent): boolean {
    for (const stop of this.#events) {
      if (matchesEvent(stop.condition, event) && this.#hit(stop, wordsOf(stop.condition, undefined, event))) return true;
    }
    return false;
  }
}

/** The same function called by the same one, or what it returned to: not one that it calls, not an interrupt, not another program. */
function sameFrame(wanted: NonNullable<ArmedStop['frame']>, { rsp, cr3, cpl }: WatchedFrame): boolean {
  return rsp >= BigInt(wanted.rsp) && cr3 === BigInt(wanted.cr3) && cpl === wanted.cpl;
}

function returns(frame: WatchedFrame): boolean {
  for (let at = 0; at < 4; at++) {
    const byte = frame.byte(at);
    if (byte === undefined || !isPrefix(byte)) return byte !== undefined && RETURNS.includes(byte);
  }
  return false;
}
