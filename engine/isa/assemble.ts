/**
 * A small assembler for tests, over the decode table: Intel syntax, labels, `db dw dd dq`, `align`, `bits`. Branches and immediates take
 * the shortest encoding. What it cannot assemble throws an Error naming the line: sources are ours, never a guest's.
 */
import { definitions } from './all.ts';
import type { ConditionCode } from './emitter.ts';
import { type EncodeOperand, type EncodeRequest, encode } from './encode.ts';
import type { Form } from './form.ts';
import { mnemonics } from './names.ts';
import { parseLine, type SourceLine } from './source.ts';

export interface AssembleOptions {
  /** Size of code, default 64. `bits 16` in the text changes it. */
  readonly code?: 16 | 32 | 64;
  /** Address of the first byte, default 0. */
  readonly origin?: bigint;
  /** Names usable as labels. */
  readonly symbols?: Readonly<Record<string, bigint>>;
}

export interface Assembled {
  readonly bytes: Uint8Array;
  readonly labels: ReadonlyMap<string, bigint>;
}

interface Candidate {
  readonly form: Form;
  /** Operand sizes under which the mnemonic names this form; all when undefined. */
  readonly size: 16 | 32 | 64 | undefined;
  readonly addressWidth: 16 | 32 | 64 | undefined;
  readonly cc: ConditionCode;
}

/** Forms by mnemonic, made at first use. */
let index: Map<string, Candidate[]> | undefined;

function candidates(name: string): readonly Candidate[] {
  index ??= buildIndex();
  return index.get(name) ?? [];
}

function buildIndex(): Map<string, Candidate[]> {
  const map = new Map<string, Candidate[]>();
  const add = (name: string, candidate: Candidate): void => {
    const list = map.get(name) ?? [];
    map.set(name, list);
    list.push(candidate);
  };
  for (const form of definitions.flatMap((definition) => definition.forms)) {
    const { name } = form.definition;
    const bySize = /\{w\}|\{[^a:][^}]*,/.test(name);
    const byAddress = name.includes('{a:');
    const byteForm = form.operands.some((o) => o.kind !== 'imm' && o.text !== 'DX' && o.size === 8);
    for (const size of bySize ? ([16, 32, 64] as const) : [undefined])
      for (const addressWidth of byAddress ? ([16, 32, 64] as const) : [undefined])
        for (let cc = 0; cc < (form.opcodes === 16 ? 16 : 1); cc++) {
          const facts = {
            width: byteForm ? (8 as const) : (size ?? 32),
            addressWidth: addressWidth ?? 64,
            cc: cc as ConditionCode,
          };
          for (const name of new Set(mnemonics(form, facts))) add(name, { form, size, addressWidth, cc: facts.cc });
        }
  }
  return map;
}

type Context = { readonly code: 16 | 32 | 64; readonly ip: bigint };

const registerLike = (operand: EncodeOperand): boolean => operand.kind !== 'mem' && operand.kind !== 'imm';

/** All encodings of one instruction line, shortest first. */
function encodings(
  line: SourceLine & { kind: 'instruction' },
  operands: readonly EncodeOperand[],
  context: Context,
): Uint8Array[] {
  const found: Uint8Array[] = [];
  const sizes = new Set<number>();
  const memory = operands.find((o) => o.kind === 'mem');
  for (const { form, size, addressWidth, cc } of candidates(line.mnemonic)) {
    if (line.size !== undefined && size !== undefined && line.size !== size) continue;
    const request: EncodeRequest = {
      form,
      operands,
      code: context.code,
      ip: context.ip,
      cc,
      lock: line.lock,
      ...(line.segment >= 0 && { segment: line.segment }),
      ...(line.rep && { rep: line.rep }),
      ...((line.size ?? size) !== undefined && { size: (line.size ?? size)! }),
      ...((line.addressWidth ?? addressWidth) !== undefined && { addressWidth: (line.addressWidth ?? addressWidth)! }),
    };
    const encoding = encode(request);
    if (!encoding) continue;
    found.push(encoding.bytes);
    const spec = form.operands.find((o) => o.source === 'rm');
    if (memory && spec && spec.size !== 0 && form.mod !== 'mem')
      sizes.add(typeof spec.size === 'number' ? spec.size : encoding.size);
  }
  const unsized = memory?.kind === 'mem' && memory.width === 0 && !operands.some(registerLike);
  if (unsized && sizes.size > 1) throw new Error('the size of the memory operand is not clear');
  return found.sort((a, b) => a.length - b.length);
}

