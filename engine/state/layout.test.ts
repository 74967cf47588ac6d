import { expect, test } from 'vitest';
import { EngineError } from '../base/index.ts';
import { array, bool, bytes, defineState, fifo8, i64, registeredLayouts, u8, u16, u32, u64 } from './index.ts';

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const layout = defineState('test-part', {
  control: u8({ id: 1, reset: 0x0f, mask: 0x7f, doc: 'Control' }),
  level: u16({ id: 2, range: [0, 1000], doc: 'Level' }),
  word: u32({ id: 3, doc: 'Word', kvm: 'regs.word' }),
  tsc: u64({ id: 4, reset: 7n, mask: 0xffff_ffff_ffffn, doc: 'Counter' }),
  due: i64({ id: 5, reset: -1n, doc: 'Time' }),
  on: bool({ id: 6, doc: 'Switch' }),
  block: bytes(3, { id: 7, doc: 'Bytes' }),
  pins: array('u64', 2, { id: 8, reset: 0x10000n, doc: 'Pins' }),
  bytesPerPin: array('u8', 3, { id: 9, reset: [1, 2, 3], range: [0, 9], doc: 'Small' }),
  rx: fifo8({ id: 10, depth: 4, doc: 'Received' }),
  cache: u32({ id: 11, reset: 5, member: 'derived', doc: 'Derived' }),
  host: u32({ id: 12, member: 'wiring', doc: 'Wiring' }),
});

function bound(base = 64) {
  const part = layout.bind(memory, base);
  part.host = 77;
  layout.reset(part);
  return part;
}

test('members are placed by natural alignment and the block by the widest', () => {
  expect(layout.fields.control.offset).toBe(0);
  expect(layout.fields.level.offset).toBe(2);
  expect(layout.fields.word.offset).toBe(4);
  expect(layout.fields.tsc.offset).toBe(8);
  expect(layout.size % layout.align).toBe(0);
  expect(registeredLayouts().get('test-part')).toBe(layout);
});

test('reset writes power-on values and leaves wiring alone', () => {
  const part = bound();
  expect([part.control, part.tsc, part.due, part.on, part.cache, part.host]).toEqual([0x0f, 7n, -1n, false, 5, 77]);
  expect([...part.pins]).toEqual([0x10000n, 0x10000n]);
  expect([...part.bytesPerPin]).toEqual([1, 2, 3]);
});

test('accessors mask to their width and reach the halves of 64 bits', () => {
  const part = bound();
  part.control = 0x1ff;
  expect(part.control).toBe(0xff);
  part.word = -1;
  expect(part.word).toBe(0xffffffff);
  part.setHi('tsc', 0x1234);
  part.setLo('tsc', 0xffffffff);
  expect(part.tsc).toBe(0x1234_ffffffffn);
  expect([part.hi('tsc'), part.lo('tsc')]).toEqual([0x1234, 0xffffffff]);
});

test('a FIFO drops when full and gives bytes back in order, around its end', () => {
  const { rx } = bound();
  for (let round = 0; round < 3; round++) {
    expect([1, 2, 3, 4, 5].map((byte) => rx.push(byte + round))).toEqual([true, true, true, true, false]);
    expect([rx.shift(), rx.shift(), rx.peek(), rx.shift(), rx.shift(), rx.shift()]).toEqual(
      [1, 2, 3, 3, 4].map((byte) => byte + round).concat([undefined as never]),
    );
  }
});

test('save omits members at reset, restore brings everything back', () => {
  const part = bound();
  expect(layout.save(part)).toEqual([]);
  part.level = 9;
  part.on = true;
  part.tsc = 1n;
  part.pins[1] = 3n;
  part.block[0] = 1;
  part.rx.push(8);
  part.cache = 1;
  const saved = layout.save(part);
  expect(saved.map(([id]) => id)).toEqual([2, 4, 6, 7, 8, 10]);
  const other = bound(1024);
  other.word = 4;
  layout.restore(other, saved);
  expect(layout.save(other)).toEqual(saved);
  expect([other.word, other.cache, other.host]).toEqual([0, 5, 77]);
});

test.each([
  ['not a list', {}, 'state-malformed'],
  ['not a pair', [[1]], 'state-malformed'],
  ['an unknown id', [[99, 1]], 'state-unknown'],
  ['an id of another type', [['1', 1]], 'state-unknown'],
  ['a derived member', [[11, 1]], 'state-unknown'],
  ['a wiring member', [[12, 1]], 'state-unknown'],
  [
    'an id twice',
    [
      [1, 1],
      [1, 1],
    ],
    'state-malformed',
  ],
  ['a number too large', [[1, 256]], 'state-value'],
  ['a bit outside the mask', [[1, 0x80]], 'state-value'],
  ['a fraction', [[2, 1.5]], 'state-value'],
  ['a value out of range', [[2, 1001]], 'state-value'],
  ['a bigint for a number', [[2, 1n]], 'state-value'],
  ['a number for a bigint', [[4, 1]], 'state-value'],
  ['64 bits outside the mask', [[4, 1n << 50n]], 'state-value'],
  ['a number for a truth value', [[6, 1]], 'state-value'],
  ['too few bytes', [[7, new Uint8Array(2)]], 'state-value'],
  ['a list for bytes', [[7, [1, 2, 3]]], 'state-value'],
  ['an array element out of range', [[9, [1, 2, 10]]], 'state-value'],
  ['a FIFO beyond its depth', [[10, new Uint8Array(5)]], 'state-value'],
])('a saved state with %s is refused and changes nothing', (_name, saved, code) => {
  const part = bound();
  part.level = 5;
  const before = layout.save(part);
  const restore = () => layout.restore(part, [...(Array.isArray(saved) ? [[3, 1]] : []), ...(Array.isArray(saved) ? saved : [])]);
  expect(() => (Array.isArray(saved) ? restore() : layout.restore(part, saved))).toThrow(expect.objectContaining({ code }));
  expect(() => layout.restore(part, Array.isArray(saved) ? saved : saved)).toThrow(EngineError);
  expect(layout.save(part)).toEqual(before);
});

test('the inspector sees every member with its documentation', () => {
  const tree = layout.inspect(bound());
  expect(tree).toHaveLength(12);
  expect(tree[2]).toEqual({ name: 'word', id: 3, value: 0, member: 'state', kvm: 'regs.word', doc: 'Word' });
});

test('a declaration that cannot hold is a broken invariant', () => {
  expect(() => defineState('test-part', {})).toThrow('used once');
  expect(() => defineState('test-ids', { a: u8({ id: 1, doc: '' }), b: u8({ id: 1, doc: '' }) })).toThrow('id of its own');
  expect(() => defineState('test-overlap', { a: u32({ id: 1, at: 0, doc: '' }), b: u8({ id: 2, at: 3, doc: '' }) })).toThrow(
    'overlaps',
  );
  expect(() => defineState('test-reset', { a: u8({ id: 1, reset: 2, mask: 1, doc: '' }) })).toThrow('own range');
});
