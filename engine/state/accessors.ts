import type { Field } from './fields.ts';
import { Fifo8 } from './fifo.ts';
import type { Views } from './views.ts';

/** What every bound part offers beside its members. Member names may not collide with these. */
export interface BoundBase {
  readonly views: Views;
  /** Byte address of the block. */
  readonly base: number;
  /** Bits 31..0 of a 64-bit member as a number below 2^32. */
  lo(name: string): number;
  /** Bits 63..32. */
  hi(name: string): number;
  setLo(name: string, value: number): void;
  setHi(name: string, value: number): void;
}

export interface PlacedField extends Field {
  readonly name: string;
  /** Byte offset from the block's base. */
  readonly offset: number;
}

type BoundClass = new (views: Views, base: number) => BoundBase;

const SHIFT = { u8: 0, u16: 1, u32: 2, u64: 3 } as const;
const VIEW = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, u64: BigUint64Array } as const;
const IDENTIFIER = /^[a-zA-Z][a-zA-Z0-9]*$/;

/**
 * The class of a layout's accessors. Its source is written from the layout, so that each layout has properties of its own which the
 * compiler sees as one typed-array access at a constant distance; shared closures would make every access polymorphic.
 */
export function accessorClass(fields: readonly PlacedField[]): BoundClass {
  const lines: string[] = [];
  const setup: string[] = [];
  for (const { name, type, element, offset } of fields) {
    if (!IDENTIFIER.test(name)) throw new SyntaxError(`${name} is not a member name`);
    const shift = SHIFT[element];
    const view = type === 'i64' ? 'i64' : element;
    const place = `this.views.${view}[(this.base + ${offset}) >>> ${shift}]`;
    if (type === 'bool') lines.push(`get ${name}() { return ${place} !== 0; }`, `set ${name}(v) { ${place} = v ? 1 : 0; }`);
    else if (type === 'bytes' || type === 'array' || type === 'fifo8') setup.push(`this.${name} = make(views, base, '${name}');`);
    else lines.push(`get ${name}() { return ${place}; }`, `set ${name}(v) { ${place} = v; }`);
  }
  const source = `return class Bound {
    constructor(views, base) { this.views = views; this.base = base; ${setup.join(' ')} }
    lo(name) { return this.views.u32[(this.base + offsets[name]) >>> 2]; }
    hi(name) { return this.views.u32[(this.base + offsets[name] + 4) >>> 2]; }
    setLo(name, value) { this.views.u32[(this.base + offsets[name]) >>> 2] = value; }
    setHi(name, value) { this.views.u32[(this.base + offsets[name] + 4) >>> 2] = value; }
    ${lines.join('\n    ')}
  };`;
  const byName = new Map(fields.map((f) => [f.name, f]));
  const offsets = Object.fromEntries(fields.map((f) => [f.name, f.offset]));
  const make = (views: Views, base: number, name: string) => {
    const field = byName.get(name) as PlacedField;
    if (field.type === 'fifo8') return new Fifo8(views.buffer, base + field.offset, field.length);
    return new VIEW[field.element](views.buffer as ArrayBuffer, base + field.offset, field.length);
  };
  return new Function('make', 'offsets', source)(make, offsets) as BoundClass;
}
