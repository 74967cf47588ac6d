/**
 * How an instruction is declared: its encodings ("forms") as text in the manual's own notation, and one `run` that describes it over
 * the `Emitter`. Everything about an encoding that is not in the text (lengths, tables, printing, assembling) is derived from it.
 *
 * A form is `[prefix] opcode [operands] [attributes]`, separated by blanks (SDM vol. 2, appendix A.2):
 * - prefix: `NP` (no 66, F2 or F3), `66`, `F3` or `F2`. Without one the form matches under every prefix that has no form of its own in
 *   the same opcode: 66 is then the operand size, F2 and F3 are repetition prefixes or ignored. SSE forms without prefix must say `NP`.
 * - opcode: `XX`, `0F XX`, `0F 38 XX` or `0F 3A XX`; `/0` to `/7` for an opcode extension; a further `XX` is the exact ModRM byte.
 *   `+r` after the last byte: the low three bits name a register (operand `Z`); `+cc`: sixteen opcodes, condition code in `facts.cc`;
 *   `+i` after an exact ModRM byte: its low three bits are an x87 stack index (operand `STi`).
 * - operands, comma-separated without blanks, method then size, as in the manual:
 *   `E` general register or memory (ModRM), `G` general register (ModRM.reg), `R` general register only (ModRM.rm), `M` memory only,
 *   `I` immediate (`Ib` zero-extended, `Ibs` sign-extended to the operand size, `Iz` 16 or sign-extended 32 bits, `Iv` up to 64 bits,
 *   `Iw`), `J` branch displacement, `O` memory offset without ModRM, `Ap,Iw` far pointer (offset, selector), `S` segment, `C` control, `D` debug register,
 *   `P`/`Q`/`N` MMX register / MMX or memory / MMX in rm only, `V`/`W`/`U` likewise for XMM, `Z` register in the opcode,
 *   `X` [source:rSI], `Y` [ES:rDI] (definitions use `load` and `store` where both occur), `BA` [source:rAX], `BD` [source:rDI];
 *   fixed: `AL AH AX eAX rAX CL CX DX 1 ES CS SS DS FS GS ST0 STi XMM0`. `Rd/Mb` stands for two forms, register and memory.
 *   sizes: `b` 8, `w` 16, `d` 32, `q` 64, `t` 80, `dq x ps pd` 128, `ss` 32, `sd` 64, `v` operand size, `z` 16 or 32, `y` 32 or 64 (REX.W),
 *   `r` 64 in 64-bit mode otherwise 32, `p` far pointer in memory, `s`/`a`/none: no size of its own (width 0).
 * - attributes: see `ATTRIBUTES` in attributes.ts, and `feature:name` with a name in `FEATURES` there.
 */
import type { Emitter, Facts } from './emitter.ts';
import { type Definition, type Form, parseForm } from './form.ts';

export type { Definition } from './form.ts';

/** What one instruction is. */
export interface InstructionSource {
  /**
   * Mnemonic, Intel syntax, lower case. `{cc}` becomes the condition, `{w}` b, w, d or q by operand size, `{x,y,z}` the name for operand size
   * 16, 32 or 64, and `{a:x,y,z}` the name for address size 16, 32 or 64.
   */
  readonly name: string;
  readonly forms: readonly string[];
  /**
   * Status flags (of `OSZAPC`, and `D`) consulted, and changed whenever the instruction completes, so that older values of them are dead.
   * Absent: unknown (a shift by 0 and REP CMPS with a count of 0 change nothing).
   */
  readonly flags?: { readonly reads?: string; readonly writes?: string };
  /** Describe the instruction. Called once per variant of the facts it consults; must not keep state between calls. */
  run(e: Emitter, f: Facts): void;
}

/**
 * Declare an instruction. Its forms are parsed when somebody first asks for them: threads that decode nothing need none. One that does not
 * parse, a mistake in our sources, throws then.
 */
export function defineInstruction({ name, forms: texts, flags, run }: InstructionSource): Definition {
  let forms: Form[] | undefined;
  const definition: Definition = {
    name,
    get forms() {
      if (forms === undefined) {
        forms = [];
        for (const text of texts) for (const form of parseForm(text)) forms.push({ ...form, definition, index: forms.length });
      }
      return forms;
    },
    reads: flags?.reads,
    writes: flags?.writes,
    run,
  };
  return definition;
}
