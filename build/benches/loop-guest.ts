/**
 * A guest that only computes: a multiboot image of one loop, run for a given number of rounds, then the debug exit.
 *
 * The loop mixes what compiled integer code mixes: arithmetic with flags consumed, a load, a store, shifts and a taken branch.
 * Nothing here is optimised for our interpreter, and the image is the same for every program that can load multiboot.
 */

/** Retired guest instructions per round of the loop. */
export const instructionsPerRound = 16;

const loadAddress = 0x100000;
const headerBytes = 32;
export const codeAddress = loadAddress + headerBytes;
const dataAddress = 0x200000;

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, index * 4);
  return bytes;
}

/** The code, IA-32, position-dependent only in the data address. `again`: when the rounds are over they begin anew. */
function code(rounds: number, again = false): Buffer {
  const loop = Buffer.from([
    ...[0x01, 0xd0], // add eax, edx
    ...[0x89, 0xc6], // mov esi, eax
    ...[0xc1, 0xc6, 0x05], // rol esi, 5
    ...[0x31, 0xf2], // xor edx, esi
    ...[0x0f, 0xb6, 0xfa], // movzx edi, dl
    ...[0x8b, 0x2c, 0xbb], // mov ebp, [ebx+edi*4]
    ...[0x01, 0xc5], // add ebp, eax
    ...[0x89, 0x2c, 0xbb], // mov [ebx+edi*4], ebp
    ...[0x85, 0xed], // test ebp, ebp
    ...[0x78, 0x00], // js +0 (not or both ways taken: the next instruction is its target)
    ...[0x83, 0xd2, 0x03], // adc edx, 3
    ...[0xc1, 0xe8, 0x03], // shr eax, 3
    ...[0x8d, 0x44, 0x10, 0x07], // lea eax, [eax+edx+7]
    ...[0x31, 0xe8], // xor eax, ebp
    0x49, // dec ecx
  ]);
  const back = Buffer.from([0x75, -(loop.length + 2) & 0xff]); // jnz loop
  const start = Buffer.concat([
    Buffer.from([0xbb]), // mov ebx, dataAddress
    words(dataAddress),
    Buffer.from([0xb9]), // mov ecx, rounds
    words(rounds),
  ]);
  const end = Buffer.from([0x31, 0xc0, 0xe6, 0xf4, 0xf4]); // xor eax, eax; out 0xf4, al; hlt
  const anew = Buffer.from([0xeb, -(loop.length + back.length + 2) & 0xff]); // jmp loop, with ecx 0: 2^32 rounds more
  return Buffer.concat([start, loop, back, again ? anew : end]);
}

/** A multiboot image of 32-bit code that runs at `codeAddress`. Multiboot specification 0.6.96, section 3.1, with the address fields. */
export function multibootImage(body: Uint8Array): Buffer {
  const magic = 0x1badb002;
  const flags = 0x0001_0000;
  const end = codeAddress + body.length;
  const header = words(magic, flags, -(magic + flags), loadAddress, loadAddress, end, end, codeAddress);
  return Buffer.concat([header, body]);
}

/** The image whose loop never ends. */
export const endlessGuest = (): Buffer => multibootImage(code(0xffff_ffff, true));

/** The image for `rounds` rounds, 1 to 2^32-1. */
export function loopGuest(rounds: number): Buffer {
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 0xffff_ffff) throw new RangeError(`${rounds} rounds`);
  return multibootImage(code(rounds));
}
