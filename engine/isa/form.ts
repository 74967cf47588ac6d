/** Parser of form texts (notation: define.ts) into the records that decoder, printer, assembler and generators read. */
import { ATTRIBUTES, FEATURES } from './attributes.ts';
import type { Emitter, Facts, Operand } from './emitter.ts';

/** Where an operand comes from. */
export type OperandSource =
  | 'rm' // ModRM.rm: register or memory
  | 'reg' // ModRM.reg
  | 'opcode' // low three bits of the opcode
  | 'imm' // next immediate
  | 'rel' // branch displacement
  | 'moffs' // offset of address size
  | 'string-source'
  | 'string-destination'
  | 'fixed'; // `fixed` holds the register number or constant

/** Size codes whose width depends on prefixes and mode; numbers are widths in bits. */
export type OperandSize = number | 'v' | 'z' | 'y' | 'r' | 'p';

export interface OperandSpec {
  readonly text: string;
  readonly source: OperandSource;
  /** Kind when not memory. */
  readonly kind: Operand['kind'];
  readonly size: OperandSize;
  /** Bits of an immediate in the instruction stream: number, or `z`, `v` by operand size. */
  readonly immediate: 0 | 8 | 16 | 32 | 'z' | 'v';
  readonly signed: boolean;
  readonly fixed: number;
}

export type MandatoryPrefix = 'any' | 'NP' | '66' | 'F3' | 'F2';

export interface ParsedForm {
  readonly text: string;
  /** 0 one-byte, 1 0F, 2 0F 38, 3 0F 3A. */
  readonly map: 0 | 1 | 2 | 3;
  readonly opcode: number;
  /** Opcodes covered from `opcode` on: 8 for `+r`, 16 for `+cc`. */
  readonly opcodes: 1 | 8 | 16;
  readonly prefix: MandatoryPrefix;
  readonly hasModrm: boolean;
  /** Opcode extension, -1 when ModRM.reg is free. */
  readonly digit: number;
  /** Exact ModRM byte, -1 when free; `modrms` of them (8 for `+i`). */
  readonly modrm: number;
  readonly modrms: 1 | 8;
  readonly mod: 'both' | 'reg' | 'mem';
  readonly anyMod: boolean;
  readonly in64: boolean;
  readonly inLegacy: boolean;
  readonly size: 'default' | 'd64' | 'f64' | 8 | 16 | 32 | 64;
  readonly lock: boolean;
  readonly rep: boolean;
  readonly protectedOnly: boolean;
  /** Required bits of DecodeMode.features. */
  readonly features: number;
  readonly popMemory: boolean;
  readonly operands: readonly OperandSpec[];
}

/** A declared instruction (defineInstruction in define.ts). */
export interface Definition {
  readonly name: string;
  readonly forms: readonly Form[];
  readonly reads: string | undefined;
  readonly writes: string | undefined;
  run(e: Emitter, f: Facts): void;
}

export interface Form extends ParsedForm {
  readonly definition: Definition;
  /** Position in `definition.forms`. */
  readonly index: number;
}

const SIZES: Record<string, OperandSize> = {
  b: 8,
  w: 16,
  d: 32,
  q: 64,
  t: 80,
  dq: 128,
  x: 128,
  ps: 128,
  pd: 128,
  ss: 32,
  sd: 64,
  v: 'v',
  z: 'z',
  y: 'y',
  r: 'r',
  p: 'p',
  s: 0,
  a: 0,
  '': 0,
};

const METHODS: Record<string, { source: OperandSource; kind: Operand['kind']; mod?: 'reg' | 'mem' }> = {
  E: { source: 'rm', kind: 'reg' },
  G: { source: 'reg', kind: 'reg' },
  R: { source: 'rm', kind: 'reg', mod: 'reg' },
  M: { source: 'rm', kind: 'mem', mod: 'mem' },
  S: { source: 'reg', kind: 'seg' },
  C: { source: 'reg', kind: 'cr' },
  D: { source: 'reg', kind: 'dr' },
  P: { source: 'reg', kind: 'mmx' },
  Q: { source: 'rm', kind: 'mmx' },
  N: { source: 'rm', kind: 'mmx', mod: 'reg' },
  V: { source: 'reg', kind: 'xmm' },
  W: { source: 'rm', kind: 'xmm' },
  U: { source: 'rm', kind: 'xmm', mod: 'reg' },
  Z: { source: 'opcode', kind: 'reg' },
  I: { source: 'imm', kind: 'imm' },
  J: { source: 'rel', kind: 'rel' },
  A: { source: 'imm', kind: 'imm' },
  O: { source: 'moffs', kind: 'mem' },
};

