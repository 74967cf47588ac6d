/** Guests of a few instructions, made for one test. */
import { writeFileSync } from 'node:fs';
import { assemble } from '../../engine/isa/assemble.ts';

/** Write a multiboot image of 32-bit code at 1 MiB to a file. Multiboot specification 0.6.96, section 3.1, with the address fields. */
export function multibootImage(file: string, text: string): string {
  const load = 0x10_0000;
  const { bytes } = assemble(text, { code: 32, origin: BigInt(load + 32) });
  const header = Buffer.alloc(32);
  const end = load + 32 + bytes.length;
  const words = [0x1badb002, 0x10000, -(0x1badb002 + 0x10000), load, load, end, end, load + 32];
  for (const [i, word] of words.entries()) header.writeUInt32LE(word >>> 0, 4 * i);
  writeFileSync(file, Buffer.concat([header, bytes]));
  return file;
}
