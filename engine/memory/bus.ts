import { allOnes, assert, type Lock } from '../base/index.ts';
import type { Views } from '../state/index.ts';
import type { Arena } from './arena.ts';
import { COALESCED_BYTES, type CoalescedWrite, CoalescedWrites } from './coalesced.ts';
import { FIXED, PAGE, REGIONS } from './map.ts';

/** Size of one access in bytes. */
export type AccessSize = 1 | 2 | 4;
/** `offset` in bytes from the region's start; `vcpu` is who asks, -1 for a device. The result counts in its low `size` bytes. */
export type RegionRead = (offset: number, size: AccessSize, vcpu: number) => number;
export type RegionWrite = (offset: number, size: AccessSize, value: number, vcpu: number) => void;

interface RegionOptions {
  readonly name?: string;
  readonly read: RegionRead;
  readonly write: RegionWrite;
  /** Wider accesses are split into accesses of this size, low first; 4 when absent. An 8-bit chip says 1. */
  readonly widest?: AccessSize;
  /** False: placed later. */
  readonly enabled?: boolean;
  /**
   * Writes may wait until somebody takes the machine lock, as everybody does who looks at the device: see `CoalescedWrites`. Of ports
   * only a write of the whole region does.
   */
  readonly coalesced?: boolean;
}

export interface MmioOptions extends RegionOptions {
  readonly gpa: number;
  /** Bytes. */
  readonly size: number;
}

export interface PortOptions extends RegionOptions {
  readonly port: number;
  readonly count: number;
}

/** Where a region stands. Shared by all threads: one moves it, every thread's dispatch follows at its next access. */
export interface Placement {
  readonly name: string;
  readonly size: number;
  readonly address: number;
  readonly enabled: boolean;
  move(address: number): void;
  enable(enabled: boolean): void;
}

interface Region extends Required<Omit<RegionOptions, 'enabled'>> {
  readonly kind: 'mmio' | 'port';
  readonly index: number;
  readonly size: number;
  /** This thread's copy of the shared placement; -1 while not enabled. */
  at: number;
  /** An earlier region covers a part of it. */
  shadowed: boolean;
}

/** Counted accesses that nobody answered. */
export interface BusCounters {
  unclaimedReads: number;
  unclaimedWrites: number;
}

const A20 = 0x10_0000;

/**
 * Port and MMIO dispatch. Regions are added by every thread in the same order before anything is dispatched; a region added earlier wins
 * where two overlap. An access that spans
 * regions is split into bytes. The caller holds the machine lock.
 */
export class Bus {
  readonly counters: BusCounters = { unclaimedReads: 0, unclaimedWrites: 0 };
  readonly #views: Views;
  readonly #places: Float64Array;
  readonly #regions: Region[] = [];
  readonly #ports = new Uint16Array(0x1_0000);
  #mmio: Region[] = [];
  /** Memory regions whose writes may wait. */
  #coalesced: Region[] = [];
  #generation = -1;
  readonly #waiting: CoalescedWrites;

  /** Takes its place from the arena: every thread does so at the same point. `lock` is the machine lock. */
  constructor(views: Views, { arena, lock }: { readonly arena: Arena; readonly lock: Lock }) {
    this.#views = views;
    this.#waiting = new CoalescedWrites(views, arena.take('coalesced-writes', COALESCED_BYTES, 64));
    lock.acquired = () => this.settle();
    this.#places = new Float64Array(views.buffer as ArrayBuffer, FIXED.placements, REGIONS * 2);
  }

  addMmio(options: MmioOptions): Placement {
    return this.#add('mmio', options.gpa, options.size, options);
  }

  addPorts(options: PortOptions): Placement {
    return this.#add('port', options.port, options.count, options);
  }

  mmioRead(vcpu: number, pa: number, size: AccessSize): number {
    const address = this.#line20(pa);
    const region = this.#findMmio(address);
    if (wholly(region, address, size)) return (region.read(address - region.at, size, vcpu) & allOnes(size)) >>> 0;
    return this.#readPieces(size, (i) => [this.#findMmio(address + i), address + i], vcpu);
  }

