import { expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { debugcon } from './device.ts';

deviceContract(debugcon);

it('sends bytes and reads as its own number', () => {
  const sent: number[] = [];
  const line = { send: (byte: number) => sent.push(byte), onByte: () => undefined, ready: () => undefined };
  const bench = deviceBench(debugcon, { needs: () => ({ line }) });
  bench.write(0, 0x141);
  expect([sent, bench.read(0)]).toEqual([[0x41], 0xe9]);
});
