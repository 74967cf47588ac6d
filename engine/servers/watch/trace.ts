/** `rootmode trace`: events of probes as lines, or histograms of the time in the guest and in handlers. */
import type { ResultOf } from '../../contract/command.ts';
import type { machineTraceRead } from '../../contract/observe.ts';
import { type EngineClient, hasEnded, type WatchOutput, withMachine } from './session.ts';

type News = ResultOf<typeof machineTraceRead>;
export type TraceEvent = News['events'][number];
export type TimesOfVcpu = NonNullable<News['histograms']>[number];

export interface TraceOptions {
  readonly name?: string | undefined;
  readonly probes?: readonly string[] | undefined;
  readonly where?: string | undefined;
  readonly vcpu?: number | undefined;
  readonly fields: readonly string[];
  readonly quantize: boolean;
  /** Ends after so many events. */
  readonly count?: number | undefined;
  /** Ends after so many seconds. */
  readonly seconds?: number | undefined;
  readonly json: boolean;
}

/** How often the engine is asked, in milliseconds. */
const PERIOD = 100;
const BATCH = 10_000;

export async function trace(options: TraceOptions, output: WatchOutput): Promise<void> {
  const { name, probes, where, vcpu, fields, quantize } = options;
  await withMachine(name, output, async (client) => {
    const started = await client.machineTraceStart({
      ...(probes && { probes: [...probes] }),
      ...(where !== undefined && { where }),
      ...(vcpu !== undefined && { vcpu }),
      fields: [...fields],
      histogram: quantize,
    });
    if (quantize) await measure(client, started.trace, { options, output });
    else await follow(client, started.trace, { options, output });
    await client.machineTraceStop(started);
  });
}

interface Session {
  readonly options: TraceOptions;
  readonly output: WatchOutput;
}

async function follow(client: EngineClient, id: number, { options, output }: Session): Promise<void> {
  let left = options.count ?? Number.POSITIVE_INFINITY;
  const end = options.seconds === undefined ? Number.POSITIVE_INFINITY : options.seconds * 1000;
  for (let passed = 0; left > 0 && passed < end; passed += PERIOD) {
    const going = await output.pause(Math.min(PERIOD, end - passed));
    const { events, dropped } = await client.machineTraceRead({ trace: id, limit: Math.min(left, BATCH) });
    left -= events.length;
    if (dropped > 0) output.note(`${dropped} events came too fast and were lost.`);
    const text = events.map((event) => (options.json ? `${JSON.stringify(event)}\n` : eventLine(event))).join('');
    if (text !== '' && !(await output.write(text))) return;
    if (!going) return;
  }
}

/** Measures until it is enough, and prints once at the end, which may be the machine's. */
async function measure(client: EngineClient, id: number, { options, output }: Session): Promise<void> {
  let times: News['histograms'];
  let dropped = 0;
  const end = options.seconds === undefined ? Number.POSITIVE_INFINITY : options.seconds * 1000;
  let ended: unknown;
  for (let passed = 0; passed < end; passed += PERIOD) {
    const going = await output.pause(Math.min(PERIOD, end - passed));
    try {
      const news = await client.machineTraceRead({ trace: id });
      times = news.histograms;
      dropped += news.dropped;
    } catch (failure) {
      if (!hasEnded(failure)) throw failure;
      ended = failure;
    }
    if (!going || ended !== undefined) break;
  }
  if (dropped > 0) output.note(`${dropped} events came too fast and were lost; the times around them are not counted.`);
  await output.write(options.json ? `${JSON.stringify(times ?? [])}\n` : (times ?? []).map(timesText).join('\n'));
  if (ended !== undefined) throw ended;
}

/** Seconds of the machine's clock, vCPU, probe, arguments. */
export function eventLine({ nanoseconds, vcpu, probe, args, fields }: TraceEvent): string {
  const { reason, ...others } = args;
  const words = Object.entries({ ...others, ...fields }).map(([name, value]) => `${name}=${value}`);
  const head = `${(nanoseconds / 1e9).toFixed(9).padStart(16)} ${String(vcpu ?? '-').padStart(2)} ${probe.padEnd(10)}`;
  return `${head} ${[...(reason === undefined ? [] : [reason]), ...words].join(' ')}\n`;
}

const COLUMNS = 40;

export function timesText({ vcpu, guest, handlers, halted, reasons }: TimesOfVcpu): string {
  const parts = [
    histogramText(`vCPU ${vcpu}: time in the guest until an exit`, guest),
    histogramText(`vCPU ${vcpu}: time from an exit until the guest goes on, HLT apart`, handlers),
    ...(halted.buckets.length === 0 ? [] : [histogramText(`vCPU ${vcpu}: time halted`, halted)]),
  ];
  const rows = reasons
    .toSorted((a, b) => b.nanoseconds - a.nanoseconds)
    .map(({ reason, count, nanoseconds }) => {
      const mean = Math.round(nanoseconds / count);
      return `  ${reason.padEnd(22)} ${String(count).padStart(10)} ${(nanoseconds / 1e6).toFixed(3).padStart(14)} ${String(mean).padStart(12)}`;
    });
  const heading = `  ${'reason'.padEnd(22)} ${'exits'.padStart(10)} ${'handlers, ms'.padStart(14)} ${'mean, ns'.padStart(12)}`;
  if (rows.length > 0) parts.push([heading, ...rows, ''].join('\n'));
  return parts.join('\n');
}

function histogramText(title: string, { nanoseconds, buckets }: TimesOfVcpu['guest']): string {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const lines = [`${title}: ${total} times, ${(nanoseconds / 1e6).toFixed(3)} ms`];
  const [first] = buckets;
  const last = buckets.at(-1);
  if (first === undefined || last === undefined) return `${lines[0]}\n`;
  lines.push(`${'ns'.padStart(14)}  ${' distribution '.padStart(27, '-').padEnd(COLUMNS, '-')} count`);
  for (let from = first.from; from <= last.from; from = Math.max(2, from * 2)) {
    const count = buckets.find((bucket) => bucket.from === from)?.count ?? 0;
    const bar = '@'.repeat(Math.round((count / total) * COLUMNS));
    lines.push(`${String(from).padStart(14)} |${bar.padEnd(COLUMNS)} ${count}`);
  }
  return `${lines.join('\n')}\n`;
}
