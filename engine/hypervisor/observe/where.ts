/**
 * Expressions that choose events: `reason == IO_INSTRUCTION && port == 0x3f8`. Unsigned 64-bit numbers (decimal, 0x, 0b, `_` between
 * digits), names, the operators of C without assignment, and parentheses. A name that an event does not have makes what it stands in
 * false, not wrong.
 *
 * Hostile input: text and nesting are bounded, nothing is built from text, evaluation has no loops.
 */

/** Longest text, in characters. */
export const MAXIMUM_WHERE = 1000;
const DEEPEST = 64;

/** The value of a name in the event at hand; `undefined` when the event has none. */
export type Value = () => bigint | undefined;

/** What a name means; `undefined` when it means nothing. Asked once for each name. */
export type Resolve = (name: string) => Value | undefined;

/** What is wrong with an expression, and where: characters from 0. */
export class WhereError extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

interface Token {
  readonly kind: 'number' | 'name' | 'operator' | 'end';
  readonly text: string;
  readonly at: number;
}

const TOKEN =
  /\s*(?:(0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*)|([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*)|(&&|\|\||==|!=|<=|>=|<<|>>|[-+&|^~!<>()]))/y;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; at < text.length; ) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) {
      const blank = /^\s*$/.test(text.slice(at));
      if (blank) break;
      const wrong = at + (/\S/.exec(text.slice(at))?.index ?? 0);
      throw new WhereError(`${JSON.stringify(text[wrong])} is no part of an expression`, wrong);
    }
    const [whole, number, name, operator] = match;
    at += whole.length;
    const word = number ?? name ?? operator ?? '';
    const kind = number !== undefined ? 'number' : name !== undefined ? 'name' : 'operator';
    found.push({ kind, text: word, at: at - word.length });
  }
  found.push({ kind: 'end', text: 'the end', at: text.length });
  return found;
}

const WORD = (1n << 64n) - 1n;
const truth = (value: boolean): bigint => (value ? 1n : 0n);
/** A shift by 64 or more leaves nothing. */
const shifted = (by: bigint, shift: (by: bigint) => bigint): bigint => (by > 63n ? 0n : shift(by));

/** Binary operators by how tightly they bind, loosest first; `&&` and `||` stand apart: they bear what is absent. */
const LEVELS: readonly Readonly<Record<string, (a: bigint, b: bigint) => bigint>>[] = [
  { '==': (a, b) => truth(a === b), '!=': (a, b) => truth(a !== b) },
  { '<': (a, b) => truth(a < b), '<=': (a, b) => truth(a <= b), '>': (a, b) => truth(a > b), '>=': (a, b) => truth(a >= b) },
  // Unlike in C, these bind tighter than comparisons: `value & 4 == 4` means what it looks like.
  { '|': (a, b) => a | b, '^': (a, b) => a ^ b },
  { '&': (a, b) => a & b },
  { '<<': (a, b) => shifted(b, (by) => (a << by) & WORD), '>>': (a, b) => shifted(b, (by) => a >> by) },
  { '+': (a, b) => (a + b) & WORD, '-': (a, b) => (a - b) & WORD },
];

/** Parse `text`. The result tells whether the event at hand is wanted. Throws `WhereError`. */
export function parseWhere(text: string, resolve: Resolve): () => boolean {
  if (text.length > MAXIMUM_WHERE) throw new WhereError(`it has more than ${MAXIMUM_WHERE} characters`, MAXIMUM_WHERE);
  const parser = new Parser(tokens(text), resolve);
  const value = parser.whole();
  return () => {
    const result = value();
    return result !== undefined && result !== 0n;
  };
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #resolve: Resolve;
  readonly #names = new Map<string, Value>();
  #next = 0;
  #depth = 0;

  constructor(all: readonly Token[], resolve: Resolve) {
    this.#tokens = all;
    this.#resolve = resolve;
  }

  whole(): Value {
    const value = this.#or();
    if (this.#peek.kind !== 'end') throw this.#unexpected();
    return value;
  }

  get #peek(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #take(operator: string): boolean {
    const { kind, text } = this.#peek;
    if (kind !== 'operator' || text !== operator) return false;
    this.#next++;
    return true;
  }

  #unexpected(): WhereError {
    const { text, at, kind } = this.#peek;
    return new WhereError(kind === 'end' ? 'it ends too early' : `${text} is not expected here`, at);
  }

  #or(): Value {
    let left = this.#and();
    while (this.#take('||')) {
      const [a, b] = [left, this.#and()];
      left = () => truth(isTrue(a()) || isTrue(b()));
    }
    return left;
  }

  #and(): Value {
    let left = this.#binary(0);
    while (this.#take('&&')) {
      const [a, b] = [left, this.#binary(0)];
      left = () => truth(isTrue(a()) && isTrue(b()));
    }
    return left;
  }

  #binary(level: number): Value {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const { kind, text } = this.#peek;
      const apply = kind === 'operator' && Object.hasOwn(operators, text) ? operators[text] : undefined;
      if (apply === undefined) return left;
      this.#next++;
      const [a, b] = [left, this.#binary(level + 1)];
      left = () => {
        const [x, y] = [a(), b()];
        return x === undefined || y === undefined ? undefined : apply(x, y);
      };
    }
  }

  #unary(): Value {
    if (++this.#depth > DEEPEST) throw new WhereError('it is nested too deeply', this.#peek.at);
    try {
      if (this.#take('!')) {
        const value = this.#unary();
        return () => {
          const x = value();
          return x === undefined ? undefined : truth(x === 0n);
        };
      }
      if (this.#take('~')) return changed(this.#unary(), (x) => ~x & WORD);
      if (this.#take('-')) return changed(this.#unary(), (x) => -x & WORD);
      if (this.#take('(')) {
        const value = this.#or();
        if (!this.#take(')')) throw this.#unexpected();
        return value;
      }
      return this.#leaf();
    } finally {
      this.#depth--;
    }
  }

  #leaf(): Value {
    const { kind, text, at } = this.#peek;
    if (kind === 'operator' || kind === 'end') throw this.#unexpected();
    this.#next++;
    if (kind === 'number') {
      const value = BigInt(text.replaceAll('_', '').replace(/^0[xXbB]$/, '0'));
      if (value > WORD) throw new WhereError(`${text} has more than 64 bits`, at);
      return () => value;
    }
    const value = this.#names.get(text) ?? this.#resolve(text);
    if (value === undefined) throw new WhereError(`there is no ${text}`, at);
    this.#names.set(text, value);
    return value;
  }
}

const isTrue = (value: bigint | undefined): boolean => value !== undefined && value !== 0n;

const changed =
  (value: Value, change: (x: bigint) => bigint): Value =>
  () => {
    const x = value();
    return x === undefined ? undefined : change(x);
  };
