import { expect, test } from 'vitest';
import { FEATURES, featureBits } from '../../isa/attributes.ts';
import { decode } from '../../isa/decode.ts';
import { Decoded } from '../../isa/decoded.ts';
import type { DecodeMode } from '../../isa/variants.ts';
import { Random } from '../testing/random.ts';
import { addressShape } from './address-shapes.ts';
import { packRecord } from './records.ts';
import { RecordTemplates } from './templates.ts';

const LONG: DecodeMode = { code: 64, stack: 64, kind: 'long', features: featureBits(FEATURES) };
const LONGEST = 15;
const RECORD = 64;

/** Bytes that instructions of compilers begin with, so that random ones are not all rare. */
const HEADS = [
  '',
  '48',
  '4c',
  '41',
  '66',
  '0f',
  '480f',
  'f30f',
  'f20f',
  '660f',
  '65',
  'f0',
  '67',
  '8b',
  '83',
  'c7',
  'e8',
  '0f84',
].map((hex) => Buffer.from(hex, 'hex'));

/** As the code cache has it, with one number per form and shape for the handler. */
function packed(bytes: Uint8Array, offset: number): { decoded: Decoded; words: number[] } | undefined {
  const decoded = decode(bytes, 0, LONGEST, LONG);
  if (!(decoded instanceof Decoded)) return undefined;
  const u32 = new Uint32Array(8);
  const { variant } = decoded;
  const shape = variant.memory ? ['general', 'plain', 'indexed'].indexOf(addressShape(decoded)) : 3;
  const handler = 4 * (decoded.opcode | ((decoded.prefixes & 31) << 8)) + shape;
  packRecord(u32, decoded, { at: 0, offset, handler: handler & 0xffff, long: true, flat: 0 });
  return { decoded, words: [...u32] };
}

test('records made of templates are those that the decoder makes, whatever follows the first bytes', () => {
  const random = new Random(7);
  const bytes = new Uint8Array(2 * LONGEST);
  const u32 = new Uint32Array(64);
  const templates = new RecordTemplates(u32, bytes);
  let [written, kinds] = [0, new Set<string>()];
  for (let n = 0; n < 60_000; n++) {
    const head = random.pick(HEADS);
    for (let i = 0; i < bytes.length; i++) bytes[i] = head[i] ?? random.below(256);
    const first = packed(bytes, random.below(4096));
    if (first === undefined) {
      // What does not decode has no template.
      expect(templates.write(0, RECORD, 0)).toBe(0);
      continue;
    }
    const { decoded } = first;
    u32.set(packed(bytes, 100)?.words ?? [], RECORD / 4);
    const ends = (decoded.opcode & 1) === 1;
    templates.learn({ decoded, ends, at: 0, record: RECORD, offset: 100 });
    // Other values behind the same first bytes.
    const same = decoded.length - decoded.displacementBytes - decoded.immediateBytes;
    for (let i = same; i < decoded.length; i++)
      bytes[i] = random.chance(30) ? random.pick([0, 0x7f, 0x80, 0xff]) : random.below(256);
    const offset = random.below(4096);
    const other = packed(bytes, offset);
    const got = templates.write(0, RECORD, offset);
    if (got === 0) continue;
    expect({ got, words: [...u32.subarray(RECORD / 4, RECORD / 4 + 8)] }, Buffer.from(bytes).toString('hex')).toEqual({
      got: ends ? ~decoded.length : decoded.length,
      words: other?.words,
    });
    written++;
    kinds.add(decoded.definition.name);
  }
  expect(written).toBeGreaterThan(20_000);
  expect(kinds.size).toBeGreaterThan(200);
});

test('an instruction that moves the base of its own operand has none', () => {
  const bytes = new Uint8Array(2 * LONGEST);
  bytes.set([0x8f, 0x44, 0x24, 0x04]); // pop [rsp+4]
  const u32 = new Uint32Array(64);
  const templates = new RecordTemplates(u32, bytes);
  const { decoded, words } = packed(bytes, 0) as { decoded: Decoded; words: number[] };
  u32.set(words, RECORD / 4);
  templates.learn({ decoded, ends: false, at: 0, record: RECORD, offset: 0 });
  expect(templates.write(0, RECORD, 0)).toBe(0);
  expect([...u32.subarray(RECORD / 4, RECORD / 4 + 8)]).toEqual(words);
});
