/**
 * A small builder for ACPI machine language. Every function returns the encoding of one term; terms nest by nesting calls.
 * Spec: ACPI 6.5, chapter 20 (encoding) and section 6.4 (resource data types).
 */
import { ascii, checksum, join, littleEndian } from '../bytes.ts';

/** One encoded term. */
export type Aml = Uint8Array;

const op = (...codes: number[]): Aml => Uint8Array.from(codes);

/** PkgLength covers itself and what follows (20.2.4); up to 2^28 - 1 bytes. */
function packageLength(bodySize: number): Aml {
  if (bodySize + 1 < 0x40) return op(bodySize + 1);
  for (let extra = 1; extra <= 3; extra++) {
    const total = bodySize + 1 + extra;
    if (total < 2 ** (4 + 8 * extra)) {
      const bytes = [(extra << 6) | (total & 0x0f)];
      for (let i = 0; i < extra; i++) bytes.push(Math.floor(total / 2 ** (4 + 8 * i)) & 0xff);
      return op(...bytes);
    }
  }
  throw new RangeError('AML package longer than 2^28 bytes');
}

const packaged = (code: Aml, ...body: readonly Aml[]): Aml => {
  const content = join(...body);
  return join(code, packageLength(content.length), content);
};

/** A name path: `\` and `^` prefixes, segments of up to four characters parted by dots (20.2.2). */
export function path(text: string): Aml {
  const prefix = /^(\\|\^*)/.exec(text)?.[0] ?? '';
  const segments = text.slice(prefix.length).split('.').filter(Boolean);
  const names = segments.map((segment) => {
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw new RangeError(`AML name segment ${segment}`);
    return ascii(segment.padEnd(4, '_'));
  });
  const count = names.length === 0 ? op(0) : names.length === 1 ? op() : names.length === 2 ? op(0x2e) : op(0x2f, names.length);
  return join(ascii(prefix), count, ...names);
}

/** An integer constant in its shortest encoding (20.2.3); 0 to 2^64 - 1. */
export function integer(value: number | bigint): Aml {
  const wide = BigInt(value);
  if (wide === 0n) return op(0x00);
  if (wide === 1n) return op(0x01);
  if (wide <= 0xffn) return join(op(0x0a), littleEndian(wide, 1));
  if (wide <= 0xffffn) return join(op(0x0b), littleEndian(wide, 2));
  if (wide <= 0xffffffffn) return join(op(0x0c), littleEndian(wide, 4));
  return join(op(0x0e), littleEndian(wide, 8));
}

/** A zero-terminated ASCII string. */
export const text = (value: string): Aml => join(op(0x0d), ascii(value), op(0));

/** A compressed EISA identifier, three letters and four hexadecimal digits, as an integer (ASL macro EisaId). */
export function eisaId(id: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(id)) throw new RangeError(`EISA id ${id}`);
  const letters = [0, 1, 2].reduce((sum, i) => (sum << 5) | (id.charCodeAt(i) - 0x40), 0);
  const value = ((letters << 16) | Number.parseInt(id.slice(3), 16)) >>> 0;
  const swapped = ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
  return join(op(0x0c), littleEndian(swapped, 4));
}

export const name = (at: string, value: Aml): Aml => join(op(0x08), path(at), value);
export const scope = (at: string, ...body: readonly Aml[]): Aml => packaged(op(0x10), path(at), ...body);
export const device = (at: string, ...body: readonly Aml[]): Aml => packaged(op(0x5b, 0x82), path(at), ...body);
export const list = (...elements: readonly Aml[]): Aml => packaged(op(0x12), op(elements.length), ...elements);
const buffer = (bytes: Uint8Array): Aml => packaged(op(0x11), integer(bytes.length), bytes);

/** A control method of `args` arguments (0 to 7) that is entered by one caller at a time. */
export const method = (at: string, args: number, ...body: readonly Aml[]): Aml =>
  packaged(op(0x14), path(at), op(args | 0x08), ...body);

/** An operation region in I/O space (1) or the PCI configuration space (2) of the enclosing device. */
export const region = (at: string, place: { space: 'io' | 'pci'; offset: number; size: number }): Aml =>
  join(op(0x5b, 0x80), path(at), op(place.space === 'io' ? 1 : 2), integer(place.offset), integer(place.size));

/** Fields of one byte each over the start of a region; accesses are bytes and keep the other bits. */
export const byteFields = (of: string, names: readonly string[]): Aml =>
  packaged(op(0x5b, 0x81), path(of), op(0x01), ...names.map((field) => join(path(field), op(8))));

export const arg = (index: number): Aml => op(0x68 + index);
export const local = (index: number): Aml => op(0x60 + index);
export const give = (value: Aml): Aml => join(op(0xa4), value);
export const store = (value: Aml, target: Aml): Aml => join(op(0x70), value, target);
export const and = (a: Aml, b: Aml, target: Aml = op(0)): Aml => join(op(0x7b), a, b, target);
export const or = (a: Aml, b: Aml, target: Aml = op(0)): Aml => join(op(0x7d), a, b, target);
export const when = (condition: Aml, ...body: readonly Aml[]): Aml => packaged(op(0xa0), condition, ...body);
/** Names `field` as the 32 bits at byte `offset` of a buffer held in `source`. */
export const dwordField = (source: Aml, offset: number, field: string): Aml =>
  join(op(0x8a), source, integer(offset), path(field));
export const call = (at: string, ...args: readonly Aml[]): Aml => join(path(at), ...args);

/** A resource template: descriptors, end tag with checksum, in a buffer (6.4). */
export function resources(...descriptors: readonly Uint8Array[]): Aml {
  const body = join(...descriptors, op(0x79));
  return buffer(join(body, op(checksum(body))));
}

/** Fixed I/O ports decoded in 16 bits (6.4.2.5). */
export const ioPorts = (at: number, count: number): Uint8Array =>
  join(op(0x47, 0x01), littleEndian(at, 2), littleEndian(at, 2), op(1, count));

/** Edge-triggered, active-high ISA interrupt lines, one of which the device uses (6.4.2.1). */
export const isaIrq = (...lines: readonly number[]): Uint8Array =>
  join(
    op(0x22),
    littleEndian(
      lines.reduce((mask, line) => mask | (1 << line), 0),
      2,
    ),
  );

/** Level-triggered, active-high, shareable interrupts consumed by the device (6.4.3.6). The first GSI stands at byte 5. */
export const sharedInterrupts = (...gsis: readonly number[]): Uint8Array =>
  join(op(0x89), littleEndian(2 + 4 * gsis.length, 2), op(0x09, gsis.length), ...gsis.map((gsi) => littleEndian(gsi, 4)));

/** A window that a bridge passes on (6.4.3.5): `first` to `last` inclusive. Bus numbers and ports are words, memory double words. */
export function bridgeWindow(kind: 'bus' | 'io' | 'memory', first: number, last: number): Uint8Array {
  const type = kind === 'memory' ? 0 : kind === 'io' ? 1 : 2;
  const width = kind === 'memory' ? 4 : 2;
  // Positive decode, minimum and maximum fixed; memory is read-write, ports may be used over the whole range.
  const specific = kind === 'memory' ? 0x01 : kind === 'io' ? 0x03 : 0x00;
  const numbers = [0, first, last, 0, last - first + 1].map((value) => littleEndian(value, width));
  const body = join(op(type, 0x0c, specific), ...numbers);
  return join(op(width === 4 ? 0x87 : 0x88), littleEndian(body.length, 2), body);
}
