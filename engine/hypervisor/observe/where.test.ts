import { describe, expect, it } from 'vitest';
import { Random } from '../../cpu/testing/random.ts';
import { MAXIMUM_WHERE, parseWhere, WhereError } from './where.ts';

const values: Record<string, bigint | undefined> = {
  reason: 30n,
  IO_INSTRUCTION: 30n,
  port: 0x3f8n,
  value: 0xffff_ffff_ffff_fff6n,
  gone: undefined,
};

const evaluate = (text: string): boolean =>
  parseWhere(text, (name) => (Object.hasOwn(values, name) ? () => values[name] : undefined))();

describe('expressions', () => {
  it.each([
    ['reason == IO_INSTRUCTION && port == 0x3f8', true],
    ['reason == IO_INSTRUCTION && port == 0x3f9', false],
    ['reason != 30 || port >= 1_016', true],
    ['port & 0xff == 0xf8', true], // binds as it looks, unlike in C
    ['1 + 2 << 3 == 24', true],
    ['-1 == 0xffffffffffffffff', true],
    ['value + 10 == 0', true],
    ['~0 >> 63 == 1', true],
    ['1 << 64', false],
    ['0b1010 ^ 0b0110 == 0b1100', true],
    ['!(port < 5) && !!port', true],
    ['2 > 1 == 1', true],
    ['0', false],
    ['gone == 0', false],
    ['gone != 0', false],
    ['!gone', false],
    ['gone == 0 || port', true],
    ['-gone', false],
    ['  port\n', true],
  ])('%s', (text, expected) => {
    expect(evaluate(text)).toBe(expected);
  });

  it.each([
    ['', 'it ends too early', 0],
    ['port ==', 'it ends too early', 7],
    ['port == 1)', ') is not expected here', 9],
    ['(port', 'it ends too early', 5],
    ['port = 1', '"=" is no part of an expression', 5],
    ['prot == 1', 'there is no prot', 0],
    ['constructor', 'there is no constructor', 0],
    ['port port', 'port is not expected here', 5],
    ['0x1_0000_0000_0000_0000', '0x1_0000_0000_0000_0000 has more than 64 bits', 0],
    ['port; 1', '";" is no part of an expression', 4],
    [`${'('.repeat(65)}1${')'.repeat(65)}`, 'it is nested too deeply', 64],
    [`${'!'.repeat(65)}1`, 'it is nested too deeply', 64],
    ['1'.repeat(MAXIMUM_WHERE + 1), `it has more than ${MAXIMUM_WHERE} characters`, MAXIMUM_WHERE],
  ])('refuses %j', (text, message, at) => {
    expect(() => evaluate(text)).toThrow(expect.objectContaining({ message, at }));
  });

  it('agrees with JavaScript on random expressions', () => {
    const random = new Random(3);
    const operators = ['+', '-', '&', '|', '^', '==', '!=', '<', '<=', '>', '>='];
    const make = (depth: number): { text: string; value: bigint } => {
      if (depth === 0) {
        const value = random.long() >> BigInt(random.below(64));
        return { text: random.chance(50) ? `${value}` : `0x${value.toString(16)}`, value };
      }
      const [a, b] = [make(depth - 1), make(depth - 1)];
      const operator = random.pick(operators);
      const apply: Record<string, bigint | boolean> = {
        '+': a.value + b.value,
        '-': a.value - b.value,
        '&': a.value & b.value,
        '|': a.value | b.value,
        '^': a.value ^ b.value,
        '==': a.value === b.value,
        '!=': a.value !== b.value,
        '<': a.value < b.value,
        '<=': a.value <= b.value,
        '>': a.value > b.value,
        '>=': a.value >= b.value,
      };
      return { text: `(${a.text} ${operator} ${b.text})`, value: BigInt.asUintN(64, BigInt(apply[operator] ?? 0)) };
    };
    for (let i = 0; i < 500; i++) {
      const { text, value } = make(1 + random.below(4));
      if (text.length <= MAXIMUM_WHERE) expect(evaluate(`${text} == ${value}`), text).toBe(true);
    }
  });

  it('answers whatever is typed with a result or one sentence', () => {
    const random = new Random(5);
    const parts = [
      'port',
      'gone',
      '0x',
      '0b',
      '12',
      '_',
      '(',
      ')',
      '&&',
      '||',
      '&',
      '!',
      '~',
      '-',
      '<<',
      ' ',
      '\u0000',
      '=',
      'é',
      '"',
    ];
    let wrong = 0;
    for (let i = 0; i < 5000; i++) {
      const text = Array.from({ length: random.below(12) }, () => random.pick(parts)).join('');
      try {
        expect(typeof evaluate(text)).toBe('boolean');
      } catch (error) {
        expect(error, JSON.stringify(text)).toBeInstanceOf(WhereError);
        wrong++;
      }
    }
    expect(wrong).toBeGreaterThan(1000);
    expect(wrong).toBeLessThan(5000);
  });
});
