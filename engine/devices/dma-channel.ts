/** A channel of the ISA DMA controllers, as the device that is wired to it sees it. */
import { definePort } from './ports.ts';

export interface DmaTransfer {
  /** `write`: into memory. `verify`: nothing moves. */
  readonly kind: 'verify' | 'write' | 'read';
  readonly gpa: number;
  /** Bytes until the count is reached, 1 to 128 KiB. */
  readonly bytes: number;
  /** Of these, how many lie before the address wraps to the start of its page. */
  readonly beforeWrap: number;
}

export interface DmaChannel {
  /** What the channel is set to; undefined while it is masked, or set to what no device here does (downwards, cascade). */
  transfer(): DmaTransfer | undefined;
  /** So many bytes went, at most `bytes`. True: that was the last one (terminal count). */
  moved(bytes: number): boolean;
}

export const dmaChannel = definePort<DmaChannel>('dma-channel', () => ({ transfer: () => undefined, moved: () => false }));
