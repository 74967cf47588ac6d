/** Guests of a few instructions, made for one test. */
import { writeFileSync } from 'node:fs';
import { assemble } from '../../engine/isa/assemble.ts';
import { codeAddress, multibootImage as imageOf } from '../benches/loop-guest.ts';

/** Write a multiboot image of 32-bit code to a file, and say its name. */
export function multibootImage(file: string, text: string): string {
  writeFileSync(file, imageOf(assemble(text, { code: 32, origin: BigInt(codeAddress) }).bytes));
  return file;
}
