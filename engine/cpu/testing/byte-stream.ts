/** Growing byte streams for the vector file: variable-length numbers, 64-bit values without their leading zero bytes, raw bytes. */

export class ByteWriter {
  #bytes = new Uint8Array(1 << 16);
  #length = 0;

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  /** Unsigned, below 2^53, seven bits per byte. */
  number(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new Error('the vector file ends too early');
    return value;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const part = this.byte();
      value += (part & 127) * scale;
      if (part < 128) return value;
    }
  }

  bytes(count: number): Uint8Array {
    if (this.#at + count > this.#bytes.length) throw new Error('the vector file ends too early');
    this.#at += count;
    return this.#bytes.slice(this.#at - count, this.#at);
  }
}

/** 64-bit values: the count of significant bytes goes to `shape`, the bytes to `data`. */
export function writeLong(shape: ByteWriter, data: ByteWriter, value: bigint): void {
  let count = 0;
  for (let rest = value; rest !== 0n; rest >>= 8n) count++;
  shape.byte(count);
  for (let i = 0; i < count; i++) data.byte(Number((value >> BigInt(i * 8)) & 0xffn));
}

export function readLong(shape: ByteReader, data: ByteReader): bigint {
  const count = shape.byte();
  let value = 0n;
  for (let i = 0; i < count; i++) value |= BigInt(data.byte()) << BigInt(i * 8);
  return value;
}
