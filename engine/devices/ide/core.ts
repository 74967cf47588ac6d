/** What a channel and the kinds of drives on it know of each other. */
import type { Dma } from '../../memory/index.ts';
import type { IrqLine } from '../device.ts';
import type { DriveLine, DriveRequest, DriveResult } from '../drive.ts';
import type { IdeState } from './state.ts';

export interface ChannelParts {
  readonly state: IdeState;
  readonly dma: Dma;
  readonly irq: IrqLine;
  /** First and second drive. */
  readonly lines: readonly [DriveLine | undefined, DriveLine | undefined];
  /** 0 or 1. */
  readonly channel: number;
}

/** What the commands of drives are made of. */
export interface ChannelCore extends ChannelParts {
  /** Index of the selected drive in the state. */
  drive(): number;
  line(): DriveLine | undefined;
  /** The buffer's first `bytes` bytes. */
  buffer(bytes?: number): Uint8Array;
  /** Hand a request to the drive; `phase` says what becomes of its end. The last thing a command does. */
  begin(phase: number): void;
  /** Let the guest read or fill the buffer from `from` to `end`; with an interrupt when `loud`. */
  offer(phase: number, block: { readonly from: number; readonly end: number; readonly loud: boolean }): void;
  /** The command is over: status and error, with an interrupt. */
  end(status: number, error?: number): void;
  /** Wait for the bus master, or go on when it is started already. */
  awaitDma(): void;
}

/** What a kind of drive adds. */
export interface DriveCommands {
  /** A command that this kind of drive knows; `unknown` gives ABRT. */
  execute(command: number): 'accepted' | 'unknown';
  /** The guest has read or filled its block. */
  blockDone(): void;
  /** What the drive is asked while the channel is in this phase; undefined when nothing is left to ask. */
  request(phase: number): DriveRequest | undefined;
  /** The drive is done with it. `bytes` of guest memory were moved by DMA. */
  done(phase: number, bytes: number): void;
  failed(result: DriveResult): void;
  /** The bus master is started, and what goes through it is in the buffer, not on the medium. False: it is on the medium. */
  dmaFromBuffer(): boolean;
}
