/**
 * What every device must keep, whatever its guest does: reset is power-on, a saved device is the same device after restore, a hostile
 * saved state changes nothing, and random accesses with time going backwards never throw or leave the declared ranges.
 */
import { describe, expect, test } from 'vitest';
import { EngineError } from '../../base/index.ts';
import { type AccessSize, createMachineMemory, type MachineMemory } from '../../memory/index.ts';
import type { SavedState } from '../../state/index.ts';
import type { Device, DeviceKind, IrqLine } from '../device.ts';
import { type RandomSource, randomSource } from './random.ts';

/** One device alone in a small machine, with everything around it under the test's control. */
export interface DeviceBench<D extends Device = Device> {
  readonly device: D;
  readonly machine: MachineMemory;
  /** Level of each interrupt output. */
  readonly lines: Record<string, boolean>;
  /** How often each output went up. */
  readonly edges: Record<string, number>;
  /** Host time in ns; move it either way. */
  readonly time: { ns: number };
  /** Access to the device's first region, or to the one named. */
  read(offset: number, size?: AccessSize, region?: string): number;
  write(offset: number, value: number, size?: AccessSize, region?: string): void;
  /** Let machine time pass and serve what falls due. */
  advance(ns: number): void;
}

/** Any `DeviceKind`, whatever its state. */
interface AnyKind {
  readonly declaration: { readonly type: string };
  attach(machine: MachineMemory, wiring: never): unknown;
}
export type DeviceOf<K> = K extends { attach(machine: MachineMemory, wiring: never): infer D } ? D : never;

export interface BenchOptions {
  /** What the device needs; made anew for each bench. What keeps state keeps it in the machine's RAM. Absent: unconnected. */
  readonly needs?: (machine: MachineMemory) => object;
  /** Where regions stand; absent: one after the other from port 0x100 and from MMIO 0xf0000000. */
  readonly at?: Readonly<Record<string, number>>;
}

const RAM = 2 ** 20;

/** A bench with the device at power-on. */
export function deviceBench<K extends AnyKind>(kind: K, options: BenchOptions = {}): DeviceBench<DeviceOf<K> & Device> {
  const { declaration, attach } = kind as unknown as DeviceKind;
  const time = { ns: 1e9 };
  const machine = createMachineMemory({ ramBytes: RAM, vcpus: 1, arenaBytes: RAM, hostNow: () => time.ns });
  machine.slots.setSlot({ slot: 0, gpa: 0, size: RAM, hva: machine.map.ramBase });
  machine.clock.start();
  machine.lock.acquire();
  const lines: Record<string, boolean> = {};
  const edges: Record<string, number> = {};
  const irqs: Record<string, IrqLine> = {};
  for (const name of declaration.irqs ?? []) {
    lines[name] = false;
    edges[name] = 0;
    irqs[name] = {
      set: (active) => {
        if (active && !lines[name]) edges[name] = (edges[name] as number) + 1;
        lines[name] = active;
      },
    };
  }
  const at: Record<string, number> = {};
  let port = 0x100;
  for (const [region, count] of Object.entries(declaration.ports ?? {})) {
    at[region] = options.at?.[region] ?? port;
    port += count;
  }
  let gpa = 0xf000_0000;
  for (const [region, size] of Object.entries(declaration.mmio ?? {})) {
    at[region] = options.at?.[region] ?? gpa;
    gpa += Math.ceil(size / 4096) * 4096;
  }
  const device = attach(machine, { name: 'bench', at, irqs, needs: (options.needs?.(machine) ?? {}) as never });
  device.reset();
  const isPort = (region: string) => region in (declaration.ports ?? {});
  const place = (region: string | undefined) => {
    const name = region ?? Object.keys(at)[0];
    if (name === undefined || !(name in device.placements)) throw new Error(`no region ${region}`);
    return { name, address: device.placements[name]?.address ?? 0 };
  };
  return {
    device: device as never,
    machine,
    lines,
    edges,
    time,
    read: (offset, size = 1, region = undefined) => {
      const { name, address } = place(region);
      return isPort(name) ? machine.bus.portRead(0, address + offset, size) : machine.bus.mmioRead(0, address + offset, size);
    },
    write: (offset, value, size = 1, region = undefined) => {
      const { name, address } = place(region);
      if (isPort(name)) machine.bus.portWrite(0, address + offset, size, value);
      else machine.bus.mmioWrite(0, address + offset, size, value);
    },
    advance: (ns) => {
      const until = machine.clock.now() + ns;
      // Step from deadline to deadline, so that a periodic timer is served as often as it would be.
      for (
        let next = machine.deadlines.next(), steps = 0;
        next <= until && steps < 10_000;
        next = machine.deadlines.next(), steps++
      ) {
        time.ns += Math.max(0, next - machine.clock.now());
        machine.deadlines.serve(machine.clock.now());
      }
      time.ns += Math.max(0, until - machine.clock.now());
    },
  };
}

