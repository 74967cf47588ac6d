/** The commands that look into a running machine, carried out. */
import { EngineError } from '../contract/errors.ts';
import {
  machineCounters,
  machineEntryChecks,
  machineExitVmcs,
  machineTraceRead,
  machineTraceStart,
  machineTraceStop,
  machineVmcs,
  machineWalk,
} from '../contract/observe.ts';
import { type Served, serve } from '../contract/serve.ts';
import type { MachineSettings } from '../contract/settings.ts';
import { processId } from '../host/process.ts';
import type { MachineControl } from '../machine/control.ts';
import type { Coordinator } from '../machine/coordinator.ts';
import {
  argumentTexts,
  countersOf,
  decodeField,
  describeField,
  type EntryCheck,
  type Histogram,
  type VmcsImage,
  type WalkedEntry,
} from '../machine/observed.ts';

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

export interface ObservationContext {
  readonly settings: MachineSettings;
  readonly control: MachineControl;
  /** Fails while there is none. */
  running(): Coordinator;
}

export function serveObservation({ settings, control, running }: ObservationContext): readonly Served<undefined>[] {
  return [
    serve(machineCounters, () => ({
      pid: processId,
      accel: settings.accel,
      guestNanoseconds: Math.floor(control.memory.clock.now()),
      groups: countersOf(control),
    })),
    serve(machineVmcs, async ({ vcpu, about }) => {
      const { vmcs } = await running().questions.ask(vcpu, { kind: 'vmcs' });
      if (vmcs === undefined) throw new EngineError('vmcs-none', { name: settings.name, vcpu, backend: settings.accel });
      const { failure } = vmcs;
      return { vcpu, ...vmcsOnWire(vmcs, about), ...(failure && { failure: checksOnWire(failure) }) };
    }),
    serve(machineExitVmcs, ({ vcpu, nanoseconds }) => {
      const { vcpus } = control.memory;
      if (vcpu >= vcpus) throw new EngineError('vcpu-unknown', { vcpu, vcpus });
      if (control.vmcsOf === undefined)
        throw new EngineError('vmcs-none', { name: settings.name, vcpu, backend: settings.accel });
      const vmcs = control.vmcsOf(running().tracer.exits, { vcpu, nanoseconds });
      if (vmcs === undefined) throw new EngineError('exit-forgotten', { vcpu });
      return { vcpu, ...vmcsOnWire(vmcs, false) };
    }),
    serve(machineEntryChecks, async ({ vcpu }) => {
      const { checks } = await running().questions.ask(vcpu, { kind: 'entry-checks' });
      return { vcpu, ...(checks && { checks: checksOnWire(checks) }) };
    }),
    serve(machineWalk, async ({ vcpu, gva }) => {
      const { walk } = await running().questions.ask(vcpu, { kind: 'walk', gva: BigInt(gva) });
      const { entries, last, gpa, hpa, hva, pageBytes, rights, fault, paging, ept } = walk;
      return {
        vcpu,
        gva: hex(walk.gva),
        paging,
        ept,
        entries: entries.map(({ name, at, value, flags, ept: path }) => ({
          name,
          ...(at === undefined ? {} : { at: hex(at) }),
          ...(value === undefined ? {} : { value: hex(value) }),
          flags: [...flags],
          ept: path.map(eptEntry),
        })),
        last: last.map(eptEntry),
        ...(gpa === undefined ? {} : { gpa: hex(gpa) }),
        ...(hpa === undefined ? {} : { hpa: hex(hpa) }),
        ...(hva === undefined ? {} : { hva: hex(hva) }),
        ...(pageBytes === undefined ? {} : { pageBytes }),
        ...(rights && { rights }),
        ...(fault && { fault }),
      };
    }),
    serve(machineTraceStart, (options) => ({ trace: running().tracer.start(options) })),
    serve(machineTraceRead, async ({ trace, limit, waitMilliseconds }) => {
      const { events, dropped, times } = await running().tracer.fetch(trace, limit, waitMilliseconds);
      return {
        events: events.map(({ event, fields }) => ({
          nanoseconds: event.time,
          vcpu: event.vcpu < 0 ? null : event.vcpu,
          probe: event.probe.name,
          args: argumentTexts(event),
          fields: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, hex(value)])),
        })),
        dropped,
        ...(times && {
          histograms: times.map(({ vcpu, guest, handlers, halted, reasons }) => ({
            vcpu,
            reasons: [...reasons],
            guest: inBuckets(guest),
            handlers: inBuckets(handlers),
            halted: inBuckets(halted),
          })),
        }),
      };
    }),
    serve(machineTraceStop, ({ trace }) => {
      running().tracer.stop(trace);
      return {};
    }),
  ];
}

function vmcsOnWire({ pointer, launched, fields }: VmcsImage, about: boolean) {
  return {
    pointer: hex(pointer),
    launched,
    fields: fields.map((field) => {
      const { name, encoding, width, area, value, ones, may } = field;
      return {
        ...{ name, encoding: hex(encoding), width, area, value: digits(value, width), bits: decodeField(field) },
        ...(ones === undefined ? {} : { ones: hex(ones) }),
        ...(may === undefined ? {} : { may: hex(may) }),
        ...(about && { about: describeField(field) }),
      };
    }),
  };
}

/** With all its digits, as wide as the field. */
function digits(value: bigint, width: 16 | 32 | 64 | 'natural'): string {
  return `0x${value.toString(16).padStart(width === 'natural' ? 16 : width / 4, '0')}`;
}

/** The checklist of a VM entry as the contract has it. */
export function checksOnWire(checks: readonly EntryCheck[]) {
  return checks.map(({ fields, ...check }) => ({ ...check, fields: fields.map(inHex) }));
}

function inHex({ name, value, ones, may }: EntryCheck['fields'][number]) {
  return {
    name,
    value: hex(value),
    ...(ones === undefined ? {} : { ones: hex(ones) }),
    ...(may === undefined ? {} : { may: hex(may) }),
  };
}

function eptEntry({ name, at = 0n, value = 0n, flags }: WalkedEntry) {
  return { name, at: hex(at), value: hex(value), flags: [...flags] };
}

function inBuckets({ counts, nanoseconds }: Histogram) {
  const buckets = counts.map((count, power) => ({ from: power === 0 ? 0 : 2 ** power, count }));
  return { nanoseconds, buckets: buckets.filter(({ count }) => count > 0) };
}
