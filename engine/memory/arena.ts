import { assert, EngineError } from '../base/index.ts';

/** A named piece of the arena, for the inspector. */
export interface ArenaRegion {
  readonly name: string;
  readonly address: number;
  readonly bytes: number;
}

/** Hands out the machine's own memory in order. Zero-filled when the machine is new. Nothing is ever given back. */
export class Arena {
  readonly regions: ArenaRegion[] = [];
  #next: number;
  readonly #end: number;

  constructor(start: number, bytes: number) {
    this.#next = start;
    this.#end = start + bytes;
  }

  /** The address of `bytes` bytes aligned to `align` (a power of two). The same calls in the same order give the same addresses. */
  take(name: string, bytes: number, align: number): number {
    assert(align > 0 && (align & (align - 1)) === 0, 'an alignment is a power of two');
    const address = Math.ceil(this.#next / align) * align;
    if (address + bytes > this.#end) throw new EngineError('arena-full', { name, bytes, free: Math.max(0, this.#end - address) });
    this.#next = address + bytes;
    this.regions.push({ name, address, bytes });
    return address;
  }
}
