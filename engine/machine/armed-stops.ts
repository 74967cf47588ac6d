/** Stops as threads hand them to each other, and what each means: the probe that tells of it, the events it is about, and words for it. */

import type { WatchedEvent } from '../base/index.ts';
import type { StopCondition } from '../contract/stops.ts';
import { argumentTexts, type ProbeEvent } from '../hypervisor/index.ts';

/** Where a function was called from: frames above `rsp` of the same address space and privilege. */
interface Frame {
  readonly rsp: string;
  readonly cr3: string;
  readonly cpl: number;
}

/** A stop that is on. Number 0 is that of a step, which is over when it is met. */
export interface ArmedStop {
  readonly stop: number;
  readonly vcpu?: number | undefined;
  /** `return`: after the function that runs in this frame has returned. */
  readonly condition: StopCondition | ({ readonly on: 'return' } & Frame);
  /** Code counts only here. */
  readonly frame?: Frame;
}

type Condition = ArmedStop['condition'];
type Happening = Pick<ProbeEvent, 'probe' | 'vcpu' | 'time' | 'args'>;

/** What a step that is done says. */
export const STEP = '';

/** The probe that tells of a condition; undefined where the processor itself has to watch. */
export function probeOf(condition: Condition): string | undefined {
  switch (condition.on) {
    case 'exit':
      return 'exit';
    case 'port':
      return 'pio';
    case 'mmio':
      return 'mmio';
    case 'probe':
      return condition.probe;
    default:
      return undefined;
  }
}

/** Which of the probe's events meet it, as an expression; empty: all. */
export function whereOf(condition: Condition): string {
  const parts: string[] = [];
  if (condition.on === 'exit' && condition.reason !== undefined) parts.push(`reason == ${condition.reason}`);
  if (condition.on === 'port' || condition.on === 'mmio') {
    const name = condition.on === 'port' ? 'port' : 'gpa';
    const { from, to = from, access } = condition;
    parts.push(`${name} <= ${to}`, `${name} + size > ${from}`);
    if (access !== 'any') parts.push(`write == ${access === 'write' ? 1 : 0}`);
  }
  if ('where' in condition && condition.where !== undefined) parts.push(condition.where);
  return parts.length < 2 ? parts.join('') : parts.map((part) => `(${part})`).join(' && ');
}

/** Does what the processor noticed meet it? */
export function matchesEvent(condition: Condition, event: WatchedEvent): boolean {
  if (condition.on !== event.kind) return false;
  if (condition.on === 'exception' && event.kind === 'exception') {
    return condition.vector === undefined || condition.vector === event.vector;
  }
  if (condition.on === 'cr' && event.kind === 'cr') return condition.cr === undefined || condition.cr === event.cr;
  if (condition.on !== 'msr' || event.kind !== 'msr') return true;
  if (condition.msr !== undefined && condition.msr !== event.msr) return false;
  return condition.access === 'any' || (condition.access === 'write') === event.write;
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** What was met, for people. */
export function wordsOf(condition: Condition, happened?: Happening, event?: WatchedEvent): string {
  if (event !== undefined) return eventWords(event);
  if (happened !== undefined) {
    const texts = argumentTexts(happened);
    if (happened.probe.name === 'pio') return accessWords(`port ${texts.port}`, texts);
    if (happened.probe.name === 'mmio') return accessWords(`device memory ${texts.gpa}`, texts);
    const rest = Object.entries(texts).map(([name, value]) => `${name} ${value}`);
    return `${happened.probe.name}: ${rest.join(', ')}`;
  }
  if (condition.on === 'code') return `instruction at ${hex(BigInt(condition.gva))}`;
  return condition.on === 'serial' ? `serial text ${JSON.stringify(condition.text)}` : condition.on;
}

function accessWords(what: string, { write, value, size }: Record<string, string>): string {
  const bytes = Number(size);
  return `${what} ${write === '0x1' ? 'written' : 'read'}, value ${value}, ${bytes} byte${bytes === 1 ? '' : 's'}`;
}

function eventWords(event: WatchedEvent): string {
  switch (event.kind) {
    case 'exception': {
      const error = event.error === undefined ? '' : `, error code ${hex(event.error)}`;
      return `exception ${event.vector}${error}${event.address === undefined ? '' : `, address ${hex(event.address)}`}`;
    }
    case 'msr':
      return `MSR ${hex(event.msr)} ${event.write ? 'written' : 'read'}, value ${hex(event.value)}`;
    case 'cr':
      return `CR${event.cr} written, value ${hex(event.value)}`;
    case 'mode':
      return `${event.mode} mode entered`;
  }
}
