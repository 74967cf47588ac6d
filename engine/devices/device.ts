import { assert, type MachineClock, type Timer } from '../base/index.ts';
import type { AccessSize, Dma, MachineMemory, Placement } from '../memory/index.ts';
import { type Bound, defineState, type Fields, type InspectedMember, type Layout, type SavedState } from '../state/index.ts';
import type { Port } from './ports.ts';

/** An interrupt output. Levels are the line's, not the device's: whoever wires it knows polarity and routing. */
export interface IrqLine {
  set(active: boolean): void;
}

/** One region of ports or memory. Offsets in bytes from its start; what is read counts in its low `size` bytes. Never throws. */
export interface RegionBehaviour {
  /** `vcpu` is who asks, -1 for a device: for what answers in its registers. */
  read(offset: number, size: AccessSize, vcpu: number): number;
  write(offset: number, value: number, size: AccessSize): void;
}

type Names = readonly string[];
type Sizes = Readonly<Record<string, number>>;
type Needs = Readonly<Record<string, Port<unknown>>>;
type NeededPorts<N extends Needs> = { readonly [K in keyof N]: N[K] extends Port<infer T> ? T : never };

/** What `create` is given: the device's state and everything it may touch. */
export type DeviceParts<S extends DeviceShape> = {
  readonly state: Bound<S['fields']>;
  readonly irqs: { readonly [K in S['irqs'][number]]: IrqLine };
  readonly timers: { readonly [K in S['timers'][number]]: Timer };
  readonly clock: MachineClock;
  readonly dma: Dma;
  /** Where its regions stand; moved and enabled by devices that decode their own addresses, again in `restored`. */
  readonly placements: { readonly [K in keyof S['ports'] | keyof S['mmio']]: Placement };
} & NeededPorts<S['needs']>;

interface DeviceShape {
  fields: Fields;
  ports: Sizes;
  mmio: Sizes;
  irqs: Names;
  timers: Names;
  needs: Needs;
  api: unknown;
}

/**
 * What a device does. All of it is computed from `state` on every call: an object of this type has no mutable fields, because every
 * thread has one of its own over the same state. Runs under the machine lock, on any thread, and never waits.
 */
export interface DeviceBehaviour<S extends DeviceShape, A = S['api']> {
  /** For a device with exactly one region. */
  readonly read?: RegionBehaviour['read'];
  readonly write?: RegionBehaviour['write'];
  /** For a device with several. */
  readonly regions?: { readonly [K in keyof S['ports'] | keyof S['mmio']]: RegionBehaviour };
  readonly timers?: { readonly [K in S['timers'][number]]: (due: number) => void };
  /** After power-on values are in place and timers are cancelled, before `restored`. */
  reset?(): void;
  /** Recompute derived members, outputs, timers and placements from state. Touches no other device except through its lines. */
  restored?(): void;
  /** What the board may call: a power button, the other side of a bus. */
  readonly api?: A;
}

/** The declaration of a kind of device. `A` stands beside the shape because it is inferred from what `create` returns. */
export interface DeviceDeclaration<S extends DeviceShape, A = S['api']> {
  /** Permanent name of the kind; also the name of its state. */
  readonly type: string;
  /** Port regions by name: how many ports. */
  readonly ports?: S['ports'];
  /** MMIO regions by name: bytes. */
  readonly mmio?: S['mmio'];
  /** Regions whose writes may wait until somebody looks at the device: only their order counts. Of ports, writes of all of the region. */
  readonly coalesced?: readonly (keyof S['ports'] | keyof S['mmio'])[];
  /** Wider accesses are split; 1 for ports and 4 for MMIO when absent. */
  readonly widest?: AccessSize;
  readonly irqs?: S['irqs'];
  readonly timers?: S['timers'];
  readonly needs?: S['needs'];
  readonly state: S['fields'];
  create(parts: DeviceParts<S>): DeviceBehaviour<S, A>;
}

/** How one device is wired into a machine. */
export interface DeviceWiring<S extends DeviceShape> {
  /** Name of this one; unique in its machine and permanent, for it is the name of its saved state. */
  readonly name: string;
  /** First port or guest-physical address of each region; absent: not decoded until the device places it. */
  readonly at?: { readonly [K in keyof S['ports'] | keyof S['mmio']]?: number };
  readonly irqs: { readonly [K in S['irqs'][number]]: IrqLine };
  /** Ports not named here are unconnected. */
  readonly needs?: Partial<NeededPorts<S['needs']>>;
}

/** One device of a machine, as one thread sees it. */
export interface Device<S extends DeviceShape = DeviceShape> {
  readonly name: string;
  readonly type: string;
  readonly state: Bound<S['fields']>;
  readonly api: S['api'];
  readonly placements: Readonly<Record<string, Placement>>;
  readonly timers: Readonly<Record<string, Timer>>;
  /** Power-on. */
  reset(): void;
  save(): SavedState;
  /** Hostile input: refused with an `EngineError` and nothing changed, or restored with outputs recomputed. */
  restore(saved: unknown): void;
  inspect(): readonly InspectedMember[];
}

/** A kind of device: `attach` puts one into a machine. */
export interface DeviceKind<S extends DeviceShape = DeviceShape> {
  readonly declaration: DeviceDeclaration<S>;
  readonly layout: Layout<S['fields']>;
  /**
   * Every thread attaches the same devices in the same order before any runs. State is not touched: the thread that makes the machine
   * resets its devices once.
   */
  attach(machine: MachineMemory, wiring: DeviceWiring<S>): Device<S>;
}

