import { ByteSink } from './bytes.ts';
import { type Code, VALUE_TYPE, type ValueType } from './code.ts';

/** Parameter and result types of a function. */
export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

const KEYS = new WeakMap<Signature, string>();

/** The same for signatures that are alike. */
function keyOf(signature: Signature): string {
  let key = KEYS.get(signature);
  if (key === undefined) {
    key = `${signature.parameters.join()}>${signature.results.join()}`;
    KEYS.set(signature, key);
  }
  return key;
}

/** Modules are put together here, one after the other. */
const OUT = new ByteSink(65536);

interface Import {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}

/**
 * A wasm module in the making, written in the order of the binary format (wasm core specification, section 5.5). Functions are numbered
 * imports first; `declare` gives a number before the body exists, so that functions may call each other.
 */
export class ModuleBuilder {
  readonly #types: Signature[] = [];
  readonly #typeIndex = new Map<string, number>();
  readonly #imports: Import[] = [];
  readonly #functions: { type: number; body: Code | undefined; name: string }[] = [];
  readonly #exports: { name: string; index: number }[] = [];
  #memory: { pages: number } | undefined;
  #table: { elements: readonly number[] } | undefined;
  #importedTable: { module: string; name: string; least: number } | undefined;

  type(signature: Signature): number {
    const key = keyOf(signature);
    const known = this.#typeIndex.get(key);
    if (known !== undefined) return known;
    this.#types.push(signature);
    this.#typeIndex.set(key, this.#types.length - 1);
    return this.#types.length - 1;
  }

  /** Import a function. All imports come before the first `declare`. */
  importFunction(module: string, name: string, signature: Signature): number {
    if (this.#functions.length > 0) throw new RangeError('imports come before functions');
    this.#imports.push({ module, name, type: this.type(signature) });
    return this.#imports.length - 1;
  }

  /** Import the shared memory `env.memory` with exactly `pages` 64 KiB pages as its least size; the maximum is 65536 pages. */
  importSharedMemory(pages: number): void {
    this.#memory = { pages };
  }

  /** Import a table of functions, of at least `least` slots: it is table 0, the module's own becomes table 1. */
  importTable(module: string, name: string, least: number): void {
    this.#importedTable = { module, name, least };
  }

  /** A table of the module's own, holding these functions from slot 0 on. */
  table(elements: readonly number[]): void {
    this.#table = { elements };
  }

  declare(name: string, signature: Signature): number {
    this.#functions.push({ type: this.type(signature), body: undefined, name });
    return this.#imports.length + this.#functions.length - 1;
  }

  define(index: number, code: Code): void {
    const entry = this.#functions[index - this.#imports.length];
    if (!entry || entry.body) throw new RangeError(`function ${index} is not there to define`);
    entry.body = code;
  }

  /** Bytes of the instructions of a defined function, for size budgets. */
  bodySize(index: number): number {
    return this.#functions[index - this.#imports.length]?.body?.size ?? 0;
  }

  export(name: string, index: number): void {
    this.#exports.push({ name, index });
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = OUT;
    out.clear();
    for (const byte of [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]) out.byte(byte);
    const section = (id: number, write: (sink: ByteSink) => void): void => {
      out.byte(id);
      out.sized(() => write(out));
    };
    section(1, (s) => {
      s.u32(this.#types.length);
      for (const type of this.#types) {
        s.byte(0x60);
        s.u32(type.parameters.length);
        for (const p of type.parameters) s.byte(VALUE_TYPE[p]);
        s.u32(type.results.length);
        for (const r of type.results) s.byte(VALUE_TYPE[r]);
      }
    });
    section(2, (s) => {
      const shared = this.#importedTable;
      s.u32(this.#imports.length + (this.#memory ? 1 : 0) + (shared ? 1 : 0));
      if (shared) {
        s.name(shared.module);
        s.name(shared.name);
        s.byte(0x01);
        s.byte(0x70);
        s.byte(0x00); // no maximum
        s.u32(shared.least);
      }
      if (this.#memory) {
        s.name('env');
        s.name('memory');
        s.byte(0x02);
        s.byte(0x03); // shared, with a maximum
        s.u32(this.#memory.pages);
        s.u32(65536);
      }
      for (const entry of this.#imports) {
        s.name(entry.module);
        s.name(entry.name);
        s.byte(0x00);
        s.u32(entry.type);
      }
    });
    section(3, (s) => {
      s.u32(this.#functions.length);
      for (const f of this.#functions) s.u32(f.type);
    });
    const table = this.#table;
    if (table) {
      section(4, (s) => {
        s.u32(1);
        s.byte(0x70);
        s.byte(0x00);
        s.u32(table.elements.length);
      });
    }
    section(7, (s) => {
      s.u32(this.#exports.length);
      for (const { name, index } of this.#exports) {
        s.name(name);
        s.byte(0x00);
        s.u32(index);
      }
    });
    if (table) {
      section(9, (s) => {
        const number = this.#importedTable ? 1 : 0;
        s.u32(1);
        s.u32(number === 0 ? 0 : 2);
        if (number !== 0) s.u32(number);
        s.byte(0x41);
        s.s32(0);
        s.byte(0x0b);
        if (number !== 0) s.byte(0x00); // functions
        s.u32(table.elements.length);
        for (const index of table.elements) s.u32(index);
      });
    }
    const hinted = this.#functions.flatMap(({ body }, i) => {
      const hints = body?.hints ?? [];
      return hints.length === 0 ? [] : [{ index: this.#imports.length + i, hints }];
    });
    if (hinted.length > 0) {
      section(0, (s) => {
        s.name('metadata.code.branch_hint');
        s.u32(hinted.length);
        for (const { index, hints } of hinted) {
          s.u32(index);
          s.u32(hints.length);
          for (const { at, likely } of hints) {
            s.u32(at);
            s.u32(1);
            s.byte(likely ? 1 : 0);
          }
        }
      });
    }
    section(10, (s) => {
      s.u32(this.#functions.length);
      for (const f of this.#functions) {
        const { body, name } = f;
        if (!body) throw new RangeError(`function ${name} has no body`);
        s.sized(() => body.write(s));
      }
    });
    return out.view().slice();
  }
}