export interface ContractOptions<K> extends BenchOptions {
  /** Brings the device into a state worth saving. */
  readonly disturb?: (bench: DeviceBench<DeviceOf<K> & Device>) => void;
  /** Random accesses per run; 400 when absent. */
  readonly accesses?: number;
  /** Seeds to run besides the standing ones: those that once found something. */
  readonly seeds?: readonly number[];
}

export interface ContractCase {
  readonly name: string;
  run(): void;
}

const SIZES: readonly AccessSize[] = [1, 2, 4];

/** One random thing that can happen to a device. Returns what the guest saw. */
function happen(bench: DeviceBench, random: RandomSource): number {
  const regions = Object.keys(bench.device.placements);
  const region = regions[random.below(regions.length || 1)];
  const what = random.below(10);
  if (region === undefined || what === 0) {
    const jump = random.below(2) === 0 ? random.below(1e9) : random.below(2000);
    bench.time.ns = Math.max(0, bench.time.ns + (random.below(4) === 0 ? -jump : jump));
    bench.machine.deadlines.serve(bench.machine.clock.now());
    return 0;
  }
  const size = SIZES[random.below(3)] as AccessSize;
  const offset = random.below(Math.max(1, Math.min(bench.device.placements[region]?.size ?? 1, 0x1000)));
  if (what < 5) return bench.read(offset, size, region);
  bench.write(offset, random.word(), size, region);
  return 0;
}

/** Everything about a device that others can see or that is saved. */
function picture(bench: DeviceBench): unknown {
  const places = Object.entries(bench.device.placements).map(([name, { address, enabled }]) => [name, address, enabled]);
  const timers = Object.entries(bench.device.timers).map(([name, { deadline }]) => [name, Number.isFinite(deadline)]);
  return { saved: bench.device.save(), lines: { ...bench.lines }, places, timers };
}

/** Wrong in one way: what a damaged or malicious file contains. */
function damage(saved: SavedState, random: RandomSource): unknown {
  const values: unknown[] = [
    null,
    undefined,
    -1,
    2 ** 40,
    1.5,
    Number.NaN,
    '1',
    10n ** 30n,
    -1n,
    {},
    [],
    new Uint8Array(70_000),
    true,
    [[]],
  ];
  const value = values[random.below(values.length)];
  const pairs: unknown[] = saved.map((pair) => [...pair]);
  const where = random.below(pairs.length + 1);
  const wrong = [
    () => value,
    () => [...pairs, [random.below(2) ? random.below(70_000) : value, value]],
    () => pairs.map((pair, i) => (i === where ? [(pair as unknown[])[0], value] : pair)),
    () => [...pairs, ...pairs],
    () => [...pairs.slice(0, where), value, ...pairs.slice(where)],
    () => pairs.map((pair, i) => (i === where ? [(pair as unknown[])[0], random.word()] : pair)),
  ];
  return (wrong[random.below(wrong.length)] as () => unknown)();
}