/** Declare a kind of device. State is saved, inspected and documented from the table; see `testing/contract.ts` for what it must pass. */
export function defineDevice<
  const F extends Fields,
  const P extends Sizes = Record<never, number>,
  const M extends Sizes = Record<never, number>,
  const I extends Names = readonly [],
  const T extends Names = readonly [],
  const N extends Needs = Record<never, Port<unknown>>,
  A = undefined,
>(
  declared: DeviceDeclaration<{ fields: F; ports: P; mmio: M; irqs: I; timers: T; needs: N; api: unknown }, A>,
): DeviceKind<{ fields: F; ports: P; mmio: M; irqs: I; timers: T; needs: N; api: A }> {
  type S = { fields: F; ports: P; mmio: M; irqs: I; timers: T; needs: N; api: A };
  const declaration = declared as DeviceDeclaration<S>;
  const layout = defineState(declaration.type, declaration.state as F);
  return { declaration, layout, attach: (machine, wiring) => attach<S>(declaration, layout as Layout<F>, { machine, wiring }) };
}

interface Place<S extends DeviceShape> {
  readonly machine: MachineMemory;
  readonly wiring: DeviceWiring<S>;
}

function attach<S extends DeviceShape>(
  declaration: DeviceDeclaration<S>,
  layout: Layout<S['fields']>,
  { machine, wiring }: Place<S>,
): Device<S> {
  const { name } = wiring;
  const state = layout.bind(machine.memory, machine.arena.take(name, layout.size, layout.align));
  let behaviour: DeviceBehaviour<S> = {};
  const fireOf = () => behaviour.timers as Record<string, (due: number) => void> | undefined;
  const timers = Object.fromEntries(
    (declaration.timers ?? []).map((timer) => [timer, machine.deadlines.timer((due) => fireOf()?.[timer]?.(due))]),
  );
  const placements = placeRegions(declaration, { machine, wiring }, (region) => regionOf(behaviour, region));
  const needs = Object.entries(declaration.needs ?? {}).map(([key, port]) => {
    return [key, (wiring.needs as Record<string, unknown> | undefined)?.[key] ?? port.unconnected()];
  });
  behaviour = declaration.create({
    state,
    irqs: wiring.irqs,
    timers,
    clock: machine.clock,
    dma: machine.dma,
    placements,
    ...Object.fromEntries(needs),
  } as DeviceParts<S>);
  for (const region of Object.keys(placements))
    assert(regionOf(behaviour, region) !== undefined, `${name} answers its region ${region}`);
  const cancelTimers = () => {
    for (const timer of Object.values(timers)) timer.cancel();
  };
  return {
    name,
    type: declaration.type,
    state,
    api: behaviour.api as S['api'],
    placements,
    timers,
    reset: () => {
      layout.reset(state);
      cancelTimers();
      behaviour.reset?.();
      behaviour.restored?.();
    },
    save: () => layout.save(state),
    restore: (saved) => {
      layout.restore(state, saved);
      cancelTimers();
      behaviour.restored?.();
    },
    inspect: () => layout.inspect(state),
  };
}

/** The part of a behaviour that answers a region; `read` and `write` at the top answer the only one. */
function regionOf<S extends DeviceShape>(behaviour: DeviceBehaviour<S>, region: string): RegionBehaviour | undefined {
  if (behaviour.regions) return (behaviour.regions as Record<string, RegionBehaviour>)[region];
  const { read, write } = behaviour;
  return read && write ? { read, write } : undefined;
}

function placeRegions<S extends DeviceShape>(
  declaration: DeviceDeclaration<S>,
  { machine, wiring }: Place<S>,
  find: (region: string) => RegionBehaviour | undefined,
): Record<string, Placement> {
  const { widest } = declaration;
  const ports: Sizes = declaration.ports ?? {};
  const mmio: Sizes = declaration.mmio ?? {};
  const options = (region: string) => {
    // Behaviour is made after the regions it may want to place, so it is looked up at the first access.
    let behaviour: RegionBehaviour | undefined;
    const resolve = () => {
      behaviour ??= find(region);
      return behaviour;
    };
    const address = (wiring.at as Record<string, number> | undefined)?.[region];
    return {
      name: `${wiring.name}.${region}`,
      coalesced: (declaration.coalesced as Names | undefined)?.includes(region) ?? false,
      enabled: address !== undefined,
      address: address ?? 0,
      read: (offset: number, size: AccessSize, vcpu: number) => resolve()?.read(offset, size, vcpu) ?? 0xffffffff,
      write: (offset: number, size: AccessSize, value: number) => resolve()?.write(offset, value, size),
    };
  };
  const portRegions = Object.entries(ports).map(([region, count]) => {
    const { address, ...rest } = options(region);
    return [region, machine.bus.addPorts({ port: address, count, widest: widest ?? 1, ...rest })] as const;
  });
  const mmioRegions = Object.entries(mmio).map(([region, size]) => {
    const { address, ...rest } = options(region);
    return [region, machine.bus.addMmio({ gpa: address, size, widest: widest ?? 4, ...rest })] as const;
  });
  return Object.fromEntries([...portRegions, ...mmioRegions]);
}
