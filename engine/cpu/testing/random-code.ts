/** Random instructions from the definition table: every form can appear, with operands and prefixes of any kind. */
import { definitions } from '../../isa/all.ts';
import { decode } from '../../isa/decode.ts';
import type { Form } from '../../isa/form.ts';
import type { DecodeMode } from '../../isa/variants.ts';
import type { Random } from './random.ts';

const MAPS = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]] as const;
const PREFIXES = { any: [], NP: [], 66: [0x66], F3: [0xf3], F2: [0xf2] } as const;

const forms: readonly Form[] = definitions.flatMap((definition) => definition.forms);

function modrm(form: Form, random: Random, code: 16 | 32 | 64): number[] {
  if (form.modrm >= 0) return [form.modrm + random.below(form.modrms)];
  const reg = form.digit >= 0 ? form.digit : random.below(8);
  const register = form.mod === 'reg' || form.anyMod || (form.mod === 'both' && random.chance(50));
  if (register) return [0xc0 | (reg << 3) | random.below(8)];
  // Mostly [base + disp8]: the test keeps data addresses in the base registers.
  const mod = random.chance(80) ? 1 : random.below(3);
  const rm = code === 16 ? random.below(8) : random.pick([0, 1, 2, 3, 3, 5, 6, 7, 4]);
  const sib =
    code !== 16 && rm === 4
      ? [(random.below(4) << 6) | (random.chance(70) ? 4 << 3 : random.below(8) << 3) | random.pick([3, 5, 6, 7])]
      : [];
  return [(mod << 6) | (reg << 3) | rm, ...sib];
}

/** One instruction that decodes in this mode (not necessarily as the form it was made from), or none where the draw was unlucky. */
export function randomInstruction(random: Random, mode: DecodeMode, wanted: (form: Form) => boolean): Uint8Array | undefined {
  const form = random.pick(forms);
  if (!(mode.code === 64 ? form.in64 : form.inLegacy) || !wanted(form)) return undefined;
  const bytes: number[] = [];
  if (random.chance(12)) bytes.push(random.pick([0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65]));
  if (form.lock && random.chance(20)) bytes.push(0xf0);
  if (form.prefix === 'any' && random.chance(15)) bytes.push(0x66);
  if (form.rep && random.chance(30)) bytes.push(random.pick([0xf2, 0xf3]));
  bytes.push(...PREFIXES[form.prefix]);
  if (mode.code === 64 && random.chance(35)) bytes.push(0x40 | random.below(16));
  bytes.push(...MAPS[form.map], form.opcode + random.below(form.opcodes));
  if (form.hasModrm) bytes.push(...modrm(form, random, mode.code));
  while (bytes.length < 15) bytes.push(random.chance(50) ? random.below(256) : random.pick([0, 1, 0xff, 0x7f, 0x80, 4, 8, 31]));
  const whole = Uint8Array.from(bytes.slice(0, 15));
  const decoded = decode(whole, 0, 15, mode);
  if (typeof decoded === 'string' || !wanted(decoded.form)) return undefined;
  return whole.slice(0, decoded.length);
}
