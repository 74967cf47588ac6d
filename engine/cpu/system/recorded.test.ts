import { expect, test } from 'vitest';
import { jumpFar } from './far.ts';
import { iret, returnFar } from './returns.ts';
import { loadSegment } from './segments.ts';
import { Bench, GDT, LDT } from './testing/bench.ts';
import { RECORDED_GDT, RECORDED_LDT, RECORDED_SELECTORS } from './testing/recorded-selectors.ts';

const TARGET = 0x18000;
const TABLE_BYTES = 0x100;

function processor(): Bench {
  const b = new Bench().standard(3, 'long');
  b.memory.bytes.fill(0, GDT, GDT + TABLE_BYTES);
  b.memory.bytes.fill(0, LDT, LDT + TABLE_BYTES);
  for (const { selector, ...d } of [...RECORDED_GDT, ...RECORDED_LDT]) b.descriptor(selector, d);
  b.s.gdtrLimit = 0x7f;
  b.s.ldtrLimit = 0x57;
  b.take('cs', 0x33);
  b.take('ss', 0x2b);
  return b;
}

const push = (b: Bench, ...values: number[]): void => {
  for (const value of values) {
    const sp = (b.s.gpr[4] as bigint) - 8n;
    b.s.gpr[4] = sp;
    b.memory.writePhysical(64, Number(sp), BigInt(value));
  }
};

/** The six columns, in order. */
const OPERATIONS: readonly ((b: Bench, selector: number) => ReturnType<Bench['run']>)[] = [
  (b, selector) => b.run((c) => loadSegment(c, 3, selector)),
  (b, selector) => b.run((c) => loadSegment(c, 2, selector)),
  (b, selector) => b.run((c) => jumpFar(c, BigInt(selector), BigInt(TARGET), 32n)),
  (b, selector) => {
    push(b, selector, TARGET);
    return b.run((c) => returnFar(c, 64, 0));
  },
  (b, selector) => {
    push(b, 0x2b, 0xb000, 0x202, selector, TARGET);
    return b.run((c) => iret(c, 64));
  },
  (b, selector) => {
    push(b, selector, 0xb000, 0x202, 0x33, TARGET);
    return b.run((c) => iret(c, 64));
  },
];

test('690 selector loads and transfers agree with a real processor', () => {
  let cases = 0;
  for (const line of RECORDED_SELECTORS.trim().split('\n')) {
    const [name = '', ...recorded] = line.split(' ');
    const selector = Number.parseInt(name, 16);
    const ours = OPERATIONS.map((operation, i) => {
      const b = processor();
      const fault = operation(b, selector);
      cases++;
      if (fault !== undefined) return `#${fault.vector}:${(fault.errorCode ?? 0).toString(16)}`;
      return i < 2 ? 'ok' : `${b.s.csSelector.toString(16)}/${b.s.ssSelector.toString(16)}`;
    });
    expect(ours, `selector ${name}`).toEqual(recorded);
  }
  expect(cases).toBe(690);
});
