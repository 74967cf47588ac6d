/** What a debugger gives a back end to watch a guest with. The words are the processor's (`engine/cpu/watcher.ts`). */

export type GuestEvent =
  | {
      readonly kind: 'exception';
      readonly vector: number;
      readonly error?: number | undefined;
      readonly address?: bigint | undefined;
    }
  | { readonly kind: 'msr'; readonly msr: number; readonly value: bigint; readonly write: boolean }
  | { readonly kind: 'cr'; readonly cr: number; readonly value: bigint }
  | { readonly kind: 'mode'; readonly mode: string };

/** Where an instruction is about to run. */
export interface GuestFrame {
  readonly rsp: bigint;
  readonly cr3: bigint;
  readonly cpl: number;
  /** Bytes of the instruction, from its first; undefined where it cannot be fetched. */
  byte(at: number): number | undefined;
}

/** Called on the vCPU's own thread, inside `run`. True: it has raised REQUEST.stop, and `run` returns at once or right after the event. */
export interface GuestWatcher {
  /** Pages of code (linear address >> 12) whose instructions are each shown to `before`. */
  readonly pages: ReadonlySet<bigint>;
  /** All instructions are. */
  readonly each: boolean;
  /** Data accesses are shown to `access`. */
  readonly data: boolean;
  /** Changes of the mode are shown to `event`. */
  readonly modes: boolean;
  before(linear: bigint, frame: GuestFrame): boolean;
  access(linear: bigint, size: number, write: boolean): boolean;
  event(event: GuestEvent): boolean;
}
