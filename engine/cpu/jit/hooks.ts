/** What a builder of regions and the region it builds know of each other. */
import type { Node } from '../ir/node.ts';

/** What the builder asks of the region it builds. */
export interface RegionHooks {
  /** The end of the instruction on this path. */
  readonly next: () => void;
  /** The direct branch of the instruction is taken. */
  readonly taken: () => void;
  readonly branch: (target: Node) => void;
  /** The instruction has ended, and interrupts are held back until after the next one. */
  readonly shadow: () => void;
  /** Members of the state block that are constant in the region's mode. */
  readonly constants: ReadonlyMap<number, bigint>;
  /** As `SlotBuilder.keepsStack`. */
  readonly keepsStack: boolean;
}

/** What a region's function asks first. */
export interface RegionStart {
  readonly entry: number;
  /** The most it retires before it asks again. */
  readonly instructions: number;
  readonly loops: boolean;
  readonly far: number | undefined;
  readonly long: boolean;
}
