/**
 * Records of 64-bit code by the first bytes of an instruction, up to where its displacement and immediates begin: these bytes say all but the
 * values of those. An instruction whose first bytes were met before is not decoded again; its record is a copy with other values.
 */
import type { Decoded } from '../../isa/decoded.ts';
import { signed32 } from '../../isa/immediates.ts';
import { REC_FLAG } from '../regions.ts';
import { GREATEST_RELATIVE } from './address-shapes.ts';
import { immediateOf } from './records.ts';

/** A node of the tree of first bytes has a number for each next byte: 0 nothing is known, above 0 a node, below 0 a template's complement. */
const NODE = 256;
const FIRST_NODES = 256;
const MOST_NODES = 4096;

/** Words of a template: those of the record that are always the same, what follows the first bytes, and masks of the immediate's halves. */
const WORDS = 8;
const NEXT = 4;
const SHAPE = 5;
const LOW = 6;
const HIGH = 7;

/** `SHAPE`: in its lowest bits the length, then what is read, and what becomes of it. */
const LENGTH = 15;
const ENDS = 1 << 4;
const SHORT_DISPLACEMENT = 1 << 5;
const LONG_DISPLACEMENT = 1 << 6;
/** The displacement counts from the next instruction. */
const FROM_NEXT = 1 << 7;
/** The immediate is the displacement of a branch. */
const BRANCH = 1 << 8;
const IMMEDIATE = 9;
const READ = { none: 0, signed8: 1, unsigned8: 2, low16: 3, signed32: 4, unsigned32: 5, whole: 6 } as const;

/** The template of what must always be decoded. */
const DECODED = -1;

/** An instruction that was decoded. */
export interface Learned {
  readonly decoded: Decoded;
  /** A block ends with it. */
  readonly ends: boolean;
  readonly at: number;
  readonly record: number;
  readonly offset: number;
}

export class RecordTemplates {
  readonly #u32: Uint32Array;
  readonly #bytes: Uint8Array;
  #nodes = new Int32Array(FIRST_NODES * NODE);
  #nodeCount = 1;
  #words = new Int32Array(1024 * WORDS);
  #count = 0;

  /**
   * @param u32 the machine's memory
   * @param bytes where instructions are read; beyond the last one there are as many bytes as the longest has
   */
  constructor(u32: Uint32Array, bytes: Uint8Array) {
    this.#u32 = u32;
    this.#bytes = bytes;
  }

  /**
   * Write the record (at that host address) of the instruction at an index of the bytes, which is so far from the start of its page. Returns its
   * length, or the complement of that where a block ends with it; 0: it must be decoded. Whether so many bytes were there is for the caller to ask.
   */
  write(at: number, record: number, offset: number): number {
    const nodes = this.#nodes;
    const bytes = this.#bytes;
    let i = at;
    let node = 0;
    do node = nodes[node * NODE + (bytes[i++] as number)] as number;
    while (node > 0);
    if (node === 0 || node === DECODED) return 0;
    const words = this.#words;
    const template = ~node * WORDS;
    const shape = words[template + SHAPE] as number;
    const length = shape & LENGTH;
    const next = offset + length;
    let displacement = 0;
    if ((shape & SHORT_DISPLACEMENT) !== 0) displacement = ((bytes[i++] as number) << 24) >> 24;
    else if ((shape & LONG_DISPLACEMENT) !== 0) {
      displacement = signed32(bytes, i);
      i += 4;
    }
    if ((shape & FROM_NEXT) !== 0) {
      if (displacement > GREATEST_RELATIVE) return 0;
      displacement += next;
    }
    let low = 0;
    let high = 0;
    switch ((shape >> IMMEDIATE) & 7) {
      case READ.none:
        break;
      case READ.signed8:
        low = ((bytes[i] as number) << 24) >> 24;
        high = low >> 31;
        break;
      case READ.unsigned8:
        low = bytes[i] as number;
        break;
      case READ.low16:
        low = (bytes[i] as number) | ((bytes[i + 1] as number) << 8);
        break;
      case READ.signed32:
        low = signed32(bytes, i);
        high = low >> 31;
        break;
      case READ.unsigned32:
        low = signed32(bytes, i);
        break;
      default:
        low = signed32(bytes, i);
        high = signed32(bytes, i + 4);
    }
    let first = words[template] as number;
    if ((shape & BRANCH) !== 0) {
      const target = next + low;
      if (target >= 0 && target < 4096) first |= REC_FLAG.samePage << 24;
    }
    const u32 = this.#u32;
    const word = record >>> 2;
    u32[word] = first;
    u32[word + 1] = words[template + 1] as number;
    u32[word + 2] = words[template + 2] as number;
    u32[word + 3] = words[template + 3] as number;
    u32[word + 4] = displacement;
    u32[word + 5] = (words[template + NEXT] as number) | next;
    u32[word + 6] = low & (words[template + LOW] as number);
    u32[word + 7] = high & (words[template + HIGH] as number);
    return (shape & ENDS) === 0 ? length : ~length;
  }

