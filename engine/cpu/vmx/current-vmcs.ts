/**
 * The current VMCS of one vCPU: where it lies in memory, and which rules of VM entry have to be looked at before the next one. A
 * transition touches about two hundred words of it, so it is read and written as words of the machine's memory.
 */
import { FIXED, forgetCodeOf, PHYS, PHYSICAL_END } from '../../memory/index.ts';
import { vcpuState } from '../state.ts';

const POINTER = vcpuState.fields.vmcsPointer.offset;
/** Upper half of a pointer from which on the table of pages has nothing. */
const BEYOND = PHYSICAL_END / 2 ** 32;
const PAGE_WORDS = 1024;

type VcpuState = ReturnType<(typeof vcpuState)['bind']>;

/** Rules of VM entry by number, and which of them depend on a field. */
export interface RuleIndex {
  readonly count: number;
  /** By index of the field's first word. */
  readonly of: readonly (readonly number[] | undefined)[];
  /** Word of the processor-based controls, and which bits of it each rule reads. */
  readonly procWord: number;
  readonly procBits: Int32Array;
}

export class CurrentVmcs {
  readonly #s: VcpuState;
  readonly #rules: RuleIndex;
  /** Stands for a region that is no RAM (any more): reads as ones, keeps nothing. */
  readonly #nowhere = new Uint32Array(PAGE_WORDS);
  /** Bit i: rule i has to be looked at. All rules after the region became current, later those whose fields VMWRITE changed. */
  readonly due: Uint32Array;
  /** What `at` counts in; valid after `locate`. */
  words: Uint32Array;

  constructor(s: VcpuState, rules: RuleIndex) {
    this.#s = s;
    this.#rules = rules;
    this.due = new Uint32Array((rules.count + 31) >>> 5);
    this.words = s.views.u32;
    this.forget();
  }

  /** Index of the region's first word in `words`. The map of the machine may have changed since it became current. */
  locate(): number {
    const { views, base } = this.#s;
    const { u32 } = views;
    const at = (base + POINTER) >>> 2;
    const high = u32[at + 1] as number;
    const entry = high < BEYOND ? (u32[(this.#s.busTable >>> 2) + (((u32[at] as number) >>> 12) | (high << 20))] as number) : 0;
    if ((entry & PHYS.RAM) === 0) {
      this.words = this.#nowhere.fill(0xffffffff);
      return 0;
    }
    this.words = u32;
    return (entry & 0xfffff000) >>> 2;
  }

  /** The same, for writing: the dirty log is kept and decoded code of the page is dropped. */
  locateToWrite(): number {
    const first = this.locate();
    if (this.words === this.#nowhere) return first;
    const { i32, u32 } = this.#s.views;
    const page = first >>> 10;
    const info = (FIXED.pageInfo >>> 2) + page * 4;
    if (((u32[info] as number) | (u32[info + 1] as number)) !== 0) forgetCodeOf(i32, page);
    const at = (this.#s.base + POINTER) >>> 2;
    const entry = (this.#s.busTable >>> 2) + (((u32[at] as number) >>> 12) | ((u32[at + 1] as number) << 20));
    if (((u32[entry] as number) & PHYS.LOG) !== 0) {
      Atomics.and(i32, entry, ~PHYS.LOG);
      Atomics.or(i32, (FIXED.dirtyBits >>> 2) + (page >>> 5), 1 << (page & 31));
    }
    return first;
  }

  /** Another region is current, or somebody may have written this one: nothing is known about it. */
  forget(): void {
    this.due.fill(0xffffffff);
  }

  /** These rules hold, whatever they were due for. */
  hold(rules: readonly number[]): void {
    const { due } = this;
    for (const rule of rules) due[rule >>> 5] = (due[rule >>> 5] as number) & ~(1 << (rule & 31));
  }

  /** A field changed otherwise than by a VM exit: `bits` of its low word, -1 where upper ones did too. */
  changed(word: number, bits = -1): void {
    const { due } = this;
    const { of, procWord, procBits } = this.#rules;
    const rules = of[word];
    if (rules === undefined) return;
    for (const rule of rules) {
      if (word === procWord && ((procBits[rule] as number) & bits) === 0) continue;
      due[rule >>> 5] = (due[rule >>> 5] as number) | (1 << (rule & 31));
    }
  }
}
