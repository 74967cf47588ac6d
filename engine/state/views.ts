/** Typed views of a whole memory, one set per buffer and thread. */
export interface Views {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly i64: BigInt64Array;
}

const made = new WeakMap<object, Views>();

/** The views of a memory's buffer. The memory never grows, so they stay valid. */
export function viewsOf(memory: WebAssembly.Memory): Views {
  const { buffer } = memory;
  let views = made.get(buffer);
  if (views === undefined) {
    views = {
      buffer,
      u8: new Uint8Array(buffer),
      u16: new Uint16Array(buffer),
      u32: new Uint32Array(buffer),
      i32: new Int32Array(buffer),
      u64: new BigUint64Array(buffer),
      i64: new BigInt64Array(buffer),
    };
    made.set(buffer, views);
  }
  return views;
}
