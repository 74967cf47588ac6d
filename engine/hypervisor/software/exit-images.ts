/** What exits leave behind for whoever records them: the words of our VMCS region that hold something, and how to read them again. */
import { inspectVmcs, VMCS } from '../../cpu/index.ts';
import type { ExitImage, VmcsImage } from '../index.ts';

/** Launch state, then both halves of each field. */
const LAUNCH = 2;
export const IMAGE_WORDS: readonly number[] = [
  LAUNCH,
  ...Object.values(VMCS).flatMap(({ offset }) => [offset >>> 2, (offset >>> 2) + 1]),
];
const placeOf = new Map(IMAGE_WORDS.map((word, place) => [word, place]));
/** Words of an image. */
const LENGTH = IMAGE_WORDS.length + 1;

/** The VMCS that an image shows. */
export function vmcsOfImage(find: (words: number) => ExitImage | undefined): VmcsImage | undefined {
  const image = find(LENGTH);
  if (image === undefined) return undefined;
  const pointer = BigInt(image[LENGTH - 1] as number);
  const word = (at: number): bigint => BigInt(image[placeOf.get(at) ?? LENGTH] ?? 0);
  return inspectVmcs(pointer, (pa, bytes) => {
    const at = Number(pa - pointer) >>> 2;
    return bytes === 4 ? word(at) : word(at) | (word(at + 1) << 32n);
  });
}
