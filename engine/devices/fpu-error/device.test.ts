import { expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { fpuError } from './device.ts';
import { Reg } from './spec.ts';

deviceContract(fpuError, { disturb: (bench) => bench.device.api.error() });

it.each([
  ['F0h', Reg.ClearError],
  ['F1h', Reg.Reset],
])('an error raises the line until %s is written; the next error is another edge', (_name, port) => {
  const bench = deviceBench(fpuError);
  const { error } = bench.device.api;
  error();
  error();
  expect([bench.lines['intr'], bench.edges['intr']]).toEqual([true, 1]);
  expect(bench.read(port)).toBe(0xff);
  expect(bench.lines['intr']).toBe(true);
  bench.write(port, 0);
  expect(bench.lines['intr']).toBe(false);
  error();
  expect([bench.lines['intr'], bench.edges['intr']]).toEqual([true, 2]);
});