  mmioWrite(vcpu: number, pa: number, size: AccessSize, value: number): void {
    const address = this.#line20(pa);
    const region = this.#findMmio(address);
    if (wholly(region, address, size)) region.write(address - region.at, size, (value & allOnes(size)) >>> 0, vcpu);
    else this.#writePieces(size, (i) => [this.#findMmio(address + i), address + i], { vcpu, value });
  }

  portRead(vcpu: number, port: number, size: AccessSize): number {
    const region = this.#findPort(port);
    if (wholly(region, port, size)) return (region.read(port - region.at, size, vcpu) & allOnes(size)) >>> 0;
    return this.#readPieces(size, (i) => [this.#findPort(port + i), (port + i) & 0xffff], vcpu);
  }

  portWrite(vcpu: number, port: number, size: AccessSize, value: number): void {
    const region = this.#findPort(port);
    if (wholly(region, port, size)) region.write(port - region.at, size, (value & allOnes(size)) >>> 0, vcpu);
    else this.#writePieces(size, (i) => [this.#findPort(port + i), (port + i) & 0xffff], { vcpu, value });
  }

  /** Is `letWait` to be asked about a write to a port? */
  mayWait(port: number): boolean {
    return this.#findPort(port)?.coalesced === true;
  }

  /** Does the device there let this write of a vCPU wait? Then it is done as far as the vCPU is concerned. Without the machine lock. */
  letWait(write: CoalescedWrite): boolean {
    this.#refresh();
    const { space, at, size } = write;
    if (space === 'port') {
      const region = this.#findPort(at);
      const waits = region?.coalesced === true && !region.shadowed && at === region.at && size === region.size;
      return waits && this.#waiting.put(write);
    }
    for (const region of this.#coalesced) {
      if (at >= region.at && at + size <= region.at + region.size) return this.#waiting.put(write);
    }
    return false;
  }