  /** What stands there was decoded, and its record was written. */
  learn({ decoded, ends, at, record, offset }: Learned): void {
    const head = decoded.length - decoded.displacementBytes - decoded.immediateBytes;
    const place = this.#leaf(at, head);
    if (place < 0 || this.#nodes[place] !== 0) return;
    const shape = shapeOf(decoded, ends);
    if (shape === undefined) {
      this.#nodes[place] = DECODED;
      return;
    }
    this.#count++;
    const template = this.#count * WORDS;
    if (template === this.#words.length) this.#words = grown(this.#words);
    const words = this.#words;
    const u32 = this.#u32;
    const word = record >>> 2;
    for (let i = 0; i < 4; i++) words[template + i] = u32[word + i] as number;
    const { width, relative } = immediateOf(decoded.variant);
    if (relative) words[template] = (words[template] as number) & ~(REC_FLAG.samePage << 24);
    words[template + NEXT] = (u32[word + 5] as number) & 0xffff0000;
    words[template + SHAPE] = shape;
    words[template + LOW] = relative || width >= 32 ? -1 : (1 << width) - 1;
    words[template + HIGH] = relative || width < 64 ? 0 : -1;
    this.#nodes[place] = ~this.#count;
    // What does not come out the same, such as a POP that moves the base of its own operand, is no matter of copies.
    const before = u32.slice(word, word + 8);
    const same = this.write(at, record, offset) !== 0 && before.every((it, i) => it === u32[word + i]);
    if (same) return;
    u32.set(before, word);
    this.#nodes[place] = DECODED;
  }

  /** Where the tree says what follows these first bytes; -1 where there is no room for more of it. */
  #leaf(at: number, count: number): number {
    const bytes = this.#bytes;
    let node = 0;
    for (let i = at; ; i++) {
      const place = node * NODE + (bytes[i] as number);
      if (i + 1 === at + count) return place;
      node = this.#nodes[place] as number;
      if (node < 0) return -1;
      if (node > 0) continue;
      if (this.#nodeCount === MOST_NODES) return -1;
      if (this.#nodeCount * NODE === this.#nodes.length) this.#nodes = grown(this.#nodes);
      node = this.#nodeCount++;
      this.#nodes[place] = node;
    }
  }
}

function grown(words: Int32Array): Int32Array<ArrayBuffer> {
  const more = new Int32Array(2 * words.length);
  more.set(words);
  return more;
}

/** Undefined: its record depends on more than its first bytes and on other values than one displacement and one immediate. */
function shapeOf(decoded: Decoded, ends: boolean): number | undefined {
  const { variant, displacementBytes, immediateBytes, ripRelative, displacement } = decoded;
  const { width, relative, moffs } = immediateOf(variant);
  const immediates = variant.form.operands.filter(({ immediate }) => immediate !== 0);
  if (moffs || immediates.length > 1 || (ripRelative && displacement > GREATEST_RELATIVE)) return undefined;
  const read = readOf(immediateBytes, { signed: immediates[0]?.signed === true, width });
  if (read === undefined || (relative && read !== READ.signed8 && read !== READ.signed32)) return undefined;
  return (
    decoded.length |
    (ends ? ENDS : 0) |
    (displacementBytes === 1 ? SHORT_DISPLACEMENT : displacementBytes === 4 ? LONG_DISPLACEMENT : 0) |
    (ripRelative ? FROM_NEXT : 0) |
    (relative ? BRANCH : 0) |
    (read << IMMEDIATE)
  );
}

function readOf(bytes: number, { signed, width }: { signed: boolean; width: number }): number | undefined {
  if (bytes === 0) return READ.none;
  if (bytes === 1) return signed ? READ.signed8 : READ.unsigned8;
  if (bytes === 2) return width === 16 ? READ.low16 : undefined;
  if (bytes === 4) return signed ? READ.signed32 : READ.unsigned32;
  return bytes === 8 ? READ.whole : undefined;
}
