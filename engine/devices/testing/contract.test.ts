import { expect, test } from 'vitest';
import { array, bool, i64, u8, u16 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { byteLine } from '../ports.ts';
import { contractCases, deviceBench, deviceContract } from './contract.ts';

let kinds = 0;

/** A small device that keeps the contract: a control byte, a down-counter with an interrupt, a latch for bytes from a line. */
function sound(change: 'none' | 'hidden' | 'line' | 'reset' | 'throws' | 'range' = 'none') {
  return defineDevice({
    type: `contract-sample-${kinds++}`,
    ports: { regs: 4 },
    mmio: { window: 16 },
    irqs: ['done'],
    timers: ['count'],
    needs: { line: byteLine },
    state: {
      control: u8({ id: 1, reset: 1, mask: 0x0f, doc: 'Control; bit 3 enables the interrupt' }),
      reload: u16({ id: 2, doc: 'Reload in microseconds' }),
      until: i64({ id: 3, reset: -1n, doc: 'Machine time in ns when the count ends; -1: stopped' }),
      done: bool({ id: 4, doc: 'The count ended' }),
      words: array('u32', 4, { id: 5, doc: 'Window' }),
    },
    create({ state, irqs, timers, clock, line }) {
      let hidden = 0;
      const settle = () => irqs.done.set(state.done && (state.control & 8) !== 0);
      line.onByte(
        (byte) => {
          state.control = byte & 0x0f;
          settle();
        },
        () => 1,
      );
      return {
        regions: {
          regs: {
            read: (at) =>
              [state.control, state.reload & 0xff, state.done ? 1 : 0, change === 'hidden' ? hidden & 0xff : 0][at] ?? 0,
            write: (at, value) => {
              if (change === 'throws' && value === 0x80) throw new Error('guest input threw');
              if (at === 0) state.control = change === 'range' ? value : value & 0x0f;
              if (at === 1) {
                state.reload = value;
                state.done = false;
                state.until = BigInt(Math.floor(clock.now()) + value * 1000);
                timers.count.at(Number(state.until));
                line.send(value);
              }
              if (at === 3) hidden += value;
              settle();
            },
          },
          window: {
            read: (at) => (state.words[at >>> 2] as number) >>> (8 * (at & 3)),
            write: (at, value) => {
              state.words[at >>> 2] = value;
            },
          },
        },
        timers: {
          count: () => {
            state.done = true;
            state.until = -1n;
            settle();
          },
        },
        reset: () => {
          if (change === 'reset') state.reload = 3 + (hidden & 1);
        },
        restored: () => {
          if (change !== 'line') settle();
          if (state.until >= 0n) timers.count.at(Number(state.until));
        },
      };
    },
  });
}

deviceContract(sound(), { disturb: (bench) => bench.write(0, 9) });

test('the bench serves timers in machine time and shows lines and edges', () => {
  const sent: number[] = [];
  let input: (byte: number) => void = () => undefined;
  const send = (byte: number) => sent.push(byte);
  const bench = deviceBench(sound(), {
    needs: () => ({
      line: {
        ready: () => undefined,
        send,
        onByte: (listener: typeof input) => {
          input = listener;
        },
      },
    }),
  });
  bench.write(0, 8);
  bench.write(1, 50);
  bench.advance(49_000);
  expect([bench.lines.done, bench.read(2)]).toEqual([false, 0]);
  bench.advance(2000);
  expect([bench.lines.done, bench.edges.done, bench.read(2)]).toEqual([true, 1, 1]);
  input(0);
  expect([bench.lines.done, sent]).toEqual([false, [50]]);
  bench.write(4, 0xaabbccdd, 4, 'window');
  expect(bench.read(5, 2, 'window')).toBe(0xbbcc);
});

test.each([
  ['hidden', 'a restored device goes on as the saved one'],
  ['line', 'restore brings back state and outputs, and saving changes nothing'],
  ['reset', 'reset is power-on'],
  ['throws', 'random accesses with time going backwards stay within the declared ranges'],
  ['range', 'random accesses with time going backwards stay within the declared ranges'],
] as const)('the contract catches a device with a defect: %s', (defect, caught) => {
  const cases = contractCases(sound(defect), { disturb: (bench) => bench.write(0, 9) });
  const failing = cases.find(({ name }) => name === caught);
  expect(() => failing?.run()).toThrow();
});
