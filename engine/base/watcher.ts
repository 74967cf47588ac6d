/** Somebody who looks over a processor's shoulder: a debugger, as the processor and the back ends above it know it. Nothing of it is visible to the guest. */

/** What happened, besides instructions and data accesses. */
export type WatchedEvent =
  | {
      readonly kind: 'exception';
      readonly vector: number;
      readonly error?: number | undefined;
      readonly address?: bigint | undefined;
    }
  | { readonly kind: 'msr'; readonly msr: number; readonly value: bigint; readonly write: boolean }
  | { readonly kind: 'cr'; readonly cr: number; readonly value: bigint }
  /** Another mode was entered: `modeName`. */
  | { readonly kind: 'mode'; readonly mode: string };

/** Where an instruction is about to run. */
export interface WatchedFrame {
  readonly rsp: bigint;
  readonly cr3: bigint;
  readonly cpl: number;
  /** Bytes of the instruction, from its first; undefined where it cannot be fetched. */
  byte(at: number): number | undefined;
}

/**
 * Every function is called on the vCPU's own thread, inside `run()`. One that answers true has raised REQUEST.stop for this vCPU; `run`
 * then returns at once, for `before` with the instruction not begun, else right after the instruction or the delivery of the event.
 */
export interface Watcher {
  /** Pages of code (linear address >> 12) that run one instruction at a time, each shown to `before`. */
  readonly pages: ReadonlySet<bigint>;
  /** All code does. */
  readonly each: boolean;
  /** Data accesses are shown to `access`; all code then runs one instruction at a time. */
  readonly data: boolean;
  /** Changes of the mode are worth a look. */
  readonly modes: boolean;
  /** Exceptions and writes of control registers are worth a look, by `event`. */
  readonly events: boolean;
  /** Accesses to MSRs, ports and device memory are, by `event` or by a probe: the instructions that make them run by themselves. */
  readonly alone: boolean;
  before(linear: bigint, frame: WatchedFrame): boolean;
  access(linear: bigint, size: number, write: boolean): boolean;
  event(event: WatchedEvent): boolean;
}