  /** Perform the writes that wait, as taking the machine lock does. Under that lock, or while all vCPUs are stopped. */
  settle(): void {
    if (this.#waiting.isEmpty) return;
    this.#waiting.take(({ vcpu, space, at, size, value }) => {
      if (space === 'port') this.portWrite(vcpu, at, size, value);
      else this.mmioWrite(vcpu, at, size, value);
    });
  }

  /** May writes to the whole page wait? */
  coalesces(page: number): boolean {
    this.#refresh();
    return this.#coalesced.some(({ at, size }) => page >= at && page + PAGE <= at + size);
  }

  /** Every region with its place, for the inspector. */
  regions(): readonly { kind: 'mmio' | 'port'; name: string; address: number; size: number; enabled: boolean }[] {
    this.#refresh();
    return this.#regions.map(({ kind, name, at, size, index }) => {
      return { kind, name, address: this.#places[index * 2] as number, size, enabled: at >= 0 };
    });
  }

  #add(kind: 'mmio' | 'port', address: number, size: number, options: RegionOptions): Placement {
    const index = this.#regions.length;
    assert(index < REGIONS, `a machine has at most ${REGIONS} port and MMIO regions`);
    const name = options.name ?? `${kind}${index}`;
    const { read, write, widest = 4, coalesced = false } = options;
    this.#regions.push({ kind, index, size, name, read, write, widest, coalesced, at: -1, shadowed: false });
    this.#generation = -1;
    const flag = (FIXED.placements + index * 16 + 8) >>> 2;
    const places = this.#places;
    const { i32 } = this.#views;
    const known = () => Atomics.load(i32, flag);
    const changed = () => Atomics.add(i32, FIXED.busGeneration >>> 2, 1);
    // The first thread places the region; one that builds the same board later finds it where it stands by now.
    if (known() === 0) {
      places[index * 2] = address;
      Atomics.store(i32, flag, options.enabled === false ? 1 : 3);
      changed();
    }
    return {
      name,
      size,
      get address() {
        return places[index * 2] as number;
      },
      get enabled() {
        return known() === 3;
      },
      move: (to) => {
        if (places[index * 2] === to) return;
        places[index * 2] = to;
        changed();
      },
      enable: (enabled) => {
        if (Atomics.exchange(i32, flag, enabled ? 3 : 1) !== (enabled ? 3 : 1)) changed();
      },
    };
  }

  #refresh(): void {
    const generation = Atomics.load(this.#views.i32, FIXED.busGeneration >>> 2);
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#ports.fill(0);
    for (const region of this.#regions.toReversed()) {
      const enabled = Atomics.load(this.#views.i32, (FIXED.placements + region.index * 16 + 8) >>> 2) === 3;
      region.at = enabled ? (this.#places[region.index * 2] as number) : -1;
      if (enabled && region.kind === 'port') this.#ports.fill(region.index + 1, region.at, region.at + region.size);
    }
    const enabled = this.#regions.filter((region) => region.at >= 0);
    this.#mmio = enabled.filter((region) => region.kind === 'mmio');
    for (const region of enabled) {
      region.shadowed = enabled.some(
        (other) => other.index < region.index && other.kind === region.kind && overlap(other, region),
      );
    }
    this.#coalesced = this.#mmio.filter((region) => region.coalesced && !region.shadowed);
  }

  #findPort(port: number): Region | undefined {
    this.#refresh();
    return this.#regions[(this.#ports[port & 0xffff] as number) - 1];
  }

  #findMmio(pa: number): Region | undefined {
    this.#refresh();
    for (const region of this.#mmio) if (pa >= region.at && pa < region.at + region.size) return region;
    return undefined;
  }

  /** As many bytes as one region takes at once, then on: its width where it answers all of them alone, single bytes elsewhere. */
  #step(size: number, at: number, find: Find): number {
    const [region, address] = find(at);
    const step = region?.widest ?? size;
    for (let i = 1; i < step; i++) {
      if (at + i >= size || find(at + i)[0] !== region || (region && address + i >= region.at + region.size)) return 1;
    }
    return step;
  }

  #readPieces(size: number, find: Find, vcpu: number): number {
    let value = 0;
    for (let at = 0; at < size; ) {
      const [region, address] = find(at);
      const step = this.#step(size, at, find) as AccessSize;
      if (region === undefined) this.counters.unclaimedReads++;
      const piece = region === undefined ? allOnes(step) : (region.read(address - region.at, step, vcpu) & allOnes(step)) >>> 0;
      value += piece * 2 ** (8 * at);
      at += step;
    }
    return value;
  }

  #writePieces(size: number, find: Find, { vcpu, value }: { vcpu: number; value: number }): void {
    for (let at = 0; at < size; ) {
      const [region, address] = find(at);
      const step = this.#step(size, at, find) as AccessSize;
      if (region === undefined) this.counters.unclaimedWrites++;
      else region.write(address - region.at, step, ((value >>> (8 * at)) & allOnes(step)) >>> 0, vcpu);
      at += step;
    }
  }

  #line20(pa: number): number {
    if (this.#views.i32[FIXED.a20Masked >>> 2] === 0 || pa >= 2 ** 32) return pa;
    return Math.floor(pa / A20) % 2 === 1 ? pa - A20 : pa;
  }
}

/** The region that answers the byte at a distance from the access's start, and that byte's address. */
type Find = (at: number) => readonly [Region | undefined, number];

/** The common case: one region answers the whole access at once. */
function wholly(region: Region | undefined, address: number, size: number): region is Region {
  return region !== undefined && size <= region.widest && !region.shadowed && address + size <= region.at + region.size;
}

function overlap(a: Region, b: Region): boolean {
  return a.at < b.at + b.size && b.at < a.at + a.size;
}
