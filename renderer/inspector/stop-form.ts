/** A stop as a person fills it in. */
import type { StopCondition } from '../../engine/contract/stops.ts';

export const stopKinds = ['exit', 'code', 'data', 'port', 'mmio', 'msr', 'cr', 'exception', 'mode', 'serial'] as const;
export type StopKind = (typeof stopKinds)[number];

export interface StopForm {
  on: StopKind;
  gva: string;
  bytes: string;
  reason: string;
  from: string;
  to: string;
  msr: string;
  cr: string;
  vector: string;
  text: string;
  where: string;
  access: 'read' | 'write' | 'any';
}
type StopField = Exclude<keyof StopForm, 'on'>;

const FIELDS: Readonly<Record<StopKind, readonly StopField[]>> = {
  exit: ['reason', 'where'],
  code: ['gva'],
  data: ['gva', 'bytes', 'access'],
  port: ['from', 'to', 'access', 'where'],
  mmio: ['from', 'to', 'access', 'where'],
  msr: ['msr', 'access'],
  cr: ['cr'],
  exception: ['vector'],
  mode: [],
  serial: ['text'],
};
export const stopFields = (on: StopKind): readonly StopField[] => FIELDS[on];

export function newStop(): StopForm {
  const empty = { gva: '', bytes: '', reason: '', from: '', to: '', msr: '', cr: '', vector: '', text: '', where: '' };
  return { on: 'exit', ...empty, access: 'any' };
}

/** A number as a person types it; what is none is left for the schema to refuse. */
function number(text: string): number | string {
  return /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : text;
}

/** What `stop-add` takes, if the schema agrees. */
export function conditionOf(form: StopForm): Record<string, unknown> {
  const condition: Record<string, unknown> = { on: form.on };
  for (const field of FIELDS[form.on]) {
    const value = form[field].trim();
    if (value === '') continue;
    const isAddress = field === 'gva' || (form.on === 'mmio' && (field === 'from' || field === 'to'));
    const isText = isAddress || ['reason', 'where', 'text', 'access'].includes(field);
    condition[field] = field === 'reason' ? value.toUpperCase() : isText ? value : number(value);
  }
  return condition;
}

/** A condition in few words, without its kind. */
export function describeStop(condition: StopCondition): string {
  const hex = (value: number | string): string => (typeof value === 'number' ? `0x${value.toString(16)}` : value);
  const where = 'where' in condition && condition.where !== undefined ? ` ${condition.where}` : '';
  switch (condition.on) {
    case 'code':
      return condition.gva;
    case 'data':
      return `${condition.gva}, ${condition.bytes}, ${condition.access}`;
    case 'exit':
      return `${condition.reason ?? '*'}${where}`;
    case 'port':
    case 'mmio':
      return `${hex(condition.from)}${condition.to === undefined ? '' : `–${hex(condition.to)}`}, ${condition.access}${where}`;
    case 'msr':
      return `${condition.msr === undefined ? '*' : hex(condition.msr)}, ${condition.access}`;
    case 'cr':
      return condition.cr === undefined ? '*' : `CR${condition.cr}`;
    case 'exception':
      return condition.vector === undefined ? '*' : `${condition.vector}`;
    case 'mode':
      return '*';
    case 'serial':
      return JSON.stringify(condition.text);
    case 'probe':
      return `${condition.probe}${where}`;
  }
}
