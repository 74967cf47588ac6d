import { assert, EngineError } from '../base/index.ts';
import { accessorClass, type BoundBase, type PlacedField } from './accessors.ts';
import type { Field, MemberKind, SavedValue } from './fields.ts';
import type { Fifo8 } from './fifo.ts';
import { type Views, viewsOf } from './views.ts';

export type Fields = Readonly<Record<string, Field>>;
type Value<F> = F extends Field<infer V> ? V : never;

/** Accessors of one part at one address. Reading a member is one typed-array access. */
export type Bound<F extends Fields> = { -readonly [K in keyof F]: Value<F[K]> } & BoundBase;

/** A saved part: pairs of member id and value, without members at their reset value. */
export type SavedState = readonly (readonly [id: number, value: SavedValue])[];

/** One line of the inspector's tree. */
export interface InspectedMember {
  readonly name: string;
  readonly id: number;
  readonly value: SavedValue;
  readonly member: MemberKind;
  readonly kvm: string | undefined;
  readonly doc: string;
}

export interface Layout<F extends Fields> {
  readonly name: string;
  /** Bytes of the block, a multiple of `align`. */
  readonly size: number;
  readonly align: number;
  readonly fields: { readonly [K in keyof F]: PlacedField };
  /** Accessors of the block at `base`, which is a multiple of `align`. */
  bind(memory: WebAssembly.Memory, base: number): Bound<F>;
  /** Power-on values for every member except wiring. */
  reset(bound: Bound<F>): void;
  /** Members of kind `state` that differ from their reset value. Does not change the part. */
  save(bound: Bound<F>): SavedState;
  /**
   * Reset, then the saved members. The input is hostile: anything but known ids of saved members, each once, with values of their type,
   * mask and range is refused with an `EngineError`, and nothing is changed. Derived members are then the part's business.
   */
  restore(bound: Bound<F>, saved: unknown): void;
  inspect(bound: Bound<F>): readonly InspectedMember[];
}

const registry = new Map<string, Layout<Fields>>();

/** Every layout of the modules imported so far, by name: what the lock file is written from. */
export function registeredLayouts(): ReadonlyMap<string, Layout<Fields>> {
  return registry;
}

const RESERVED = new Set(['views', 'base', 'lo', 'hi', 'setLo', 'setHi', 'constructor']);

function place(name: string, fields: Fields): { placed: PlacedField[]; size: number; align: number } {
  const ids = new Set<number>();
  let end = 0;
  let align = 8;
  // Every thread of every machine comes here for all members before it starts: sentences are made when something is wrong.
  const wrong = (member: string, what: string): void => assert(false, `${name}.${member} ${what}`);
  const placed = Object.entries(fields).map(([member, field]): PlacedField => {
    if (RESERVED.has(member)) wrong(member, 'is a free name');
    const { id } = field;
    if (!Number.isInteger(id) || id <= 0 || id >= 65536 || ids.has(id)) wrong(member, 'has an id of its own');
    ids.add(id);
    const offset = field.at ?? Math.ceil(end / field.align) * field.align;
    if (offset % field.align !== 0) wrong(member, 'is aligned');
    align = Math.max(align, field.align);
    end = Math.max(end, offset + field.size);
    return { ...field, name: member, offset };
  });
  const inOrder = [...placed].sort((a, b) => a.offset - b.offset);
  inOrder.forEach((field, i) => {
    const next = inOrder[i + 1];
    if (next !== undefined && field.offset + field.size > next.offset) wrong(field.name, 'overlaps nothing');
  });
  return { placed, size: Math.ceil(end / align) * align, align };
}

/** A copy of a member's present value in its saved form. */
function read(bound: BoundBase, field: PlacedField): SavedValue {
  const value = (bound as unknown as Record<string, unknown>)[field.name];
  if (field.type === 'fifo8') return (value as Fifo8).toBytes();
  if (field.type === 'bytes') return Uint8Array.from(value as Uint8Array);
  if (field.type === 'array') return Array.from(value as Uint32Array);
  return value as SavedValue;
}

function write(bound: BoundBase, field: PlacedField, value: SavedValue): void {
  const members = bound as unknown as Record<string, unknown>;
  if (field.type === 'fifo8') {
    const fifo = members[field.name] as Fifo8;
    fifo.clear();
    for (const byte of value as Uint8Array) fifo.push(byte);
  } else if (field.type === 'bytes' || field.type === 'array') {
    (members[field.name] as Uint32Array).set(value as readonly number[]);
  } else {
    members[field.name] = value;
  }
}

function equal(a: SavedValue, b: SavedValue): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return a.length === b.length && Array.from<number | bigint>(a as readonly number[]).every((element, i) => element === b[i]);
}

const HIGHEST = { u8: 0xff, u16: 0xffff, u32: 0xffffffff, u64: 0xffff_ffff_ffff_ffffn } as const;
const [LOWEST_SIGNED, HIGHEST_SIGNED] = [-(1n << 63n), (1n << 63n) - 1n];

