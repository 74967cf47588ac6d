/** Regions as the vCPU that ordered them knows them. */
import type { MadeRegion, RegionOrder } from './order.ts';

const PAGE = 4096;

/** A region that was ordered. */
export interface Ordered {
  readonly modeKey: number;
  readonly order: RegionOrder;
  /** The region at this place, which is made anew because it is left for `hot`. */
  readonly again: Region | undefined;
  readonly hot: number;
}

/** A region in the table. It outlives the blocks of its page: whether it is still true is asked when its first one is decoded again. */
export interface Region {
  /** Offset of its first instruction in its page. */
  readonly entry: number;
  readonly modeKey: number;
  readonly slot: number;
  readonly made: MadeRegion;
  /** Times it has been made anew. */
  round: number;
  /** Times it was to be made with code of other pages. */
  farRound: number;
  /** What a region with code of other pages has besides; no `near` where its first instruction lies on two of them. */
  readonly far: { readonly entry: number; readonly near: Region | undefined } | undefined;
}

/** Of a host page, by `keyOf`. */
export type Regions = Map<number, Region>;

/** Of an offset in its page and a mode key. */
export const keyOf = (entry: number, modeKey: number): number => entry + modeKey * PAGE;
