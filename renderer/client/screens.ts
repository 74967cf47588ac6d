/** Pictures of machines on their way into the window: whole records, however the connection carries them. */

/** Ends a stream. */
export type CloseScreen = () => void;

export interface ScreenSource {
  /** Whole records of a machine's screen until it is closed; `onEnd` when the other side ended it. */
  open(machine: string, onRecord: (record: Uint8Array<ArrayBuffer>) => void, onEnd: () => void): CloseScreen;
}
