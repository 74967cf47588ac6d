/** `rootmode vmcs`: the VMCS of a vCPU, by area, with what the bits mean; and the checklist of a VM entry that failed. */
import type { ResultOf } from '../../contract/command.ts';
import type { machineVmcs } from '../../contract/observe.ts';
import { type WatchOutput, withMachine } from './session.ts';

export type Vmcs = ResultOf<typeof machineVmcs>;

export interface VmcsOptions {
  readonly name?: string | undefined;
  readonly vcpu: number;
  readonly json: boolean;
  readonly watch: boolean;
}

const AREAS = { control: 'controls', 'read-only': 'exit information', guest: 'guest state', host: 'host state' } as const;
/** How often a watched VMCS is looked at, in milliseconds. */
const PERIOD = 1000;

export async function vmcs({ name, vcpu, json, watch }: VmcsOptions, output: WatchOutput): Promise<void> {
  await withMachine(name, output, async (client) => {
    let before = await client.machineVmcs({ vcpu });
    if (!(await output.write(json ? `${JSON.stringify(before)}\n` : vmcsText(before)))) return;
    while (watch && (await output.pause(PERIOD))) {
      const after = await client.machineVmcs({ vcpu });
      const text = json ? `${JSON.stringify(after)}\n` : changedText(before, after);
      if (text !== '' && !(await output.write(text))) return;
      before = after;
    }
  });
}

export function vmcsText({ vcpu, pointer, launched, fields, failure }: Vmcs): string {
  const lines = [`vCPU ${vcpu}, VMCS at ${pointer}, ${launched ? 'launched' : 'not launched'}`];
  for (const [area, title] of Object.entries(AREAS)) {
    lines.push('', title, ...fields.filter((field) => field.area === area).map((field) => `  ${fieldLine(field)}`));
  }
  if (failure !== undefined) lines.push('', checklistText(failure).trimEnd());
  return `${lines.join('\n')}\n`;
}

function fieldLine({ name, encoding, width, value, bits }: Vmcs['fields'][number]): string {
  const start = `${name.padEnd(26)} ${encoding.padEnd(6)} ${String(width).padStart(7)}  ${value.padStart(18)}`;
  return bits.length === 0 ? start : `${start}  ${bits.join(', ')}`;
}

/** Fields whose values differ. Empty when none does. */
export function changedText(before: Vmcs, after: Vmcs): string {
  const then = new Map(before.fields.map(({ name, value }) => [name, value]));
  const changed = after.fields.filter(({ name, value }) => then.get(name) !== value);
  if (changed.length === 0) return '';
  const lines = changed.map(
    (field) => `  ${field.name.padEnd(26)} ${(then.get(field.name) ?? '').padStart(18)} ->  ${describe(field)}`,
  );
  return `changed\n${lines.join('\n')}\n`;
}

function describe({ value, bits }: Vmcs['fields'][number]): string {
  return bits.length === 0 ? value : `${value}  ${bits.join(', ')}`;
}

/** The rules of VM entry as they were judged, the one that failed with the bits it compared. */
export function checklistText(checks: NonNullable<Vmcs['failure']>): string {
  const failed = checks.at(-1);
  if (failed === undefined) return '';
  const lines = [
    'VM entry failed',
    ...checks.map(({ stage, rule, ok }) => `  ${ok ? 'ok    ' : 'FAILED'} ${stage.padEnd(8)}  ${rule}`),
  ];
  for (const { name, value, ones, may } of failed.fields) {
    lines.push(`         ${name} is ${value}${ones === undefined || may === undefined ? '' : wrongBits({ value, ones, may })}`);
  }
  return `${lines.join('\n')}\n`;
}

function wrongBits(compared: { readonly value: string; readonly ones: string; readonly may: string }): string {
  const [value, ones, may] = [BigInt(compared.value), BigInt(compared.ones), BigInt(compared.may)];
  const missing = ones & ~value;
  const surplus = value & ~may;
  const hex = (bits: bigint): string => `0x${bits.toString(16)}`;
  return [
    `; must be 1: ${compared.ones}, may be 1: ${compared.may}`,
    ...(missing === 0n ? [] : [`; missing: ${hex(missing)}`]),
    ...(surplus === 0n ? [] : [`; not allowed: ${hex(surplus)}`]),
  ].join('');
}
