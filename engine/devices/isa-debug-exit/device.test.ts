import { expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { isaDebugExit } from './device.ts';

deviceContract(isaDebugExit);

it.each([
  [1, 0x21],
  [2, 0x4321],
  [4, 0x87654321],
] as const)('passes on what was written in %i bytes', (size, value) => {
  const seen: number[] = [];
  const signals = { debugExit: (code: number) => seen.push(code), reset: () => undefined, powerOff: () => undefined };
  const bench = deviceBench(isaDebugExit, { needs: () => ({ signals }) });
  bench.write(0, 0x87654321, size);
  expect(seen).toEqual([value]);
});
