/** Parser of assembler source lines; values stay functions of the label table. */
import type { EncodeOperand } from './encode.ts';
import type { MemoryOperand } from './modrm.ts';
import { REGISTERS, type RegisterName, SEGMENTS, SIZE_WORDS } from './names.ts';

export type Resolve = (name: string) => bigint;
type Value = (resolve: Resolve) => bigint;
type OperandSource = (resolve: Resolve, code: 16 | 32 | 64) => EncodeOperand;

interface At {
  readonly line: number;
  readonly text: string;
}

export type SourceLine = At &
  (
    | { readonly kind: 'label'; readonly name: string }
    | { readonly kind: 'bits'; readonly code: 16 | 32 | 64 }
    | { readonly kind: 'align'; readonly to: bigint }
    | { readonly kind: 'data'; readonly size: number; readonly items: readonly Value[] }
    | {
        readonly kind: 'instruction';
        readonly mnemonic: string;
        readonly operands: readonly OperandSource[];
        readonly lock: boolean;
        readonly rep: 'rep' | 'repne' | undefined;
        readonly size: 16 | 32 | 64 | undefined;
        readonly addressWidth: 16 | 32 | 64 | undefined;
        readonly segment: number;
      }
  );

const DATA: Record<string, number> = { db: 1, dw: 2, dd: 4, dq: 8 };
const TOKEN = /0x[0-9a-f_]+|0b[01_]+|\d+|[$.@_a-z][$.@_a-z0-9]*|[-+*~()<>|&^]+?/giy;

/** Sum of products over numbers and names: `label + 4*2 - 1`. */
function parseValue(text: string): Value {
  const tokens = text.match(new RegExp(TOKEN.source, 'gi')) ?? [];
  if (tokens.join('') !== text.replace(/\s+/g, '') || tokens.length === 0) throw new Error(`'${text}' is not a value`);
  let at = 0;
  const primary = (): Value => {
    const token = tokens[at++];
    if (token === undefined) throw new Error(`'${text}' ends early`);
    if (token === '-') {
      const value = primary();
      return (resolve) => -value(resolve);
    }
    if (token === '~') {
      const value = primary();
      return (resolve) => ~value(resolve);
    }
    if (token === '(') {
      const value = sum();
      at++;
      return value;
    }
    if (/^\d/.test(token)) {
      const number = BigInt(token.replaceAll('_', ''));
      return () => number;
    }
    return (resolve) => resolve(token);
  };
  const product = (): Value => {
    let value = primary();
    while (tokens[at] === '*') {
      at++;
      const [left, right] = [value, primary()];
      value = (resolve) => left(resolve) * right(resolve);
    }
    return value;
  };
  const sum = (): Value => {
    let value = product();
    while (tokens[at] === '+' || tokens[at] === '-') {
      const minus = tokens[at++] === '-';
      const [left, right] = [value, product()];
      value = (resolve) => (minus ? left(resolve) - right(resolve) : left(resolve) + right(resolve));
    }
    return value;
  };
  const value = sum();
  if (at !== tokens.length) throw new Error(`'${text}' is not a value`);
  return value;
}

interface Address {
  base: RegisterName | undefined;
  index: RegisterName | undefined;
  scale: number;
  rip: boolean;
  rest: string;
}

/** Split `base + index*scale + rest`. */
function parseAddress(text: string): Address {
  const address: Address = { base: undefined, index: undefined, scale: 0, rip: false, rest: '' };
  for (const [, sign = '+', term = ''] of text.replace(/\s+/g, '').matchAll(/([-+]?)((?:[^-+*]|\*-?)+)/g)) {
    const scaled = /^(\w+)\*([1248])$|^([1248])\*(\w+)$/.exec(term);
    const register = REGISTERS.get(scaled ? (scaled[1] ?? scaled[4])! : term);
    if (term === 'rip' || term.startsWith('rel$')) address.rip = true;
    if (term === 'rip') continue;
    if (register?.kind === 'reg' && register.width >= 16 && sign !== '-') {
      if (scaled || address.base) {
        if (address.index) throw new Error('two index registers');
        address.index = register;
        address.scale = Math.log2(Number(scaled?.[2] ?? scaled?.[3] ?? 1));
      } else address.base = register;
    } else address.rest += (sign || '+') + term;
  }
  // rSP cannot be an index: with scale 1 the two change places.
  if (address.index?.number === 4 && address.scale === 0 && address.base)
    [address.base, address.index] = [address.index, address.base];
  return address;
}

