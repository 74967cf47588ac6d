/** What the JIT of one vCPU has done since power on, and what it has in use. */

/** Why a region with code of several pages is no longer in use, or did not come to be. */
export type FarLoss =
  /** Its code was written. */
  | 'written'
  /** A larger one took its place. */
  | 'anew'
  /** All regions were dropped. */
  | 'reset'
  /** Ordered, and found to have but one page, to be of other code by then, or of instructions that are unfit. */
  | 'failed'
  /** Not ordered: no entry was free. */
  | 'crowded';

export interface JitCounters {
  regions: number;
  modules: number;
  bytes: number;
  refused: number;
  instructions: number;
  microseconds: number;
  /** Regions in use, and bytes of their WebAssembly. */
  inUse: number;
  live: number;
  /** Times all regions were dropped because there were too many. */
  resets: number;
  /** Regions with code of several pages: made, in use, bytes of these. */
  far: number;
  farInUse: number;
  farLive: number;
  /** Entries of the vCPU (`FAR_ENTRIES`) that such regions have or are to get. */
  farEntries: number;
  /** Times such a region was to run and the one without other pages ran, because they were not where they had been. */
  farElsewhere: number;
  readonly farLost: Record<FarLoss, number>;
}

export const newCounters = (): JitCounters => ({
  regions: 0,
  modules: 0,
  bytes: 0,
  refused: 0,
  instructions: 0,
  microseconds: 0,
  inUse: 0,
  live: 0,
  resets: 0,
  far: 0,
  farInUse: 0,
  farLive: 0,
  farEntries: 0,
  farElsewhere: 0,
  farLost: { written: 0, anew: 0, reset: 0, failed: 0, crowded: 0 },
});
