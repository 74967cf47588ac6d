/** Writes into the qcow2 image it is given until it is killed. Arguments: the file, a seed. */
import { randomSource } from '../../devices/testing/random.ts';
import { imageHost } from '../../media.ts';
import { openImage } from '../chain.ts';

const [file = '', seed = '1'] = process.argv.slice(2);
const image = openImage(imageHost('writer'), file);
const random = randomSource(Number(seed) + 1);
process.stdout.write('started\n');
for (let step = 0; ; step++) {
  const at = random.below(image.bytes / 512 - 1) * 512;
  const bytes = Math.min(image.bytes - at, (1 + random.below(300)) * 512);
  if (step % 7 === 6) image.discard(at, bytes);
  else image.write(at, [new Uint8Array(bytes).fill(step & 0xff)]);
  if (step % 5 === 4) image.flush();
}