function fits(field: Field, value: unknown): boolean {
  const wide = field.element === 'u64';
  if (typeof value !== (wide ? 'bigint' : 'number')) return false;
  const signed = field.type === 'i64';
  const n = value as number | bigint;
  if (!wide && !Number.isInteger(n)) return false;
  if (n < (signed ? LOWEST_SIGNED : 0) || n > (signed ? HIGHEST_SIGNED : HIGHEST[field.element])) return false;
  if (field.range !== undefined && (n < field.range[0] || n > field.range[1])) return false;
  if (field.mask === undefined) return true;
  return wide ? ((n as bigint) & ~(field.mask as bigint)) === 0n : ((n as number) & ~(field.mask as number)) >>> 0 === 0;
}

function acceptable(field: Field, value: unknown): value is SavedValue {
  if (field.type === 'bool') return typeof value === 'boolean';
  if (field.type === 'fifo8') return value instanceof Uint8Array && value.length <= field.length;
  if (field.type === 'bytes') return value instanceof Uint8Array && value.length === field.length;
  if (field.type === 'array') return Array.isArray(value) && value.length === field.length && value.every((v) => fits(field, v));
  return fits(field, value);
}

/** As `acceptable`; an array of one value is looked at once. */
function resetsWell(field: Field): boolean {
  const { reset, type } = field;
  if (type !== 'array' || !Array.isArray(reset) || reset.length !== field.length) return acceptable(field, reset);
  const [first] = reset as readonly unknown[];
  return (reset as readonly unknown[]).every((value) => value === first) ? fits(field, first) : acceptable(field, reset);
}

function expectation(field: Field): string {
  const range = field.range === undefined ? '' : ` ${field.range[0]}..${field.range[1]}`;
  const mask = field.mask === undefined ? '' : ` within bits 0x${field.mask.toString(16)}`;
  return `${field.type}${field.type === 'array' ? ` of ${field.element}` : ''}${field.length > 1 ? ` of ${field.length}` : ''}${range}${mask}`;
}

/** Checks a saved part completely; nothing is written. */
function validated(name: string, byId: ReadonlyMap<number, PlacedField>, saved: unknown): [PlacedField, SavedValue][] {
  if (!Array.isArray(saved)) throw new EngineError('state-malformed', { part: name, reason: 'it is not a list' });
  const seen = new Set<number>();
  return saved.map((pair: unknown): [PlacedField, SavedValue] => {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw new EngineError('state-malformed', { part: name, reason: 'a member is not a pair' });
    const [id, value] = pair as [unknown, unknown];
    const field = typeof id === 'number' ? byId.get(id) : undefined;
    if (field === undefined || field.member !== 'state') throw new EngineError('state-unknown', { part: name, id: String(id) });
    if (seen.has(field.id)) throw new EngineError('state-malformed', { part: name, reason: `member ${field.id} comes twice` });
    seen.add(field.id);
    if (!acceptable(field, value))
      throw new EngineError('state-value', { part: name, field: field.name, expected: expectation(field) });
    return [field, value];
  });
}

/** Declare the state of a part. `name` is unique among all parts and, with the ids, permanent: it is what saved machines contain. */
export function defineState<const F extends Fields>(name: string, fields: F): Layout<F> {
  assert(!registry.has(name), `the part name ${name} is used once`);
  const { placed, size, align } = place(name, fields);
  for (const field of placed) {
    if (!resetsWell(field)) assert(false, `${name}.${field.name} resets to a value of its own range`);
  }
  let byId: ReadonlyMap<number, PlacedField> | undefined;
  let Accessors: (new (views: Views, base: number) => Bound<F>) | undefined;
  const reset = (bound: Bound<F>) => {
    for (const field of placed) if (field.member !== 'wiring') write(bound, field, field.reset);
  };
  const layout: Layout<F> = {
    name,
    size,
    align,
    fields: Object.fromEntries(placed.map((field) => [field.name, field])) as { [K in keyof F]: PlacedField },
    bind: (memory, base) => {
      assert(base % align === 0, `the block of ${name} is aligned`);
      // A thread writes the classes of the parts that it binds only.
      Accessors ??= accessorClass(placed) as new (views: Views, base: number) => Bound<F>;
      return new Accessors(viewsOf(memory), base);
    },
    reset,
    save: (bound) =>
      placed
        .filter((field) => field.member === 'state')
        .map((field) => [field.id, read(bound, field), field.reset] as const)
        .filter(([, value, atReset]) => !equal(value, atReset))
        .map(([id, value]) => [id, value]),
    restore: (bound, saved) => {
      byId ??= new Map(placed.map((field) => [field.id, field]));
      const members = validated(name, byId, saved);
      reset(bound);
      for (const [field, value] of members) write(bound, field, value);
    },
    inspect: (bound) =>
      placed.map((field) => ({
        name: field.name,
        id: field.id,
        value: read(bound, field),
        member: field.member,
        kvm: field.kvm,
        doc: field.doc,
      })),
  };
  registry.set(name, layout as unknown as Layout<Fields>);
  return layout;
}
