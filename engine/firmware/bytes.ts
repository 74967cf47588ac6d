/** Little-endian byte strings for the tables and boot structures that firmware leaves in guest memory. */

/** Where boot code puts what it builds: guest-physical address and bytes. Writes outside RAM are the caller's mistake. */
export interface GuestWriter {
  write(gpa: number, bytes: Uint8Array): void;
}

/** `value` as `size` bytes, least significant first. Negative values are written in two's complement. */
export function littleEndian(value: number | bigint, size: 1 | 2 | 4 | 8): Uint8Array {
  const bytes = new Uint8Array(size);
  let rest = BigInt.asUintN(size * 8, BigInt(value));
  for (let i = 0; i < size; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** The characters of `text`, which must be ASCII; with `size`, cut or padded with `pad` to exactly that many bytes. */
export function ascii(text: string, size: number = text.length, pad = 0): Uint8Array {
  const bytes = new Uint8Array(size).fill(pad);
  for (let i = 0; i < Math.min(size, text.length); i++) bytes[i] = text.charCodeAt(i) & 0x7f;
  return bytes;
}

/** All `parts` in order. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The byte that makes the sum of `bytes` and itself zero modulo 256. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xff;
}

/** `value` rounded up to a multiple of `unit`, which is a power of two or any positive number. */
export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
