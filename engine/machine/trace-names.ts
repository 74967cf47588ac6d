/** What the names in an expression mean for an event, and how an event's arguments are shown. */
import { EXIT_REASONS, exitReasonName, PROBE, PROBES, type ProbeEvent } from '../hypervisor/index.ts';

/** The value of a name in an event; `undefined` where it has none. */
type Argument = (event: ProbeEvent) => bigint | undefined;

const REASON = { crAccess: 28n, io: 30n } as const;

/** Facts inside the exit qualification (SDM vol. 3, tables 27-3 and 27-5), under the names the probes of those exits use. */
const INSIDE: Readonly<Record<string, (reason: bigint, qualification: bigint) => bigint | undefined>> = {
  port: (reason, q) => (reason === REASON.io ? (q >> 16n) & 0xffffn : undefined),
  size: (reason, q) => (reason === REASON.io ? (q & 7n) + 1n : undefined),
  write: (reason, q) => {
    if (reason === REASON.io) return ((q >> 3n) & 1n) ^ 1n;
    return reason === REASON.crAccess && (q & 0x20n) === 0n ? ((q >> 4n) & 1n) ^ 1n : undefined;
  },
  cr: (reason, q) => (reason === REASON.crAccess && (q & 0x20n) === 0n ? q & 15n : undefined),
};

const known = new Set(PROBES.flatMap(({ args }) => args));

/** What a name means that is no VMCS field; `undefined` when it means nothing. */
export function argumentOf(name: string): Argument | undefined {
  if (name === 'vcpu') return ({ vcpu }) => (vcpu < 0 ? undefined : BigInt(vcpu));
  if (name === 'time') return ({ time }) => BigInt(Math.floor(time));
  const reason = EXIT_REASONS.get(name);
  if (reason !== undefined) return () => BigInt(reason);
  const inside = Object.hasOwn(INSIDE, name) ? INSIDE[name] : undefined;
  if (!known.has(name) && inside === undefined) return undefined;
  const places = PROBES.map(({ args }) => args.indexOf(name));
  return ({ probe, args }) => {
    const own = args[places[probe.id] as number];
    if (own !== undefined || inside === undefined || probe !== PROBE.exit) return own;
    return inside(args[0] as bigint, args[1] as bigint);
  };
}

const DERIVED = Object.keys(INSIDE).map((name) => [name, argumentOf(name) as Argument] as const);

/** Arguments by name, as text: reasons by name, everything else in hexadecimal; what an exit's qualification holds besides. */
export function argumentTexts(event: ProbeEvent): Record<string, string> {
  const { probe, args } = event;
  const texts = Object.fromEntries(
    probe.args.map((name, i) => {
      const value = args[i] ?? 0n;
      return [name, name === 'reason' ? exitReasonName(Number(value & 0xffffn)) : `0x${value.toString(16)}`];
    }),
  );
  if (probe !== PROBE.exit) return texts;
  for (const [name, argument] of DERIVED) {
    const value = argument(event);
    if (value !== undefined) texts[name] = `0x${value.toString(16)}`;
  }
  return texts;
}