function parseMemory(text: string, width: number, segment: number): OperandSource {
  let inner = text.trim();
  let override = segment;
  const prefix = /^([c-gs]s)\s*:/.exec(inner);
  if (prefix) {
    override = SEGMENTS.indexOf(prefix[1]!);
    inner = inner.slice(prefix[0].length);
  }
  const relative = /^rel\s+/.exec(inner);
  if (relative) inner = inner.slice(relative[0].length);
  const { base, index, scale, rip, rest } = parseAddress(inner);
  const displacement = rest === '' ? (): bigint => 0n : parseValue(rest.replace(/^\+/, ''));
  const ripRelative = rip || relative !== null;
  const addressWidth = ((base ?? index)?.width ?? (ripRelative ? 64 : 0)) as MemoryOperand['addressWidth'];
  if (index?.number === 4) throw new Error('rSP cannot be an index');
  return (resolve) => ({
    kind: 'mem',
    width,
    base: base?.number ?? -1,
    index: index?.number ?? -1,
    scale,
    displacement: displacement(resolve),
    ripRelative,
    addressWidth,
    segment: override,
  });
}

function parseOperand(source: string): OperandSource {
  let text = source.trim().toLowerCase();
  let width = 0;
  const sized = /^([a-z]+)(?:\s+ptr)?\s*(?=[[c-gs])/.exec(text);
  if (sized && SIZE_WORDS.has(sized[1]!)) {
    width = SIZE_WORDS.get(sized[1]!)!;
    text = text.slice(sized[0].length).replace(/^ptr\s+/, '');
  }
  const memory = /^(?:([c-gs]s)\s*:\s*)?\[([^\]]*)\]$/.exec(text);
  if (memory) return parseMemory(memory[2]!, width, memory[1] ? SEGMENTS.indexOf(memory[1]) : -1);
  const register = REGISTERS.get(text);
  if (register) return () => register;
  const value = parseValue(source.trim());
  return (resolve) => ({ kind: 'imm', value: value(resolve) });
}

const SIZES: Record<string, 16 | 32 | 64> = { 16: 16, 32: 32, 64: 64 };

/** Parse one line into its label and statement. Throws an Error naming the line. */
export function parseLine(source: string, line: number): SourceLine[] {
  let text = source.replace(/[;#].*$/, '').trim();
  const at = { line, text };
  const out: SourceLine[] = [];
  for (let label = /^([$.@_a-zA-Z][$.@\w]*):(?!\s*\[)/.exec(text); label; label = /^([$.@_a-zA-Z][$.@\w]*):/.exec(text)) {
    out.push({ ...at, kind: 'label', name: label[1]! });
    text = text.slice(label[0].length).trim();
  }
  if (text === '') return out;
  try {
    out.push(parseStatement(text, at));
  } catch (error) {
    throw new Error(`line ${line}: '${source.trim()}': ${error instanceof Error ? error.message : String(error)}`);
  }
  return out;
}

function parseStatement(source: string, at: At): SourceLine {
  let text = source;
  let lock = false;
  let rep: 'rep' | 'repne' | undefined;
  let size: 16 | 32 | 64 | undefined;
  let addressWidth: 16 | 32 | 64 | undefined;
  let segment = -1;
  for (;;) {
    const word = /^(lock|repne|repnz|repe|repz|rep|[oa](?:16|32|64)|[c-gs]s)\s+(?=\S)/i.exec(text);
    if (!word) break;
    const prefix = word[1]!.toLowerCase();
    if (prefix === 'lock') lock = true;
    else if (prefix.startsWith('rep')) rep = prefix.startsWith('repn') ? 'repne' : 'rep';
    else if (prefix.startsWith('o')) size = SIZES[prefix.slice(1)];
    else if (/^a\d/.test(prefix)) addressWidth = SIZES[prefix.slice(1)];
    else segment = SEGMENTS.indexOf(prefix);
    text = text.slice(word[0].length);
  }
  const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(text) ?? [];
  let mnemonic = word.toLowerCase();
  let operands = rest;
  const data = DATA[mnemonic];
  if (data !== undefined) return { ...at, kind: 'data', size: data, items: rest.split(',').map(parseValue) };
  if (mnemonic === 'bits') return { ...at, kind: 'bits', code: SIZES[rest]! };
  if (mnemonic === 'align') return { ...at, kind: 'align', to: BigInt(rest) };
  const far = /^(far|short|near)\s+/i.exec(operands);
  if (far) {
    operands = operands.slice(far[0].length);
    if (far[1]!.toLowerCase() === 'far') mnemonic = `${mnemonic} far`;
  }
  const pointer = /^([^[\]:]+):([^[\]:]+)$/.exec(operands);
  const list =
    pointer && /^(jmp|call)( far)?$/.test(mnemonic) ? [pointer[2]!, pointer[1]!] : operands === '' ? [] : operands.split(',');
  if (pointer && !mnemonic.endsWith(' far')) mnemonic = `${mnemonic} far`;
  return { ...at, kind: 'instruction', mnemonic, operands: list.map(parseOperand), lock, rep, size, addressWidth, segment };
}
