/** Where the time goes: how long vCPUs stay in the guest and in the handlers of their exits, in powers of two of a nanosecond. */
import { exitReasonName, PROBE, type ProbeEvent } from '../hypervisor/index.ts';

/** `counts[n]`: how many took from 2^n to below 2^(n+1) ns; the first also counts what took less. */
export interface Histogram {
  readonly counts: number[];
  nanoseconds: number;
}

const BUCKETS = 48;
const HLT = 12n;

const KINDS = ['guest', 'handlers', 'halted'] as const;
type Kind = (typeof KINDS)[number];

interface Seen {
  readonly histograms: Readonly<Record<Kind, Histogram>>;
  /** By basic exit reason. */
  readonly reasons: Map<number, { count: number; nanoseconds: number }>;
  entered: number | undefined;
  exited: { readonly time: number; readonly reason: bigint } | undefined;
}

const empty = (): Histogram => ({ counts: Array(BUCKETS).fill(0), nanoseconds: 0 });

function add(histogram: Histogram, nanoseconds: number): void {
  const bucket = Math.min(BUCKETS - 1, Math.floor(Math.log2(Math.max(1, nanoseconds))));
  histogram.counts[bucket] = (histogram.counts[bucket] as number) + 1;
  histogram.nanoseconds += nanoseconds;
}

export class TimeHistograms {
  readonly #wanted: (exit: ProbeEvent) => boolean;
  readonly #vcpus = new Map<number, Seen>();

  /** `wanted` chooses the exits that count: the time in the guest before them, and the time until the guest goes on. */
  constructor(wanted: (exit: ProbeEvent) => boolean) {
    this.#wanted = wanted;
  }

  feed(event: ProbeEvent): void {
    const { probe, vcpu, time, args } = event;
    const seen = this.#of(vcpu);
    if (probe === PROBE.entry) {
      if (seen.exited !== undefined) {
        const { time: since, reason } = seen.exited;
        // A halted vCPU sleeps: what its handler takes says nothing about the handler.
        add(seen.histograms[reason === HLT ? 'halted' : 'handlers'], time - since);
        const number = Number(reason);
        const sum = seen.reasons.get(number) ?? { count: 0, nanoseconds: 0 };
        seen.reasons.set(number, { count: sum.count + 1, nanoseconds: sum.nanoseconds + time - since });
      }
      seen.entered = time;
      seen.exited = undefined;
    } else if (probe === PROBE.exit) {
      const wanted = this.#wanted(event);
      if (wanted && seen.entered !== undefined) add(seen.histograms.guest, time - seen.entered);
      seen.entered = undefined;
      seen.exited = wanted ? { time, reason: (args[0] as bigint) & 0xffffn } : undefined;
    }
  }

  /** Events were lost: what is half measured is no measure. */
  interrupted(vcpu: number): void {
    const seen = this.#of(vcpu);
    seen.entered = undefined;
    seen.exited = undefined;
  }

  /** What was measured so far, one entry for each vCPU. */
  get all() {
    return [...this.#vcpus].map(([vcpu, { histograms, reasons }]) => ({
      vcpu,
      ...histograms,
      reasons: [...reasons].map(([reason, sum]) => ({ reason: exitReasonName(reason), ...sum })),
    }));
  }

  #of(vcpu: number): Seen {
    const known = this.#vcpus.get(vcpu);
    if (known !== undefined) return known;
    const histograms = { guest: empty(), handlers: empty(), halted: empty() };
    const seen: Seen = { histograms, reasons: new Map(), entered: undefined, exited: undefined };
    this.#vcpus.set(vcpu, seen);
    return seen;
  }
}
