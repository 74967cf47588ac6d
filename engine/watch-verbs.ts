/** The verbs that look into running machines, as the command line takes them. Carried out in servers/watch. */
import type { Command } from 'commander';
import { EngineError } from './base/errors.ts';
import type { WatchOutput } from './servers/watch/session.ts';

export interface WatchVerbs {
  finish(status: number): void;
  /** False when the reader of the text has gone. */
  write(text: string): Promise<boolean>;
  note(text: string): void;
}

/** Names of the verbs, for sentences about them. */
export const watchVerbs = ['stat', 'vmcs', 'trace', 'walk', 'debug'] as const;

export function describeWatching(program: Command, verbs: WatchVerbs): void {
  const watch = async (work: (output: WatchOutput) => Promise<void>): Promise<void> => {
    const { createWatchOutput } = await import('./servers/watch/interrupt.ts');
    const { output, release } = createWatchOutput(verbs);
    try {
      await work(output);
    } finally {
      release();
    }
    verbs.finish(0);
  };

  program
    .command('stat')
    .description('show how often guests exit and why: the table of kvmstat, rates per second, one line for each vCPU')
    .argument('[interval]', 'seconds between two samples; without it, counts since power on')
    .argument('[count]', 'samples; without it, until interrupted')
    .option('--kstat <name>', 'all counters of one machine by their kstat names')
    .option('--jit', 'what became of hot code instead, since power on')
    .option('--json', 'one JSON object a line')
    .action((interval: string | undefined, count: string | undefined, options: StatWords) =>
      watch(async (output) => {
        const { stat } = await import('./servers/watch/stat.ts');
        const every = interval === undefined ? {} : { interval: positive('INTERVAL', interval, 86_400) };
        const times = count === undefined ? {} : { count: Math.ceil(positive('COUNT', count, 1e9)) };
        const { kstat, jit = false, json = false } = options;
        await stat({ ...every, ...times, ...(kstat !== undefined && { kstat }), jit, json }, output);
      }),
    );

  program
    .command('vmcs')
    .description('show the VMCS a vCPU runs under, field by field')
    .argument('[name]', 'name of the machine; not needed when only one runs')
    .option('--vcpu <number>', 'vCPU', '0')
    .option('--watch', 'go on, and show every second what has changed')
    .option('--json', 'as JSON')
    .action((name: string | undefined, options: { vcpu: string; watch?: boolean; json?: boolean }) =>
      watch(async (output) => {
        const { vmcs } = await import('./servers/watch/vmcs.ts');
        const { watch: goOn = false, json = false } = options;
        await vmcs({ name, vcpu: vcpuNumber(options.vcpu), watch: goOn, json }, output);
      }),
    );

  program
    .command('debug')
    .description('hold, step, inspect and change a running machine by commands typed here; `help` shows them')
    .argument('[name]', 'name of the machine; not needed when only one runs')
    .action((name: string | undefined) =>
      watch(async (output) => {
        const { debug } = await import('./servers/watch/debug.ts');
        await debug(name, process.stdin, output);
      }),
    );

  program
    .command('trace')
    .description('show what happens as it happens: probes as lines, or where the time goes')
    .argument('[name]', 'name of the machine; not needed when only one runs')
    .option(
      '--probe <names>',
      'probes, with commas between: entry, exit, pio, mmio, cr, msr, apic, pic, ioapic, inject, page-fault, ...',
    )
    .option('--where <expression>', "only events for which it holds, such as 'reason == IO_INSTRUCTION && port == 0x3f8'")
    .option('--field <names>', 'VMCS fields each event brings, with commas between')
    .option('--vcpu <number>', 'one vCPU only')
    .option('--quantize', 'histograms of the time in the guest and in handlers, printed at the end')
    .option('--count <number>', 'end after so many events')
    .option('--seconds <number>', 'end after so many seconds')
    .option('--json', 'one JSON object a line')
    .action((name: string | undefined, options: TraceWords) =>
      watch(async (output) => (await import('./servers/watch/trace.ts')).trace(traceOptions(name, options), output)),
    );

  program
    .command('walk')
    .description('show the way from a guest-virtual address to memory, every page-table and EPT entry')
    .argument('<words...>', 'name of the machine, not needed when only one runs, and the address')
    .option('--vcpu <number>', 'vCPU whose page tables', '0')
    .option('--json', 'as JSON')
    .action((words: readonly string[], options: { vcpu: string; json?: boolean }) =>
      watch(async (output) => {
        const [gva, name, ...more] = words.toReversed();
        if (gva === undefined || more.length > 0) refuse('ADDRESS', words.join(' '), 'is one address after at most one name');
        const { walk } = await import('./servers/watch/walk.ts');
        await walk({ name, gva: address(gva as string), vcpu: vcpuNumber(options.vcpu), json: options.json ?? false }, output);
      }),
    );
}

interface StatWords {
  readonly kstat?: string;
  readonly jit?: boolean;
  readonly json?: boolean;
}

interface TraceWords {
  readonly probe?: string;
  readonly where?: string;
  readonly field?: string;
  readonly vcpu?: string;
  readonly quantize?: boolean;
  readonly count?: string;
  readonly seconds?: string;
  readonly json?: boolean;
}

function traceOptions(name: string | undefined, words: TraceWords) {
  const { probe, where, field, vcpu, quantize = false, count, seconds, json = false } = words;
  return {
    name,
    probes: probe === undefined ? undefined : commas(probe),
    where,
    fields: field === undefined ? [] : commas(field),
    vcpu: vcpu === undefined ? undefined : vcpuNumber(vcpu),
    quantize,
    count: count === undefined ? undefined : Math.ceil(positive('--count', count, 1e9)),
    seconds: seconds === undefined ? undefined : positive('--seconds', seconds, 86_400),
    json,
  };
}

const commas = (text: string): string[] => text.split(',').map((word) => word.trim());

function refuse(setting: string, value: string, reason: string): never {
  const shown = JSON.stringify(value.slice(0, 64)).slice(1, -1);
  throw new EngineError('setting-invalid', { setting, value: shown === '' ? 'empty' : shown, reason });
}

function positive(setting: string, text: string, most: number): number {
  const value = /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : 0;
  return value > 0 && value <= most ? value : refuse(setting, text, `must be a number above 0 and at most ${most}`);
}

function vcpuNumber(text: string): number {
  return /^\d{1,3}$/.test(text) ? Number(text) : refuse('--vcpu', text, 'must be the number of a vCPU, from 0');
}

function address(text: string): string {
  const plain = text.replaceAll('_', '');
  if (/^(0[xX][0-9a-fA-F]{1,16}|\d{1,20})$/.test(plain) && BigInt(plain) < 2n ** 64n) return plain;
  return refuse('ADDRESS', text, 'must be a number of at most 64 bits, such as 0xffffffff81000000');
}
