/** A thread's way to the compiler of regions: here and now, or on another thread while the guest goes on in the interpreter. */
import type { MachineMemory } from '../../memory/index.ts';
import { instantiateRegions, type RegionFunction } from './compile.ts';
import type { CompilerPort, MadeRegion, RegionAnswer, RegionOrder } from './order.ts';
import type { RegionCompiler } from './region-compiler.ts';
import type { RegionTable } from './table.ts';

/** A vCPU as it hears of its orders. */
export interface Customer {
  /** Whether the region was taken: its code may have changed meanwhile. */
  install(region: MadeRegion, run: RegionFunction): boolean;
  failed(ticket: number): void;
  covered(ticket: number): void;
  /** What a module of this thread has cost. */
  count(answer: RegionAnswer): void;
}

export interface CompilerLinkOptions {
  readonly machine: MachineMemory;
  readonly regions: RegionTable;
  /** Compiles on this thread. */
  readonly own: () => RegionCompiler;
  /** Compiles elsewhere; absent: it is done here. */
  readonly port: CompilerPort | undefined;
}

export class CompilerLink {
  readonly #o: CompilerLinkOptions;
  readonly #customers = new Map<number, Customer>();

  constructor(options: CompilerLinkOptions) {
    this.#o = options;
  }

  /** Orders are answered later. */
  get isElsewhere(): boolean {
    return this.#o.port !== undefined;
  }

  register(vcpu: number, customer: Customer): void {
    this.#customers.set(vcpu, customer);
  }

  /** Ask the other thread. */
  post(order: RegionOrder): void {
    this.#o.port?.post(order);
  }

  /** Carry these out at once. */
  compileHere(orders: readonly RegionOrder[]): void {
    this.#take(this.#o.own().compile(orders));
  }

  /** Take what has been answered meanwhile; nearly free when there is nothing. */
  poll(): void {
    const { port } = this.#o;
    if (port === undefined) return;
    for (let answer = port.receive(); answer !== undefined; answer = port.receive()) this.#take(answer);
  }

  #take(answer: RegionAnswer): void {
    const { machine, regions } = this.#o;
    for (const { vcpu, ticket } of answer.failed) this.#customers.get(vcpu)?.failed(ticket);
    for (const { vcpu, ticket } of answer.covered) this.#customers.get(vcpu)?.covered(ticket);
    const { module } = answer;
    const first = answer.regions[0] ?? answer.failed[0] ?? answer.covered[0];
    if (first !== undefined) this.#customers.get(first.vcpu)?.count(answer);
    if (module === undefined) return;
    const functions = instantiateRegions(module, { machine, table: regions.table, routines: regions.routines() });
    for (const [i, region] of answer.regions.entries())
      this.#customers.get(region.vcpu)?.install(region, functions[i] as RegionFunction);
  }
}
