import { expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { parallel } from './device.ts';
import { Control, Reg } from './spec.ts';

function port() {
  const sent: number[] = [];
  const bench = deviceBench(parallel, {
    needs: () => ({ line: { send: (byte: number) => sent.push(byte), onByte: () => undefined, ready: () => undefined } }),
  });
  return { ...bench, sent };
}

deviceContract(parallel, { disturb: (bench) => bench.write(Reg.Data, 0x55) });

it('sends a byte for each strobe, not while it stays', () => {
  const p = port();
  for (const byte of [0x41, 0x42]) {
    p.write(Reg.Data, byte);
    p.write(Reg.Control, Control.Initialize | Control.Strobe);
    p.write(Reg.Control, Control.Initialize | Control.Strobe);
    p.write(Reg.Control, Control.Initialize);
  }
  expect([p.sent, p.read(Reg.Data), p.edges.intr]).toEqual([[0x41, 0x42], 0x42, 0]);
});

it('acknowledges with an interrupt where one is wanted, and is a printer that is ready', () => {
  const p = port();
  p.write(Reg.Control, Control.Interrupt | Control.Strobe);
  expect([p.edges.intr, p.lines.intr, p.read(Reg.Status), p.read(Reg.Control)]).toEqual([1, false, 0xdf, 0xd1]);
});

it('sends nothing while its lines are inputs', () => {
  const p = port();
  p.write(Reg.Control, Control.Direction | Control.Strobe);
  expect(p.sent).toEqual([]);
});
