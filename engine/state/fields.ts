import type { Fifo8 } from './fifo.ts';

/** A saved value: what one member is on the wire. */
export type SavedValue = number | bigint | boolean | Uint8Array | readonly number[] | readonly bigint[];
/** `state` is saved, `derived` is recomputed after a restore, `wiring` belongs to this host and is never reset by the guest. */
export type MemberKind = 'state' | 'derived' | 'wiring';

interface FieldOptions<V> {
  /** The member's name on the wire, for ever; unique in its part, 1..65535. */
  readonly id: number;
  readonly doc: string;
  /** Value after power-on; zero, false or all zeros when absent. */
  readonly reset?: V;
  readonly member?: MemberKind;
  /** `group.field` as KVM names it; absent: software only. */
  readonly kvm?: string;
  /** Byte offset from the block's base, for parts whose layout other code knows (the vCPU). Otherwise computed. */
  readonly at?: number;
}

interface NumberOptions<V> extends FieldOptions<V> {
  /** Bits that can be set; a saved value with others is refused. */
  readonly mask?: V;
  /** Lowest and highest value; a saved value outside is refused. */
  readonly range?: readonly [V, V];
}

export type ElementType = 'u8' | 'u16' | 'u32' | 'u64';
export type FieldType = ElementType | 'i64' | 'bool' | 'bytes' | 'array' | 'fifo8';

/** One declared member. `V` is the accessor's type. */
export interface Field<V = unknown> {
  readonly type: FieldType;
  readonly id: number;
  readonly doc: string;
  readonly member: MemberKind;
  readonly kvm: string | undefined;
  readonly at: number | undefined;
  readonly size: number;
  readonly align: number;
  /** Elements of an array, bytes of `bytes`, depth of a FIFO; 1 otherwise. */
  readonly length: number;
  readonly element: ElementType;
  readonly reset: SavedValue;
  readonly mask: number | bigint | undefined;
  readonly range: readonly [number | bigint, number | bigint] | undefined;
  /** Type only. */
  readonly value?: V;
}

const WIDTH: Record<ElementType, number> = { u8: 1, u16: 2, u32: 4, u64: 8 };

interface Shape {
  readonly type: FieldType;
  readonly element: ElementType;
  readonly length: number;
  readonly size?: number;
  readonly align?: number;
  readonly reset: SavedValue;
}

/** What `field` reads of any constructor's options. */
type AnyOptions = FieldOptions<unknown> & { readonly mask?: number | bigint; readonly range?: Field['range'] };

function field<V>(shape: Shape, options: AnyOptions): Field<V> {
  const width = WIDTH[shape.element];
  return {
    type: shape.type,
    id: options.id,
    doc: options.doc,
    member: options.member ?? 'state',
    kvm: options.kvm,
    at: options.at,
    size: shape.size ?? width * shape.length,
    align: shape.align ?? width,
    length: shape.length,
    element: shape.element,
    reset: shape.reset,
    mask: options.mask,
    range: options.range,
  };
}

const small =
  (element: 'u8' | 'u16' | 'u32') =>
  (options: NumberOptions<number>): Field<number> =>
    field({ type: element, element, length: 1, reset: options.reset ?? 0 }, options);

export const u8 = small('u8');
export const u16 = small('u16');
export const u32 = small('u32');

/** 64 bits, unsigned: a `bigint`; `lo`, `hi`, `setLo`, `setHi` of the accessor reach the halves as numbers. */
export function u64(options: NumberOptions<bigint>): Field<bigint> {
  return field({ type: 'u64', element: 'u64', length: 1, reset: options.reset ?? 0n }, options);
}

/** 64 bits, signed: a `bigint`; machine times in ns use it. */
export function i64(options: NumberOptions<bigint>): Field<bigint> {
  return field({ type: 'i64', element: 'u64', length: 1, reset: options.reset ?? 0n }, options);
}

export function bool(options: FieldOptions<boolean>): Field<boolean> {
  return field({ type: 'bool', element: 'u8', length: 1, reset: options.reset ?? false }, options);
}

/** `length` bytes, seen as one `Uint8Array` of the shared memory. */
export function bytes(length: number, options: FieldOptions<Uint8Array> & { readonly align?: number }): Field<Uint8Array> {
  const reset = options.reset ?? new Uint8Array(length);
  return field({ type: 'bytes', element: 'u8', length, align: options.align ?? 1, reset }, options);
}

export interface ArrayView {
  u8: Uint8Array;
  u16: Uint16Array;
  u32: Uint32Array;
  u64: BigUint64Array;
}

type ElementValue<E extends ElementType> = E extends 'u64' ? bigint : number;

/** `length` equal elements, seen as one typed view. `mask` and `range` hold for each; `reset` is one value for all, or all values. */
export function array<E extends ElementType>(
  element: E,
  length: number,
  options: Omit<NumberOptions<ElementValue<E>>, 'reset'> & { readonly reset?: ElementValue<E> | readonly ElementValue<E>[] },
): Field<ArrayView[E]> {
  const zero = element === 'u64' ? 0n : 0;
  const given = options.reset as number | bigint | readonly number[] | undefined;
  const reset = Array.isArray(given) ? (given as readonly number[]) : (Array(length).fill(given ?? zero) as number[]);
  return field({ type: 'array', element, length, reset }, options as AnyOptions);
}

/** A queue of at most `depth` bytes. */
export function fifo8(options: FieldOptions<never> & { readonly depth: number }): Field<Fifo8> {
  const { depth } = options;
  return field({ type: 'fifo8', element: 'u8', length: depth, size: 8 + depth, align: 4, reset: new Uint8Array(0) }, options);
}
