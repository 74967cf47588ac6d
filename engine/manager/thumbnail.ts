/** The small picture of a machine's screen in its folder. Whoever wrote it, it is only handed on as a picture. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** More than any small picture has. */
const MOST_BYTES = 512 * 1024;
const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

/** Undefined where there is none, or something else than a picture. */
export function readThumbnail(folder: string): { readonly png: string; readonly taken: number } | undefined {
  const path = join(folder, 'thumbnail.png');
  try {
    const { size, mtimeMs } = statSync(path);
    if (size > MOST_BYTES) return undefined;
    const bytes = readFileSync(path);
    return bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE) ? { png: bytes.toString('base64'), taken: mtimeMs } : undefined;
  } catch {
    return undefined;
  }
}
