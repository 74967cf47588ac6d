/** Bytes of code as text, by the decoder and printer of the processor itself. */
import { definitions } from '../isa/all.ts';
import { Decoded } from '../isa/decoded.ts';
import { createDecoder, type Decode } from '../isa/decoder.ts';
import { print } from '../isa/print.ts';

export interface Instruction {
  /** Linear address. */
  readonly at: bigint;
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly text: string;
  /** Where a direct branch goes. */
  readonly target: bigint | undefined;
}

interface Code {
  readonly at: bigint;
  readonly bits: 16 | 32 | 64;
  readonly count: number;
}

/** Every feature: what the guest's processor does not have is shown all the same. */
const ALL_FEATURES = 0xffff_ffff;
let decoder: Decode | undefined;

/** At most `count` instructions; fewer where the bytes end. A byte that begins no instruction is shown alone. */
export function disassemble(bytes: Uint8Array, { at, bits, count }: Code): Instruction[] {
  decoder ??= createDecoder(definitions);
  const kind = bits === 64 ? 'long' : bits === 32 ? 'protected' : 'real';
  const mode = { code: bits, stack: bits, kind, features: ALL_FEATURES } as const;
  const found: Instruction[] = [];
  for (let offset = 0; offset < bytes.length && found.length < count; ) {
    const here = BigInt.asUintN(64, at + BigInt(offset));
    const decoded = decoder(bytes, offset, bytes.length - offset, mode);
    if (decoded instanceof Decoded) {
      const text = print(decoded, here);
      const relative = decoded.variant.operands.some(({ kind: operand }) => operand === 'rel');
      const target = relative ? /0x[0-9a-f]+$/.exec(text)?.[0] : undefined;
      const { length } = decoded;
      const own = bytes.slice(offset, offset + length);
      found.push({ at: here, bytes: own, length, text, target: target === undefined ? undefined : BigInt(target) });
      offset += length;
    } else if (bytes.length - offset < 15 && found.length > 0) break;
    else {
      found.push({ at: here, bytes: bytes.slice(offset, offset + 1), length: 1, text: '(bad)', target: undefined });
      offset++;
    }
  }
  return found;
}

/** Something that comes back to the next instruction: a call, an interrupt, a repeated string instruction. */
export function isCall({ text }: Instruction): boolean {
  return /^(call|int|rep|vmcall|syscall|sysenter|loop)/.test(text);
}
