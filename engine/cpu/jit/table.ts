/** Slot of a function that returns to the interpreter, which executes what stands there whether that has a region or not. */
export const SKIP_SLOT = 1;
/** By the width: routines that leave a region after a sum or difference. */
const after = (of: string) => ({
  8: `leaveAfter.${of}8`,
  16: `leaveAfter.${of}16`,
  32: `leaveAfter.${of}32`,
  64: `leaveAfter.${of}64`,
});
export const LEAVE_AFTER = { sum: after('sum'), difference: after('difference') };
/** What regions call last, in slots from `SKIP_SLOT` on: an import of each module would be one line of memory more that every region has for itself. */
export const LASTS: readonly string[] = [
  ...['skipRegion', 'goOn', 'leaveRegion'],
  ...Object.values(LEAVE_AFTER).flatMap((names) => Object.values(names)),
];
const SLOT_OF_LAST = new Map(LASTS.map((name, i) => [name, SKIP_SLOT + i]));
export const slotOfLast = (name: string): number => SLOT_OF_LAST.get(name) as number;
/**
 * The table of regions of one thread. Slot 0, and every slot without a region, holds a function that returns to the interpreter. It grows where
 * everything becomes a region.
 */
const SLOTS = 16384;
const MOST_SLOTS = 65536;

/** What every vCPU of a thread shares: the table, and the routines regions import. */
export interface RegionTable {
  readonly table: WebAssembly.Table;
  readonly routines: () => Record<string, unknown>;
  /** The function of a slot without a region. */
  readonly empty: () => unknown;
  take(): number;
  release(slot: number): void;
}

export function createRegionTable(): RegionTable & { connect(exports: WebAssembly.Exports): void } {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: SLOTS });
  const free: number[] = [];
  let next = SKIP_SLOT + LASTS.length;
  let exports: WebAssembly.Exports = {};
  return {
    table,
    routines: () => exports as Record<string, unknown>,
    empty: () => exports['noRegion'],
    take() {
      const slot = free.pop();
      if (slot !== undefined) return slot;
      if (next === table.length && next < MOST_SLOTS) table.grow(SLOTS, exports['noRegion']);
      return next < table.length ? next++ : 0;
    },
    release(slot) {
      table.set(slot, exports['noRegion']);
      free.push(slot);
    },
    connect(of) {
      exports = of;
      for (let slot = 0; slot < SLOTS; slot++) table.set(slot, of['noRegion']);
      for (const name of LASTS) table.set(slotOfLast(name), of[name]);
    },
  };
}
