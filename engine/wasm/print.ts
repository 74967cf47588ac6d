/** Text of a module's functions, one operator a line, for tests and for people: the inverse of `code.ts` for what it can write. */
import { ATOMIC, MEMORY, NUMERIC, OP, SATURATING, SIMD, SIMD_LANE } from './opcodes.ts';

const TYPES: Record<number, string> = { 127: 'i32', 126: 'i64', 125: 'f32', 124: 'f64', 123: 'v128', 64: '' };

const invert = (table: Readonly<Record<string, number | readonly number[]>>): Map<number, string> =>
  new Map(Object.entries(table).map(([name, code]) => [typeof code === 'number' ? code : (code[0] as number), name]));
const plain = new Map([...invert(OP), ...invert(NUMERIC)]);
const memory = invert(MEMORY);
const simd = invert(SIMD);
const lanes = invert(SIMD_LANE);
const atomic = invert(ATOMIC);
const saturating = invert(SATURATING);

class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  get done(): boolean {
    return this.at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.at++] as number;
  }

  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  signed(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(Number(shift) + 7, value);
    }
  }

  text(): string {
    const length = this.unsigned();
    let out = '';
    for (let i = 0; i < length; i++) out += String.fromCharCode(this.byte());
    return out;
  }
}

/** Functions of a module in order; imported functions are named in calls. */
export function printModule(bytes: Uint8Array): string {
  const reader = new Reader(bytes, 8);
  const names: string[] = [];
  const out: string[] = [];
  while (!reader.done) {
    const section = reader.byte();
    const size = reader.unsigned();
    const end = reader.at + size;
    if (section === 2) readImports(reader, names);
    if (section === 10) {
      const count = reader.unsigned();
      for (let i = 0; i < count; i++) {
        const length = reader.unsigned();
        out.push(`func ${i}`, ...printBody(reader, reader.at + length, names));
      }
    }
    reader.at = end;
  }
  return `${out.join('\n')}\n`;
}

function readImports(reader: Reader, names: string[]): void {
  for (let left = reader.unsigned(); left > 0; left--) {
    reader.text();
    const name = reader.text();
    const kind = reader.byte();
    if (kind === 0) {
      reader.unsigned();
      names.push(name);
    } else if (kind === 1) {
      reader.byte();
      reader.byte();
      reader.unsigned();
    } else {
      const shared = reader.byte();
      reader.unsigned();
      if ((shared & 1) !== 0) reader.unsigned();
    }
  }
}

function printBody(reader: Reader, end: number, names: readonly string[]): string[] {
  const lines: string[] = [];
  for (let runs = reader.unsigned(); runs > 0; runs--) {
    const count = reader.unsigned();
    lines.push(`  local ${count} ${TYPES[reader.byte()]}`);
  }
  let depth = 1;
  while (reader.at < end) {
    const text = operator(reader, names);
    if (text === 'end' || text === 'else') depth--;
    if (depth > 0) lines.push(`${'  '.repeat(depth)}${text}`);
    if (/^(block|loop|if|else)\b/.test(text)) depth++;
  }
  return lines;
}

function operator(reader: Reader, names: readonly string[]): string {
  const code = reader.byte();
  const known = memory.get(code);
  if (known !== undefined) return `${known} ${access(reader)}`;
  switch (code) {
    case 0x41:
      return `i32.const ${reader.signed()}`;
    case 0x42:
      return `i64.const ${reader.signed()}`;
    case OP.block:
    case OP.loop:
    case OP.if:
      return `${plain.get(code)} ${TYPES[reader.byte()]}`.trimEnd();
    case OP.br:
    case OP.br_if:
    case OP['local.get']:
    case OP['local.set']:
    case OP['local.tee']:
      return `${plain.get(code)} ${reader.unsigned()}`;
    case OP.call:
    case OP.return_call: {
      const index = reader.unsigned();
      return `${plain.get(code)} ${names[index] ?? index}`;
    }
    case OP.call_indirect:
    case OP.return_call_indirect:
      return `${plain.get(code)} type ${reader.unsigned()} table ${reader.unsigned()}`;
    case OP.br_table: {
      const targets = Array.from({ length: reader.unsigned() + 1 }, () => reader.unsigned());
      return `br_table ${targets.join(' ')}`;
    }
    case 0xfc:
      return bulk(reader);
    case 0xfd:
      return vector(reader);
    case 0xfe: {
      const name = atomic.get(reader.unsigned());
      return `${name} ${access(reader)}`;
    }
    default:
      return plain.get(code) ?? `byte ${code}`;
  }
}

function access(reader: Reader): string {
  reader.unsigned();
  return `+${reader.unsigned()}`;
}

function bulk(reader: Reader): string {
  const code = reader.unsigned();
  if (code === 0x0a) {
    reader.at += 2;
    return 'memory.copy';
  }
  if (code === 0x0b) {
    reader.at += 1;
    return 'memory.fill';
  }
  return saturating.get(code) ?? `fc ${code}`;
}

function vector(reader: Reader): string {
  const code = reader.unsigned();
  if (code === 0x00) return `v128.load ${access(reader)}`;
  if (code === 0x0b) return `v128.store ${access(reader)}`;
  if (code === 0x0c)
    return `v128.const ${Array.from({ length: 16 }, () => reader.byte().toString(16).padStart(2, '0')).join('')}`;
  if (code === 0x0d) return `i8x16.shuffle ${Array.from({ length: 16 }, () => reader.byte()).join(' ')}`;
  const lane = lanes.get(code);
  return lane === undefined ? (simd.get(code) ?? `fd ${code}`) : `${lane} ${reader.byte()}`;
}
