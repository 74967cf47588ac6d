/** The one thing a manager asks of a disk image: the file it stands on. */
import { closeSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 20;
/** Specification of qcow2, header: bytes 0-3 magic, 8-15 offset and 16-19 length of the backing file's name, at most 1023. */
const MAGIC = 'QFI\xfb';
const MOST_BYTES = 1023;

/** Name of the backing file of a qcow2 image, as it stands in it; `undefined` when it has none or is no qcow2 image. */
export function backingOf(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    if (readSync(file, header, 0, HEADER_BYTES, 0) < HEADER_BYTES || header.toString('latin1', 0, 4) !== MAGIC) return undefined;
    const offset = header.readBigUInt64BE(8);
    const length = header.readUInt32BE(16);
    if (offset === 0n || length === 0) return undefined;
    const name = Buffer.alloc(Math.min(length, MOST_BYTES));
    const count = readSync(file, name, 0, name.length, offset > BigInt(Number.MAX_SAFE_INTEGER) ? 0 : Number(offset));
    return name.toString('utf8', 0, count);
  } finally {
    closeSync(file);
  }
}