class Assembly {
  readonly #lines: readonly SourceLine[];
  readonly #options: AssembleOptions;
  /** Shortest length each line may have: lengths only grow, so that passes come to an end. */
  readonly #least: number[] = [];
  labels = new Map<string, bigint>();

  constructor(text: string, options: AssembleOptions) {
    this.#lines = text.split(/\n|;;/).flatMap((line, i) => parseLine(line, i + 1));
    this.#options = options;
    for (const [name, value] of Object.entries(options.symbols ?? {})) this.labels.set(name, value);
  }

  /** One pass; true when no label moved. */
  pass(out: number[], final: boolean): boolean {
    let code = this.#options.code ?? 64;
    const origin = this.#options.origin ?? 0n;
    let stable = true;
    for (const [i, line] of this.#lines.entries()) {
      const ip = origin + BigInt(out.length);
      try {
        if (line.kind === 'label') {
          if (this.labels.get(line.name) !== ip) stable = false;
          this.labels.set(line.name, ip);
        } else if (line.kind === 'bits') code = line.code;
        else if (line.kind === 'align') while ((origin + BigInt(out.length)) % line.to !== 0n) out.push(0x90);
        else if (line.kind === 'data') for (const item of line.items) this.#data(out, item(this.#resolve(ip, final)), line.size);
        else out.push(...this.#instruction(line, i, { code, ip, final }));
      } catch (error) {
        throw new Error(`line ${line.line}: '${line.text}': ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return stable;
  }

  #resolve(ip: bigint, final: boolean): (name: string) => bigint {
    return (name) => {
      if (name === '$') return ip;
      const value = this.labels.get(name);
      if (value === undefined && final) throw new Error(`unknown name ${name}`);
      return value ?? ip;
    };
  }

  #data(out: number[], value: bigint, size: number): void {
    for (let i = 0; i < size; i++) out.push(Number((value >> BigInt(8 * i)) & 0xffn));
  }

  #instruction(line: SourceLine & { kind: 'instruction' }, i: number, at: Context & { final: boolean }): Uint8Array {
    const operands = line.operands.map((operand) => operand(this.#resolve(at.ip, at.final), at.code));
    const all = encodings(line, operands, at);
    const bytes = all.find((candidate) => candidate.length >= (this.#least[i] ?? 0)) ?? all.at(-1);
    if (!bytes)
      throw new Error(candidates(line.mnemonic).length === 0 ? 'unknown instruction' : 'no encoding for these operands');
    this.#least[i] = bytes.length;
    return bytes;
  }
}

/** Assemble a text. Throws an Error naming the line that cannot be assembled. */
export function assemble(text: string, options: AssembleOptions = {}): Assembled {
  const assembly = new Assembly(text, options);
  for (let pass = 0; pass < 100 && !assembly.pass([], false); pass++);
  const out: number[] = [];
  if (!assembly.pass(out, true)) throw new Error('labels do not settle');
  return { bytes: Uint8Array.from(out), labels: assembly.labels };
}

const tagged =
  (code: 16 | 32 | 64) =>
  (strings: TemplateStringsArray, ...values: readonly (string | number | bigint)[]): Uint8Array =>
    assemble(String.raw({ raw: strings.raw }, ...values), { code }).bytes;

/** Bytes of 64-bit code: asm`adc eax, ebx`. */
export const asm = tagged(64);
export const asm32 = tagged(32);
export const asm16 = tagged(16);