const FIXED: Record<string, { kind: Operand['kind']; size: OperandSize; fixed: number }> = {
  AL: { kind: 'reg', size: 8, fixed: 0 },
  CL: { kind: 'reg', size: 8, fixed: 1 },
  AH: { kind: 'reg', size: 8, fixed: 16 },
  AX: { kind: 'reg', size: 16, fixed: 0 },
  CX: { kind: 'reg', size: 16, fixed: 1 },
  DX: { kind: 'reg', size: 16, fixed: 2 },
  eAX: { kind: 'reg', size: 'z', fixed: 0 },
  rAX: { kind: 'reg', size: 'v', fixed: 0 },
  '1': { kind: 'imm', size: 8, fixed: 1 },
  ES: { kind: 'seg', size: 16, fixed: 0 },
  CS: { kind: 'seg', size: 16, fixed: 1 },
  SS: { kind: 'seg', size: 16, fixed: 2 },
  DS: { kind: 'seg', size: 16, fixed: 3 },
  FS: { kind: 'seg', size: 16, fixed: 4 },
  GS: { kind: 'seg', size: 16, fixed: 5 },
  ST0: { kind: 'st', size: 80, fixed: 0 },
  XMM0: { kind: 'xmm', size: 128, fixed: 0 },
};

/** Memory addressed by one register without ModRM: its number is in `fixed`. */
const IMPLIED: Record<string, { source: OperandSource; fixed: number }> = {
  X: { source: 'string-source', fixed: 6 },
  Y: { source: 'string-destination', fixed: 7 },
  BA: { source: 'string-source', fixed: 0 },
  BD: { source: 'string-source', fixed: 7 },
};

const IMMEDIATES: Record<string, Pick<OperandSpec, 'size' | 'immediate' | 'signed'>> = {
  Ib: { size: 8, immediate: 8, signed: false },
  Ibs: { size: 'v', immediate: 8, signed: true },
  Iw: { size: 16, immediate: 16, signed: false },
  Id: { size: 32, immediate: 32, signed: true },
  Iz: { size: 'v', immediate: 'z', signed: true },
  Iv: { size: 'v', immediate: 'v', signed: false },
  Jb: { size: 'v', immediate: 8, signed: true },
  Jz: { size: 'v', immediate: 'z', signed: true },
  Ap: { size: 'v', immediate: 'z', signed: false },
};

function sizeOf(text: string): OperandSize {
  const size = SIZES[text.slice(1)];
  if (size === undefined) throw new Error(`form operand ${text}: unknown size`);
  return size;
}

function parseOperand(text: string): OperandSpec & { mod?: 'reg' | 'mem' } {
  if (text === 'STi') return { text, source: 'rm', kind: 'st', size: 80, immediate: 0, signed: false, fixed: 0, mod: 'reg' };
  const fixed = FIXED[text];
  if (fixed) return { text, source: 'fixed', immediate: 0, signed: false, ...fixed };
  const implied = IMPLIED[text] ?? IMPLIED[text[0] ?? ''];
  if (implied) return { text, kind: 'mem', size: text[0] === 'B' ? 0 : sizeOf(text), immediate: 0, signed: false, ...implied };
  const method = METHODS[text[0] ?? ''];
  if (!method) throw new Error(`form operand ${text}: unknown`);
  if (method.source === 'imm' || method.source === 'rel') {
    const immediate = IMMEDIATES[text];
    if (!immediate) throw new Error(`form operand ${text}: unknown immediate`);
    return { text, source: method.source, kind: method.kind, fixed: 0, ...immediate };
  }
  return { text, ...method, size: sizeOf(text), immediate: 0, signed: false, fixed: 0 };
}

interface OperandList {
  readonly operands: readonly OperandSpec[];
  /** What they demand of ModRM.mod. */
  readonly mods: readonly ('reg' | 'mem')[];
  readonly modrm: boolean;
}

/** Lists by their text: a thousand forms have a hundred. Every thread that decodes parses all forms before its first instruction. */
const lists = new Map<string, OperandList>();

function operandList(text: string): OperandList {
  const known = lists.get(text);
  if (known !== undefined) return known;
  const parsed = text.split(',').map(parseOperand);
  const operands = parsed.map(({ mod: _mod, ...operand }) => operand);
  const list = {
    operands,
    mods: parsed.flatMap(({ mod }) => (mod === undefined ? [] : [mod])),
    modrm: operands.some(({ source }) => source === 'rm' || source === 'reg'),
  };
  lists.set(text, list);
  return list;
}

