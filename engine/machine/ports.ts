/** What a machine needs of its host, as `host` offers it. */
import type { DiskImage } from '../board/drives/server.ts';
import type { MediumSettings } from '../contract/drive-plan.ts';

/** Where bytes of the serial port go. */
export interface ByteSink {
  /** Resolves once the host has the bytes; rejects with `EngineError`. */
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Where bytes for the serial port come from. */
export interface ByteSource {
  readonly terminal: boolean;
  setRaw(raw: boolean): void;
  pause(): void;
  resume(): void;
  close(): void;
}

/** The ports of the I/O thread. */
export interface IoHost {
  readFile(path: string, what: string): Uint8Array;
  /** What nobody can foresee. */
  randomBytes(count: number): Uint8Array;
  openStandardOutput(): ByteSink;
  openOutputFile(path: string, what: string, options?: { readonly add?: boolean }): ByteSink;
  /** Fails with what the image is refused for. `owner` is the machine, for those who find the image in use. */
  openImage(medium: MediumSettings, owner: string): DiskImage;
  /** A monotonic clock, in milliseconds. */
  milliseconds(): number;
  /** Resolves when the event loop has looked at everything else. */
  turn(): Promise<void>;
  openStandardInput(listener: { onBytes(bytes: Uint8Array): void; onEnd(): void }): ByteSource;
}

/** A channel to another thread of the machine. */
export interface Channel<Out, In> {
  /** `given` is not copied: it is the other thread's from then on. */
  post(message: Out, given?: readonly ArrayBuffer[]): void;
  onMessage(handler: (message: In) => void): void;
}
