/** What the names in an expression mean for an event, and how an event's arguments are shown. */
import { EXIT_REASONS, exitReasonName } from './exit-reasons.ts';
import { PROBE, PROBES, type Probe } from './probe-table.ts';
import { parseWhere } from './where.ts';

/** An event as probes have it while it happens, and as listeners get it. */
export interface Happening {
  readonly probe: Probe;
  /** -1: for no vCPU. */
  readonly vcpu: number;
  /** Machine time in ns. */
  readonly time: number;
  /** The probe's arguments, as `probe.args` names them. */
  readonly args: readonly bigint[];
}

/** The value of a name in an event; `undefined` where it has none. */
type Argument = (event: Happening) => bigint | undefined;

/** Reads a field of the VMCS under which a vCPU's guest runs; `undefined` where there is none. On the vCPU's own thread. */
export type FieldReader = (vcpu: number, encoding: number) => bigint | undefined;

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
function argumentOf(name: string): Argument | undefined {
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

/**
 * An expression as a test of events, with VMCS fields by name. Throws `WhereError`. Fields are read while an event happens, so only its own
 * thread can ask about them.
 */
export function compileWhere(
  where: string,
  vmcsFields: Readonly<Record<string, number>>,
  readField: FieldReader,
): (event: Happening) => boolean {
  let current: Happening | undefined;
  const holds = parseWhere(where, (name) => {
    const argument = argumentOf(name);
    if (argument !== undefined) return () => current && argument(current);
    if (!Object.hasOwn(vmcsFields, name)) return undefined;
    const encoding = vmcsFields[name] as number;
    return () => (current === undefined || current.vcpu < 0 ? undefined : readField(current.vcpu, encoding));
  });
  return (event) => {
    current = event;
    return holds();
  };
}

const DERIVED = Object.keys(INSIDE).map((name) => [name, argumentOf(name) as Argument] as const);

/** Arguments by name, as text: reasons by name, everything else in hexadecimal; what an exit's qualification holds besides. */
export function argumentTexts(event: Happening): Record<string, string> {
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
