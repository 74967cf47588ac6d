/**
 * The memory slots as the guest's processor sees them: extended page tables filled on first touch, emptied when slots change, read for
 * the dirty log.
 */
import { Lock } from '../../../base/index.ts';
import { FIXED, type MachineMemory, PHYS, PHYSICAL_END } from '../../../memory/index.ts';
import { COUNTER, type Observation } from '../../index.ts';
import { Ept, type EptPage, LARGE_PAGE } from './ept.ts';

const PAGE = 4096;
/** EPT pointer: write-back, four levels, accessed and dirty flags. */
const POINTER = 6n | (3n << 3n) | (1n << 6n);
/** Address bit 20, which the A20 line holds low. */
const A20 = 2 ** 20;

/** What lies at a guest-physical address: memory, which is mapped now; or the bus answers this access; or there was no table left. */
export type Touched = 'mapped' | 'bus' | 'exhausted';

export class Mmu {
  readonly #memory: MachineMemory;
  readonly #counters: Observation['counters'];
  readonly #ept: Ept;
  readonly #lock: Lock;

  constructor(memory: MachineMemory, { counters }: Observation) {
    this.#memory = memory;
    this.#counters = counters;
    this.#ept = new Ept(memory);
    this.#lock = new Lock(memory.i32, memory.arena.take('mmu-lock', 4, 64) >>> 2);
  }

  get eptPointer(): bigint {
    return BigInt(this.#ept.root) | POINTER;
  }

  /** An EPT violation of vCPU `vcpu`: map what is there. */
  touch(vcpu: number, gpa: number, write: boolean): Touched {
    const entry = this.#entry(gpa);
    const page = gpa - (gpa % PAGE);
    const hpa = (entry & 0xfffff000) >>> 0;
    if ((entry & PHYS.RAM) !== 0) {
      const inside = this.#isLarge(page, hpa) ? page % LARGE_PAGE : -1;
      const mapped = inside < 0 ? { hpa, as: 'ram', large: false } : { hpa: hpa - inside, as: 'ram', large: true };
      return this.#map(vcpu, page, mapped as EptPage) ? 'mapped' : 'exhausted';
    }
    if ((entry & PHYS.ROM) !== 0) {
      if (!this.#map(vcpu, page, { hpa, as: 'rom', large: false })) return 'exhausted';
      return write ? 'bus' : 'mapped';
    }
    // Writes that the device lets wait do not even exit.
    const as = this.#memory.bus.coalesces(page) ? 'coalesced' : 'mmio';
    return this.#map(vcpu, page, { hpa: 0, as, large: false }) ? 'bus' : 'exhausted';
  }

  /** Forget all mappings: the slots have changed, or tables ran out. No vCPU runs, and each flushes its TLB before it goes on. */
  zap(): void {
    this.#lock.run(() => {
      this.#counters.add(-1, COUNTER.lpages, -this.#ept.large);
      this.#counters.add(-1, COUNTER['mmu-pte-zapped'], this.#ept.clear());
    });
  }

  /** As `zap`, because `vcpu` found no table left. */
  recycle(vcpu: number): void {
    this.#counters.add(vcpu, COUNTER['mmu-recycled'], this.#ept.tables);
    this.harvestAll();
    this.zap();
  }

  /** Bring the dirty flags of a slot's pages into its dirty log. The caller flushes write entries afterwards. */
  harvest(slot: number): void {
    const found = this.#memory.slots.get(slot);
    if (found === undefined) return;
    const mark = (gpa: number): void => this.#memory.dirtyLog.mark((this.#entry(gpa) & 0xfffff000) >>> 0);
    this.#lock.run(() => {
      this.#ept.takeDirty(found.gpa, found.size, mark);
      if (this.#memory.i32[FIXED.a20Masked >>> 2] !== 0) this.#ept.takeDirty(found.gpa + A20, found.size, mark);
    });
  }

  /** As `harvest` for every slot that logs; before tables are forgotten. */
  harvestAll(): void {
    for (const { slot, log } of this.#memory.slots.all()) if (log) this.harvest(slot);
  }

  #map(vcpu: number, gpa: number, page: EptPage): boolean {
    return this.#lock.run(() => {
      const before = this.#ept.tables;
      const { large } = this.#ept;
      const done = this.#ept.map(gpa, page);
      const made = this.#ept.tables - before;
      if (made !== 0) this.#counters.add(vcpu, COUNTER['mmu-cache-miss'], made);
      if (page.large) this.#counters.add(vcpu, COUNTER.lpages, this.#ept.large - large);
      return done;
    });
  }

  /** Entry of the table of guest-physical pages. */
  #entry(gpa: number): number {
    return gpa < PHYSICAL_END ? (this.#memory.u32[(FIXED.physTable >>> 2) + Math.floor(gpa / PAGE)] as number) : 0;
  }

  /** Can the 2 MiB around a page be one page: all memory, in one piece, aligned, its writes not logged? */
  #isLarge(gpa: number, hpa: number): boolean {
    const inside = gpa % LARGE_PAGE;
    const first = hpa - inside;
    if (first % LARGE_PAGE !== 0 || this.#ept.hasSmallPages(gpa)) return false;
    const { u32, slots } = this.#memory;
    const at = (FIXED.physTable >>> 2) + Math.floor((gpa - inside) / PAGE);
    for (let i = 0; i < LARGE_PAGE / PAGE; i++) {
      if ((u32[at + i] as number) !== ((first + i * PAGE) | PHYS.RAM) >>> 0) return false;
    }
    return !slots.all().some((slot) => slot.log === true && gpa >= slot.gpa && gpa < slot.gpa + slot.size);
  }
}