/** The cases of the contract, for a runner of tests. */
export function contractCases<K extends AnyKind>(kind: K, options: ContractOptions<K> = {}): ContractCase[] {
  const seeds = [1, 20261121, 0x5eed, ...(options.seeds ?? [])];
  const accesses = options.accesses ?? 400;
  const make = () => deviceBench(kind, options) as DeviceBench<DeviceOf<K> & Device>;
  const used = (random: RandomSource) => {
    const bench = make();
    options.disturb?.(bench);
    for (let i = 0; i < accesses; i++) happen(bench, random);
    return bench;
  };
  const restoredFrom = (bench: DeviceBench) => {
    const other = make();
    other.time.ns = bench.time.ns;
    other.machine.dma.write(0, bench.machine.dma.read(0, RAM));
    other.device.restore(bench.device.save());
    return other;
  };
  return [
    {
      name: 'reset is power-on',
      run: () => {
        for (const seed of seeds) {
          const bench = used(randomSource(seed));
          bench.device.reset();
          const fresh = make();
          fresh.time.ns = bench.time.ns;
          fresh.device.reset();
          expect(picture(bench), `seed ${seed}`).toEqual(picture(fresh));
        }
      },
    },
    {
      name: 'restore brings back state and outputs, and saving changes nothing',
      run: () => {
        for (const seed of seeds) {
          const random = randomSource(seed);
          const bench = make();
          options.disturb?.(bench);
          for (let stop = 0; stop < 16; stop++) {
            const before = picture(bench);
            expect(picture(bench), `saved twice, seed ${seed}`).toEqual(before);
            expect(picture(restoredFrom(bench)), `seed ${seed}, stop ${stop}`).toEqual(before);
            for (let i = 0; i < accesses / 8; i++) happen(bench, random);
          }
        }
      },
    },
    {
      name: 'a restored device goes on as the saved one',
      run: () => {
        for (const seed of seeds) {
          const bench = used(randomSource(seed));
          const other = restoredFrom(bench);
          const [mine, theirs] = [randomSource(seed + 1), randomSource(seed + 1)];
          for (let i = 0; i < accesses; i++) expect(happen(other, theirs), `seed ${seed}, access ${i}`).toBe(happen(bench, mine));
          expect(picture(other), `seed ${seed}`).toEqual(picture(bench));
        }
      },
    },
    {
      name: 'a hostile saved state is refused with nothing changed, or is one the device can live with',
      run: () => {
        for (const seed of seeds) {
          const random = randomSource(seed);
          const bench = used(random);
          for (let i = 0; i < 200; i++) {
            const before = bench.device.save();
            try {
              bench.device.restore(damage(before, random));
            } catch (error) {
              expect(error, `seed ${seed}, attempt ${i}`).toBeInstanceOf(EngineError);
              expect(bench.device.save(), `seed ${seed}, attempt ${i}`).toEqual(before);
            }
            happen(bench, random);
          }
        }
      },
    },
    {
      name: 'random accesses with time going backwards stay within the declared ranges',
      run: () => {
        for (const seed of seeds) {
          const random = randomSource(seed);
          const bench = make();
          options.disturb?.(bench);
          for (let i = 0; i < accesses * 4; i++) {
            const value = happen(bench, random);
            if (!(value >= 0 && value <= 0xffffffff)) expect.fail(`read ${value}, seed ${seed}`);
          }
          // A value outside its member's mask or range would be refused here.
          expect(() => make().device.restore(bench.device.save()), `seed ${seed}`).not.toThrow();
        }
      },
    },
  ];
}

/** Declares the contract's tests for a kind of device. */
export function deviceContract<K extends AnyKind>(kind: K, options: ContractOptions<K> = {}): void {
  describe(`${kind.declaration.type}: device contract`, () => {
    for (const { name, run } of contractCases(kind, options)) test(name, run);
  });
}
