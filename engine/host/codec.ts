/** Compression of image clusters, by Node's zlib. What is decompressed is hostile: output is bounded, input is cut to its frame. */
import { constants, deflateRawSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** qcow2 fixes the window: 4 KiB. */
const WINDOW = 12;

export const imageCodec = {
  decompress: (method: 'zlib' | 'zstd', input: Uint8Array, bytes: number): Uint8Array => {
    // What follows in the last sector belongs to somebody else.
    if (method === 'zstd') return zstdDecompressSync(input.subarray(0, frameBytes(input)), { maxOutputLength: bytes });
    return inflateRawSync(input, { maxOutputLength: bytes, finishFlush: constants.Z_SYNC_FLUSH });
  },
  compress: (method: 'zlib' | 'zstd', input: Uint8Array): Uint8Array =>
    method === 'zstd' ? zstdCompressSync(input) : deflateRawSync(input, { windowBits: WINDOW, memLevel: 9 }),
};

/** Length of the zstd frame that `input` begins with (RFC 8878, 3.1.1). */
function frameBytes(input: Uint8Array): number {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const descriptor = view.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const sizes = [single ? 1 : 0, 2, 4, 8];
  const dictionaries = [0, 1, 2, 4];
  let at = 5 + (single ? 0 : 1) + (dictionaries[descriptor & 3] ?? 0) + (sizes[descriptor >>> 6] ?? 0);
  for (;;) {
    const block = view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16);
    const size = block >>> 3;
    // An RLE block holds one byte, however long it becomes.
    at += 3 + (((block >>> 1) & 3) === 1 ? 1 : size);
    if (block & 1) return at + (descriptor & 4 ? 4 : 0);
  }
}