const NO_OPERANDS: OperandList = { operands: [], mods: [], modrm: false };

const HEX = /^[0-9A-F]{2}$/;
const OPCODE = /^([0-9A-F]{2})(?:\/([0-7])|\+(r|cc|i))?$/;

/** Parse one form text; `Rd/Mb` alternatives give two forms. Throws an Error naming the text when it is malformed. */
export function parseForm(text: string): ParsedForm[] {
  const alternative = /(?<=[\s,])([A-Z][a-z]*)\/([A-Z][a-z]*)(?=[\s,]|$)/.exec(text);
  if (alternative) {
    const [whole, first, second] = alternative;
    const replaced = (operand: string): string =>
      text.slice(0, alternative.index) + operand + text.slice(alternative.index + whole.length);
    return [...parseForm(replaced(first!)), ...parseForm(replaced(second!))];
  }
  try {
    return [parseOne(text)];
  } catch (error) {
    throw new Error(`form '${text}': ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface OpcodePart {
  map: 0 | 1 | 2 | 3;
  opcode: number;
  suffix: { digit: number; kind: string };
  modrm: number;
}

function parseOpcode(tokens: string[]): OpcodePart {
  const take = (): RegExpExecArray => {
    const match = OPCODE.exec(tokens.shift() ?? '');
    if (!match) throw new Error('opcode byte expected');
    return match;
  };
  let match = take();
  let map: 0 | 1 | 2 | 3 = 0;
  if (match[0] === '0F') {
    map = 1;
    match = take();
    if (match[0] === '38' || match[0] === '3A') {
      map = match[0] === '38' ? 2 : 3;
      match = take();
    }
  }
  const opcode = Number.parseInt(match[1]!, 16);
  let modrm = -1;
  let kind = match[3] ?? '';
  const next = OPCODE.exec(tokens[0] ?? '');
  if (kind === '' && match[2] === undefined && next) {
    tokens.shift();
    modrm = Number.parseInt(next[1]!, 16);
    kind = next[3] ?? '';
  }
  return { map, opcode, suffix: { digit: match[2] === undefined ? -1 : Number(match[2]), kind }, modrm };
}

function parseOne(text: string): ParsedForm {
  const tokens = text.trim().split(/\s+/);
  const first = tokens[0] ?? '';
  const second = tokens[1] ?? '';
  const prefixed = first === 'NP' || (['66', 'F3', 'F2'].includes(first) && (HEX.test(second) || OPCODE.test(second)));
  const prefix = (prefixed ? tokens.shift() : 'any') as MandatoryPrefix;
  const { map, opcode, suffix, modrm } = parseOpcode(tokens);
  const attributes = new Set<string>();
  let features = 0;
  let list = NO_OPERANDS;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as string;
    if (token in ATTRIBUTES) attributes.add(token);
    else if (token.startsWith('feature:')) {
      const bit = (FEATURES as readonly string[]).indexOf(token.slice(8));
      if (bit < 0) throw new Error(`feature ${token} unknown`);
      features |= 1 << bit;
    } else if (i === 0) list = operandList(token);
    else throw new Error(`attribute ${token} unknown`);
  }
  const has = (name: keyof typeof ATTRIBUTES): boolean => attributes.has(name);
  const mods = new Set(list.mods);
  if (has('mod3')) mods.add('reg');
  if (has('modmem')) mods.add('mem');
  if (mods.size > 1) throw new Error('register and memory both required');
  const anyMod = has('anymod');
  return {
    text,
    map,
    opcode,
    opcodes: modrm >= 0 ? 1 : suffix.kind === 'r' ? 8 : suffix.kind === 'cc' ? 16 : 1,
    prefix,
    hasModrm: suffix.digit >= 0 || modrm >= 0 || mods.size > 0 || list.modrm,
    digit: suffix.digit,
    modrm,
    modrms: suffix.kind === 'i' ? 8 : 1,
    mod: anyMod ? 'both' : modrm >= 0xc0 ? 'reg' : ([...mods][0] ?? 'both'),
    anyMod,
    in64: !has('legacy'),
    inLegacy: !has('long'),
    size: has('width8')
      ? 8
      : has('width16')
        ? 16
        : has('width32')
          ? 32
          : has('width64')
            ? 64
            : has('f64')
              ? 'f64'
              : has('d64')
                ? 'd64'
                : 'default',
    lock: has('lock'),
    rep: has('rep'),
    protectedOnly: has('protected'),
    features,
    popMemory: has('popmem'),
    operands: list.operands,
  };
}
